"""The command line: `upload-gateway demo | token`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

DEFAULT_PORT = 8080
DEFAULT_DATA = Path("demo-data")


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    root = argparse.ArgumentParser(prog="upload-gateway", description="Uploads to S3 for people you do not trust.")
    commands = root.add_subparsers(dest="command", required=True, metavar="command")

    demo = commands.add_parser("demo", help="run the whole product on this machine, with a real S3")
    demo.add_argument("--port", type=int, default=DEFAULT_PORT, help="where the gateway listens (default: 8080)")
    demo.add_argument("--data", type=Path, default=DEFAULT_DATA, help="where everything is kept (default: demo-data)")
    demo.add_argument("--limits", choices=["none", "aws"], default="none", help="hold the backends to AWS's limits")
    demo.add_argument("--strict-s3", action="store_true", help="refuse at S3 what AWS refuses and this S3 takes")

    token = commands.add_parser("token", help="print a token of the demo's issuer")
    token.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the demo's directory (default: demo-data)")
    token.add_argument("--tenant", help="the tenant it speaks for")
    token.add_argument("--subject", default="demo-user", help="who it speaks for (default: demo-user)")
    token.add_argument("--scope", help="its scopes, separated by spaces (default: files:write)")
    token.add_argument("--ttl", type=int, default=3600, help="its life in seconds (default: 3600)")
    token.add_argument("--alg", choices=["RS256", "ES256", "EdDSA"], default="RS256", help="how it is signed")
    token.add_argument("--admin", action="store_true", help="a token of the operators' issuer instead")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; the exit status is returned."""
    options = parser().parse_args(arguments)
    # Imported here so that `token` starts without the server's libraries.
    from gateway.local.errors import DemoError  # noqa: PLC0415

    try:
        return _demo(options) if options.command == "demo" else _token(options)
    except DemoError as error:
        print(f"upload-gateway: {error}", file=sys.stderr)
        return 1


def _demo(options: argparse.Namespace) -> int:
    from gateway.local.demo import DemoOptions, run  # noqa: PLC0415

    return run(DemoOptions(port=options.port, data=options.data, limits=options.limits, strict_s3=options.strict_s3))


def _token(options: argparse.Namespace) -> int:
    from gateway.local.errors import DemoError  # noqa: PLC0415
    from gateway.local.issuer import DevelopmentIssuer  # noqa: PLC0415
    from gateway.policy.document import ADMIN_SCOPE  # noqa: PLC0415

    if not (options.data / "issuer.json").is_file():
        raise DemoError(f"There is no demo in {options.data}: start one, or name its directory with --data.")
    usual = ADMIN_SCOPE if options.admin else "files:write"
    token = DevelopmentIssuer.open(options.data).token(
        tenant=options.tenant,
        subject=options.subject,
        scope=usual if options.scope is None else options.scope,
        ttl=options.ttl,
        alg=options.alg,
        admin=options.admin,
    )
    print(token)
    return 0
