"""`upload-gateway tenant VERB …`: what an operator does with tenants, over the admin API of any gateway.

The parsers are here; what a verb does is imported when it runs. Exit status: see `_EPILOG`.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.cli.errors import CommandError
from gateway.cli.put import add_token

REFUSED: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
INTERRUPTED: Final = 130

_EPILOG: Final = """\
exit status: 0 done (evaluate: granted), 1 refused, or changed by somebody else meanwhile (evaluate: refused), 2 the
command can't be meant or a document is wrong (apply --dry-run: there would be changes), 3 the gateway does not answer,
4 you said no, 130 interrupted. Nothing is changed but by 0, and by an apply that says what it did.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parsers."""
    parser = commands.add_parser(
        "tenant",
        help="list, show, edit, apply, roll back and explain tenants",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    _add_reading(verbs)
    _add_changing(verbs)
    _add_keys(verbs)
    parser.set_defaults(run=run)


def _add_reading(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _verb(verbs, "list", "all tenants")
    show = _verb(verbs, "show", "a tenant's document, with its defaults")
    show.add_argument("tenant")
    history = _verb(verbs, "history", "every version of a tenant, newest first")
    history.add_argument("tenant")
    history.add_argument("--diff", action="store_true", help="show what each version changed")
    _verb(verbs, "usage", "what a tenant has in S3, and what is reserved").add_argument("tenant")
    evaluate = _verb(verbs, "evaluate", "what would be decided on a request, and which rule says so")
    evaluate.add_argument("tenant")
    evaluate.add_argument("name", metavar="NAME", help="the name of the upload, as it is meant")
    evaluate.add_argument("--size", type=int, required=True, help="bytes")
    evaluate.add_argument("--type", metavar="TYPE", help="its media type")
    evaluate.add_argument("--backend", choices=["edge", "presigned", "proxy"], default="proxy", help="default: proxy")
    evaluate.add_argument("--header", action="append", default=[], metavar="NAME:VALUE", help="may be repeated")
    evaluate.add_argument(
        "--claim", action="append", default=[], metavar="NAME=VALUE", help="of the caller's token (repeatable)"
    )


def _add_changing(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    edit = _verb(verbs, "edit", "change a tenant's document in $VISUAL or $EDITOR", changes=True)
    edit.add_argument("tenant")
    apply = _verb(verbs, "apply", "make the gateway's tenants those of a folder of documents", changes=True)
    apply.add_argument("folder", type=Path, metavar="FOLDER", help="one TENANT.json a tenant")
    apply.add_argument("--prune", action="store_true", help="delete tenants that have no document in the folder")
    apply.add_argument(
        "--dry-run", action="store_true", help="show the plan and change nothing; status 2 where there is something"
    )
    rollback = _verb(verbs, "rollback", "put an earlier version in force again", changes=True)
    rollback.add_argument("tenant")
    rollback.add_argument("version", type=int, metavar="VERSION", help="as history says it")
    delete = _verb(verbs, "delete", "end a tenant and its API keys; its objects stay", changes=True)
    delete.add_argument("tenant")


def _add_keys(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keys = verbs.add_parser("keys", help="a tenant's API keys")
    inner = keys.add_subparsers(dest="key_verb", required=True, metavar="verb")
    _verb(inner, "list", "its keys, without their secrets").add_argument("tenant")
    create = _verb(inner, "create", "make a key; its secret is printed once, alone on standard output", changes=True)
    create.add_argument("tenant")
    create.add_argument("--name", required=True, help="what it is for")
    create.add_argument("--scope", action="append", metavar="SCOPE", help="repeatable (default: files:write)")
    create.add_argument("--expires", metavar="WHEN", help="RFC 3339, or days from now such as 90d (default: never)")
    create.add_argument("--name-prefix", metavar="PREFIX", help="only names that begin so")
    revoke = _verb(inner, "revoke", "end a key", changes=True)
    revoke.add_argument("tenant")
    revoke.add_argument("key", metavar="KEY", help="its id")


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, told: str, *, changes: bool = False
) -> argparse.ArgumentParser:
    """A verb with where the gateway is, who asks, and how it is said."""
    parser = verbs.add_parser(name, help=told)
    where = parser.add_argument_group("where")
    where.add_argument("--url", metavar="URL", help="the gateway (default: $UPLOAD_GATEWAY_URL)")
    where.add_argument("--data", type=Path, metavar="DIR", help="a demo's directory, instead of a URL and a token")
    add_token(parser)
    parser.add_argument("--json", action="store_true", help="print what the gateway says, for a program")
    if changes:
        parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history and the audit")
        parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def run(options: argparse.Namespace) -> int:
    """Do what the verb says; raises CommandError with a sentence and a status."""
    from gateway.cli.tenant import applying, editing, keys, reading  # noqa: PLC0415
    from gateway.cli.tenant.talk import Talk  # noqa: PLC0415
    from gateway.cli.tenant.where import admin  # noqa: PLC0415
    from gateway.client.admin import Admin  # noqa: PLC0415
    from gateway.client.errors import RefusedError, UnavailableError, UsageError  # noqa: PLC0415

    verbs: dict[str, Callable[[Admin, argparse.Namespace, Talk], int]] = {
        "list": reading.list_tenants,
        "show": reading.show,
        "history": reading.history,
        "usage": reading.usage,
        "evaluate": reading.evaluate,
        "edit": editing.edit,
        "rollback": applying.roll_back,
        "apply": applying.apply,
        "delete": applying.delete,
        "keys list": keys.list_keys,
        "keys create": keys.create,
        "keys revoke": keys.revoke,
    }
    verb = f"keys {options.key_verb}" if options.verb == "keys" else options.verb
    try:
        with admin(options) as gateway:
            return verbs[verb](gateway, options, Talk(assumed=getattr(options, "yes", False)))
    except UsageError as error:
        raise CommandError(str(error), status=USAGE) from None
    except RefusedError as error:
        raise CommandError(str(error), status=REFUSED) from None
    except UnavailableError as error:
        raise CommandError(str(error), status=UNAVAILABLE) from None
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
