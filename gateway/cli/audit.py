"""`upload-gateway audit verify | export | head`: the record of decisions, checked and taken out without changing it."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli.errors import CommandError

if TYPE_CHECKING:
    from gateway.tenants.audit import AuditLog, Head
    from gateway.tenants.evidence import Evidence

BROKEN: Final = 1
"""The exit status where a line is not as it was written, or is not there."""

UNABLE: Final = 2
"""The exit status where nothing could be looked at."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser, with one for each of the three."""
    parser = commands.add_parser("audit", help="check the record of decisions, or take it out")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verify | export | head")
    verify = verbs.add_parser("verify", help="look for lines that were changed, removed or moved")
    _from(verify, file=True)
    verify.add_argument("--chain", help="this chain alone (default: all)")
    verify.add_argument(
        "--head", action="append", default=[], metavar="[CHAIN=]SEQ:HASH", help="a head kept elsewhere (repeatable)"
    )
    verify.add_argument("--heads", type=Path, metavar="FILE", help="heads kept elsewhere, as `audit head` prints them")
    verify.add_argument("--start", metavar="SEQ:HASH", help="the head behind which an exported file begins")
    verify.set_defaults(run=_verify)
    export = verbs.add_parser("export", help="print a chain's lines")
    _from(export)
    export.add_argument("--chain", default="main", help="which chain (default: main)")
    export.add_argument("--after", type=int, default=0, metavar="SEQ", help="only lines behind this number")
    export.set_defaults(run=_export)
    head = verbs.add_parser("head", help="print the end of each chain, to be kept elsewhere")
    _from(head)
    head.set_defaults(run=_head)


def _from(parser: argparse.ArgumentParser, *, file: bool = False) -> None:
    """Where the audit is: exactly one of them."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--sqlite", type=Path, metavar="FILE", help="the gateway's store, also while it runs")
    source.add_argument("--dynamodb", metavar="TABLE", help="the gateway's table, with the AWS SDK's own credentials")
    if file:
        source.add_argument("file", nargs="?", type=Path, metavar="FILE.jsonl", help="lines that were exported")
    parser.add_argument("--region", help="the table's AWS Region (default: the AWS SDK's)")
    parser.add_argument("--endpoint", metavar="URL", help="where DynamoDB is, if not on AWS")


def _verify(options: argparse.Namespace) -> int:
    """Say of each chain whether it is whole; 0: all are, 1: one is not, 2: it can't be read."""
    from gateway.tenants.audit import Head  # noqa: PLC0415 - what a command runs is imported when it runs
    from gateway.tenants.evidence import examine  # noqa: PLC0415

    kept = _kept(options)
    start = None if options.start is None else _read(options.start)
    with _evidence(options) as evidence:
        findings = examine(evidence, kept=kept, start=start, chain=options.chain)
    for finding in findings:
        outcome = finding.outcome
        if isinstance(outcome, Head):
            print(f"{finding.chain}: whole, {outcome.seq} lines, head {outcome.seq}:{outcome.hash}")
        else:
            print(f"{finding.chain}: BROKEN at line {outcome.line}: {outcome.detail}")
    if not findings:
        print("There is no line yet.")
    return 0 if all(isinstance(finding.outcome, Head) for finding in findings) else BROKEN


def _export(options: argparse.Namespace) -> int:
    with _evidence(options) as evidence:
        for line in evidence.lines(chain=options.chain, after=options.after):
            print(line)
    return 0


def _head(options: argparse.Namespace) -> int:
    with _evidence(options) as evidence:
        for chain in evidence.chains():
            head = evidence.head(chain=chain)
            print(f"{chain} {head.seq}:{head.hash}")
    return 0


def _kept(options: argparse.Namespace) -> "dict[str, list[Head]]":
    """The heads from elsewhere by chain; one without a name is of the chain that is looked at."""
    kept: dict[str, list[Head]] = {}
    for text in options.head:
        named, _, head = text.rpartition("=")
        kept.setdefault(named or options.chain or "main", []).append(_read(head))
    for line in _file_lines(options.heads):
        chain, _, head = line.strip().rpartition(" ")
        kept.setdefault(chain or "main", []).append(_read(head))
    return kept


def _file_lines(path: Path | None) -> Iterable[str]:
    try:
        return [] if path is None else [line for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{path} can't be read: {error}.", status=UNABLE) from error


def _read(text: str) -> "Head":
    from gateway.tenants.evidence import read_head  # noqa: PLC0415

    head = read_head(text)
    if head is None:
        raise CommandError(f"{text!r} is no head: it is a line's number, a colon and 64 hex digits.", status=UNABLE)
    return head


@contextmanager
def _evidence(options: argparse.Namespace) -> "Iterator[Evidence]":
    """What the options name, open for reading; what keeps it from being read ends the command."""
    from gateway.tenants.errors import StoreError  # noqa: PLC0415
    from gateway.tenants.evidence import File  # noqa: PLC0415

    try:
        if getattr(options, "file", None) is not None:
            yield File(options.file)
        else:
            yield _stored(options)
    except BrokenPipeError:  # whoever read what is printed has enough
        sys.stderr.close()
        raise SystemExit(0) from None
    except (StoreError, OSError, UnicodeError) as error:
        raise CommandError(f"The audit can't be read: {error}.", status=UNABLE) from error


def _stored(options: argparse.Namespace) -> "AuditLog":
    if options.sqlite is not None:
        from gateway.tenants.sqlite import Database, SqliteAuditLog  # noqa: PLC0415

        return SqliteAuditLog(Database(options.sqlite, read_only=True))
    from gateway.tenants.dynamodb.audit import DynamoAuditLog  # noqa: PLC0415
    from gateway.tenants.dynamodb.boto import make_client  # noqa: PLC0415
    from gateway.tenants.dynamodb.table import Table  # noqa: PLC0415

    client = make_client(region=options.region, endpoint=options.endpoint)
    return DynamoAuditLog(Table(client, options.dynamodb))
