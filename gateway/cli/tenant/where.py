"""Which gateway an operator means, and who they are there."""

import argparse
import getpass
import json
import os
from pathlib import Path
from typing import Final

from gateway.cli.errors import CommandError
from gateway.client.address import gateway_url
from gateway.client.admin import Admin
from gateway.client.credential import TokenSource, token_source
from gateway.client.errors import UsageError

URL_VARIABLE: Final = "UPLOAD_GATEWAY_URL"


def admin(options: argparse.Namespace) -> Admin:
    """The admin API that the options name; raises UsageError or CommandError."""
    if options.data is not None:
        if options.url or options.token_file or options.token_command:
            raise UsageError("--data says which gateway and who you are: leave --url and the token out.")
        return Admin(_demo_url(options.data), _demo_operator(options.data))
    url = options.url or os.environ.get(URL_VARIABLE)
    if not url:
        raise UsageError(f"Which gateway? Say --url, or {URL_VARIABLE}, or --data with a demo's directory.")
    base = gateway_url(url, insecure=options.insecure)
    return Admin(base, token_source(file=options.token_file, command=options.token_command, environment=os.environ))


def _demo_url(data: Path) -> str:
    try:
        return str(json.loads((data / "demo.json").read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"No demo runs in {data}: start one, or name its directory with --data.") from None


def _demo_operator(data: Path) -> TokenSource:
    """Tokens of a demo's operators' issuer, for whoever is logged in here."""
    from gateway.local.errors import DemoError  # noqa: PLC0415
    from gateway.local.issuer import DevelopmentIssuer  # noqa: PLC0415
    from gateway.policy.document import ADMIN_SCOPE  # noqa: PLC0415

    def token() -> str:
        try:
            issuer = DevelopmentIssuer.open(data)
            return issuer.token(tenant=None, subject=_login(), scope=ADMIN_SCOPE, ttl=3600, alg="EdDSA", admin=True)
        except DemoError as error:
            raise CommandError(str(error)) from None

    return token


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
