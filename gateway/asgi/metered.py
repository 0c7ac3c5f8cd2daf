"""Counts what an application's clients are told: outermost, so that what it sees is what they see."""

import time
from collections.abc import Callable
from typing import Final

from gateway.asgi.wire import Application, Message, Receive, Scope, Send
from gateway.metrics import Metrics
from gateway.metrics.families import OTHER, RESOURCES
from gateway.policy.problems import TYPE_PREFIX

_BY_SEGMENT: Final = {name.encode(): name for name in RESOURCES if name != OTHER}
_TYPE: Final = TYPE_PREFIX.encode()
_LONGEST: Final = 64
"""Characters that no problem's code has."""


class Metered:
    """An application whose requests are counted (ASGI): by resource, status, problem, bytes and time."""

    def __init__(
        self, application: Application, metrics: Metrics, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._application = application
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        metrics, requests, began = self._metrics, self._metrics.requests, self._clock()
        resource = _BY_SEGMENT.get(scope["raw_path"][1:].partition(b"/")[0], OTHER)
        status = "none"

        async def counted_receive() -> Message:
            message = await receive()
            if body := message.get("body"):
                requests.receive(resource, len(body))
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            elif status[0] in "45" and (code := problem_code(message.get("body", b""))):
                metrics.problems.add(resource, code)
            await send(message)

        requests.begin(resource)
        try:
            await self._application(scope, counted_receive, counted_send)
        except Exception:
            status = "500"  # the front says so in the application's place
            raise
        finally:
            requests.end(resource, status, self._clock() - began)


def problem_code(body: bytes) -> str | None:
    """The code in a problem's body as our fronts write it (`gateway.policy.problems`); None where it is none."""
    at = body.find(_TYPE)
    if at < 0:
        return None
    begin = at + len(_TYPE)
    code, quote, _ = body[begin : begin + _LONGEST].partition(b'"')
    return code.decode("ascii", "replace") if quote else None
