"""Counts what an application's clients are told: outermost, so that what it sees is what they see."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.asgi.direct import Answer, Call, Direct
from gateway.asgi.wire import Application, Message, Receive, Reply, Scope, Send
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
        self._asked = application if isinstance(application, Direct) else None

    def direct(self, raw_path: bytes) -> Answer | None:
        """What the application answers directly, counted."""
        answer = None if self._asked is None else self._asked.direct(raw_path)
        if answer is None:
            return None
        resource = resource_of(raw_path)

        async def counted(call: Call) -> Reply | None:
            return await self._counted(answer, call, resource)

        return counted

    async def _counted(self, answer: Answer, call: Call, resource: str) -> Reply | None:
        metrics, requests, began = self._metrics, self._metrics.requests, self._clock()
        status = "none"
        call.body.on_piece = partial(requests.receive, resource)
        requests.begin(resource)
        try:
            reply = await answer(call)
            if reply is not None:
                status = str(reply.status)
                if status[0] in "45" and (code := problem_code(reply.body)):
                    metrics.problems.add(resource, code)
        except Exception:
            status = "500"  # the front says so in the application's place
            raise
        finally:
            requests.end(resource, status, self._clock() - began)
        return reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        metrics, requests, began = self._metrics, self._metrics.requests, self._clock()
        resource = resource_of(scope["raw_path"])
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


def resource_of(raw_path: bytes) -> str:
    """The resource that a path belongs to, by its first segment."""
    return _BY_SEGMENT.get(raw_path[1:].partition(b"/")[0], OTHER)


def problem_code(body: bytes) -> str | None:
    """The code in a problem's body as our fronts write it (`gateway.policy.problems`); None where it is none."""
    at = body.find(_TYPE)
    if at < 0:
        return None
    begin = at + len(_TYPE)
    code, quote, _ = body[begin : begin + _LONGEST].partition(b'"')
    return code.decode("ascii", "replace") if quote else None
