"""The entry of the Lambda@Edge function: reads what the package and the runtime say, once a sandbox.

The only module of the function that reads the environment; what Lambda@Edge puts there are the reserved variables
("Using Lambda environment variables"): the Region the function runs in, and its role's credentials.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from edge_auth.assembly import Clocks, assemble, documents_near, throttles_near
from edge_auth.handler import Handler, Result, render_refusal
from edge_auth.parameters import fetch_parameter
from edge_auth.settings import Settings, SettingsError, parameter_of, with_parameter
from gateway.policy.problems import Code, Fault, Refusal
from gateway.policy.strict_json import loads
from gateway.storage.sigv4 import Credentials

FILE: Final = Path(__file__).with_name("settings.json")
"""Written into the package by `make edge-package`."""

_CLOCKS: Final = Clocks(wall=time.time, monotonic=time.monotonic)
_PARAMETER_WITHIN: Final = 2.0
_UNAVAILABLE: Final = Refusal(
    code=Code.IDENTITY_UNAVAILABLE,
    detail="The gateway's settings can't be had now; nothing was stored. Try again.",
    retry_after=2,
)


def credentials() -> Credentials:
    """The role's credentials as the runtime has them now."""
    environment = os.environ
    return Credentials(
        environment.get("AWS_ACCESS_KEY_ID", ""),
        environment.get("AWS_SECRET_ACCESS_KEY", ""),
        environment.get("AWS_SESSION_TOKEN") or None,
    )


class Function:
    """The handler, made at the first request: what it takes to make one may fail, and is then tried again."""

    def __init__(self, make: Callable[[], Handler]) -> None:
        self._make = make
        self._handler: Handler | None = None

    def __call__(self, event: Any, context: object) -> Result:
        """Answer one event."""
        if self._handler is None:
            try:
                self._handler = self._make()
            except OSError as error:
                print(f"The settings can't be had: {error}")  # noqa: T201 - a log line of the function
                return render_refusal(_UNAVAILABLE, "unknown")
        return self._handler(event, context)


def make(file: Path = FILE) -> Handler:
    """The handler as the file says; raises `OSError` where a parameter can't be had, `SettingsError` for a bad file."""
    values = loads(file.read_bytes())
    if isinstance(values, Fault) or not isinstance(values, dict):
        raise SettingsError(f"{file.name} is no JSON object")
    parameter = parameter_of(values)
    if parameter is not None:
        rest = fetch_parameter(parameter, credentials(), clock=_CLOCKS.wall, within=_PARAMETER_WITHIN)
        values = with_parameter(values, rest)
    settings = Settings.read(values)
    region = os.environ.get("AWS_REGION", settings.places.region)
    objects = documents_near(settings, region, credentials, _CLOCKS)
    return assemble(settings, objects, _CLOCKS, throttles_near(settings, region, credentials, _CLOCKS))


lambda_handler: Final = Function(make)
