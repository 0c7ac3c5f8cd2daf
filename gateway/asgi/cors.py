"""CORS before an application: preflights answered, every other answer told to the page that asked.

It stands outside of everything else, so that a page can read a refusal as well as a success. What an application says
of CORS itself (the edge function does, for where nothing of ours stands before it) is replaced, as CloudFront's
response headers policies do with `Override`.
"""

from typing import Final

from gateway.asgi.direct import Answer, Call
from gateway.asgi.front import RequestIds
from gateway.asgi.wire import (
    FRONT,
    Application,
    Message,
    Receive,
    Reply,
    Scope,
    Send,
    send_reply,
    stamped,
    with_headers,
)
from gateway.cors import Calls, Cors

_OWN: Final = b"access-control-"
_READ: Final = frozenset({b"origin", b"access-control-request-method", b"access-control-request-headers"})


class WithCors:
    """An application for pages of other origins (ASGI); `calls` is what they may send to it."""

    def __init__(self, application: Application, *, cors: Cors, calls: Calls, request_ids: RequestIds) -> None:
        self._application = application
        self._cors = cors
        self._calls = calls
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        pairs = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name in _READ or name.lower() in _READ
        ]
        preflight = self._cors.preflight(scope["method"], pairs, self._calls)
        if preflight is not None:
            await send_reply(send, stamped(Reply(status=204, headers=preflight), self._request_ids(scope)))
            return
        headers = [(name.encode(), value.encode()) for name, value in self._cors.headers(pairs)]
        # A page reads the front's own answers, too: that it was too slow, or met a defect.
        scope.get("extensions", {}).get(FRONT, {}).get("headers", []).extend(headers)
        await self._application(scope, receive, telling(send, headers))


def answer_with_cors(answer: Answer, *, cors: Cors, calls: Calls) -> Answer:
    """The same for what is asked directly."""
    if not cors.origins:
        return answer

    async def told(call: Call) -> Reply | None:
        preflight = cors.preflight(call.raw.method, call.raw.headers, calls)
        if preflight is not None:
            return stamped(Reply(status=204, headers=preflight), call.request_id)
        headers = cors.headers(call.raw.headers)
        call.told.extend((name.encode(), value.encode()) for name, value in headers)
        reply = await answer(call)
        return None if reply is None else with_headers(reply, headers)

    return told


def telling(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    """A `send` that puts these headers on the answer, in the place of CORS headers that it has."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = (pair for pair in message.get("headers", ()) if not pair[0].lower().startswith(_OWN))
            message["headers"] = [*kept, *headers]
        await send(message)

    return tell
