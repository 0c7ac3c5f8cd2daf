"""Which of the operations' paths answer where: to everybody, on a listener apart, or not at all.

The paths are compared as bytes. On the listener apart nothing but operations answers: no upload, no admin API.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gateway.asgi.direct import Answer, Direct
from gateway.asgi.front import RequestIds
from gateway.asgi.wire import Application, Receive, Scope, Send, refusal_reply, send_reply
from gateway.policy.problems import Code, Refusal

APART: Final = "upload_gateway.apart"
"""Key in a scope: whether the request came in at the operators' own listener."""

_DOCS: Final = frozenset({b"/docs", b"/openapi.json"})
_ASSETS: Final = b"/assets/"
_METRICS: Final = b"/metrics"
_SWITCHED: Final = _DOCS | {_METRICS}
_PROBES: Final = frozenset({b"/healthz", b"/readyz"})

_NOTHING: Final = Refusal(code=Code.NOT_FOUND, detail="There is nothing at this path.")


class Exposure(StrEnum):
    """Who may ask: everybody, operators by their token, everybody who reaches the listener apart, nobody."""

    OPEN = "open"
    OPERATORS = "operators"
    APART = "apart"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """`docs` are `/docs` and `/openapi.json`; on a listener apart all that is not off is open."""

    docs: Exposure = Exposure.OPEN
    metrics: Exposure = Exposure.OPERATORS

    def answers(self, path: bytes, *, apart: bool) -> bool:
        """Whether there is anything at this path."""
        if not apart and path not in _SWITCHED:
            return True
        if path in _DOCS:
            return self.docs is Exposure.OPEN or (apart and self.docs is not Exposure.OFF)
        if path == _METRICS:
            return self.metrics is not Exposure.OFF and (apart or self.metrics is not Exposure.APART)
        return path in _PROBES or (path.startswith(_ASSETS) and self.docs is not Exposure.OFF)


class Switched:
    """An application behind its switches (ASGI)."""

    def __init__(self, application: Application, switches: Switches, request_ids: RequestIds) -> None:
        self._application = application
        self._switches = switches
        self._request_ids = request_ids
        self._asked = application if isinstance(application, Direct) else None

    def direct(self, raw_path: bytes) -> Answer | None:
        """What the application answers directly; the listener apart asks nothing so (`apart`)."""
        if self._asked is None or not self._switches.answers(raw_path, apart=False):
            return None
        return self._asked.direct(raw_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not self._switches.answers(scope["raw_path"], apart=is_apart(scope)):
            await send_reply(send, refusal_reply(_NOTHING, self._request_ids(scope)))
            return
        await self._application(scope, receive, send)


def apart(application: Application) -> Application:
    """The application as the listener apart serves it."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, APART: True}, receive, send)

    return marked


def is_apart(scope: Any) -> bool:
    """Whether the request came in at the listener apart."""
    return bool(scope.get(APART, False))
