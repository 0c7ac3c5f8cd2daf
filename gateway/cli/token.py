"""`upload-gateway token`: a token of the demo's issuer, for trying things out."""

import argparse
from pathlib import Path

from gateway.cli.demo import DEFAULT_DATA
from gateway.cli.errors import CommandError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser("token", help="print a token of the demo's issuer")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the demo's directory (default: demo-data)")
    parser.add_argument("--tenant", help="the tenant it speaks for")
    parser.add_argument("--subject", default="demo-user", help="who it speaks for (default: demo-user)")
    parser.add_argument("--scope", help="its scopes, separated by spaces (default: files:write)")
    parser.add_argument("--ttl", type=int, default=3600, help="its life in seconds (default: 3600)")
    parser.add_argument("--alg", choices=["RS256", "ES256", "EdDSA"], default="RS256", help="how it is signed")
    parser.add_argument("--admin", action="store_true", help="a token of the operators' issuer instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the token; raises CommandError where there is no demo."""
    # Imported here so that the command starts without the server's libraries.
    from gateway.local.errors import DemoError  # noqa: PLC0415
    from gateway.local.issuer import DevelopmentIssuer  # noqa: PLC0415
    from gateway.policy.document import ADMIN_SCOPE  # noqa: PLC0415

    if not (options.data / "issuer.json").is_file():
        raise CommandError(f"There is no demo in {options.data}: start one, or name its directory with --data.")
    usual = ADMIN_SCOPE if options.admin else "files:write"
    try:
        token = DevelopmentIssuer.open(options.data).token(
            tenant=options.tenant,
            subject=options.subject,
            scope=usual if options.scope is None else options.scope,
            ttl=options.ttl,
            alg=options.alg,
            admin=options.admin,
        )
    except DemoError as error:
        raise CommandError(str(error)) from error
    print(token)
    return 0
