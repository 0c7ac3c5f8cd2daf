"""One request and its answer, as an application sees them: over ASGI 3 (scope type `http`) or directly.

Owns the body's queue, what `receive` and `send` mean, `100 Continue`, disconnects, and what becomes of an application
that fails. The connection it belongs to is a `Wire`: it owns bytes, deadlines and what happens afterwards.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from gateway.asgi.body import Body
from gateway.asgi.direct import Answer, Call
from gateway.asgi.wire import FRONT, Reply
from gateway.intake import RawRequest
from gateway.server._head import RequestHead
from gateway.server._response import ResponseEncoder, ResponseError
from gateway.storage.upstream import BodyAbortedError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

EXTENSION: Final = FRONT
"""Key in `scope["extensions"]`: `{"has_query": bool, "request_id": str, "headers": list}`.

`has_query` tells `/x?` from `/x`, which `query_string` can't; `request_id` is what this front's own answers to the
request carry (408, 500), so that an application can log and send the same one.
"""

_log = logging.getLogger(__name__)


class Wire(Protocol):
    """What an exchange needs of its connection."""

    def write(self, pieces: list[bytes]) -> None:
        """Queue bytes for the client."""
        ...

    async def drain(self) -> None:
        """Wait until the client has taken enough of what was written."""
        ...

    def date(self) -> bytes:
        """The `date` line."""
        ...

    def body_wanted(self, exchange: "Exchange") -> None:
        """The application waits for more of the body."""
        ...

    def must_close(self, exchange: "Exchange") -> bool:
        """Whether the connection ends with this answer, apart from what the application says."""
        ...

    def answered(self, exchange: "Exchange") -> None:
        """The answer is complete."""
        ...

    def failed(self, exchange: "Exchange") -> None:
        """The application ended without an answer, or in the middle of one."""
        ...


class Exchange:
    """A request being answered. `closes`: the answer said `connection: close`.

    `headers` belong to any answer, also to the server's own; the application adds to them.
    """

    __slots__ = (
        "_encoder",
        "_end_told",
        "_gone",
        "_pieces",
        "_waiters",
        "_wire",
        "awaits_continue",
        "body_complete",
        "buffered",
        "closes",
        "head",
        "headers",
        "request_id",
    )

    def __init__(self, wire: Wire, head: RequestHead, request_id: str) -> None:
        self._wire = wire
        self.head = head
        self.headers: list[tuple[bytes, bytes]] = []
        self.request_id = request_id
        self._encoder = ResponseEncoder(head_only=head.method == "HEAD", chunks=head.version == "1.1")
        self._pieces: list[bytes] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._gone = False
        self._end_told = False
        self.awaits_continue = head.expects_continue
        self.body_complete = False
        self.buffered = 0
        self.closes = False

    @property
    def begun(self) -> bool:
        """Whether any of the answer is on the wire."""
        return self._encoder.begun

    # What the connection tells.

    def feed(self, content: bytes) -> None:
        """A piece of the body came. After the answer it is dropped."""
        # A client that sends its body without waiting does not need to be told to (RFC 9110 section 10.1.1).
        self.awaits_continue = False
        if not self._encoder.complete:
            self._pieces.append(content)
            self.buffered += len(content)
            self._wake()

    def end_body(self) -> None:
        """The body is complete."""
        self.body_complete = True
        self.awaits_continue = False
        self._wake()

    def disconnect(self) -> None:
        """The client is gone, or has had its answer from the server itself: nothing more is received or sent."""
        self._gone = True
        self._pieces.clear()
        self.buffered = 0
        self._wake()

    def _wake(self) -> None:
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # What the application does.

    async def run(self, app: App, scope: Scope) -> None:
        """Call the application and see to it that the request gets an answer or the connection an end."""
        await self._seen_through(lambda: app(scope, self.receive, self.send))

    async def run_directly(self, answer: Answer) -> None:
        """The same for what answers without ASGI."""
        await self._seen_through(lambda: self._answered_by(answer))

    async def _answered_by(self, answer: Answer) -> None:
        call = Call(raw=raw_of(self.head), request_id=self.request_id, body=Body(self.pull), told=self.headers)
        reply = await answer(call)
        if reply is not None and not self._gone:
            self._send_whole(reply)

    async def _seen_through(self, answering: Callable[[], Awaitable[None]]) -> None:
        if self._gone:  # the request broke before its turn came
            return
        try:
            await answering()
            if not self._encoder.complete and not self._gone:
                _log.error("request %s: the application gave no complete answer", self.request_id)
        except Exception:  # noqa: BLE001 - the last boundary: whatever a defect raises becomes a 500 with an id
            _log.exception("request %s: the application failed", self.request_id)
        finally:  # also where it was cancelled
            if not self._encoder.complete and not self._gone:
                self._wire.failed(self)

    async def receive(self) -> Message:
        """ASGI `receive`: what has come of the body, else wait; `http.disconnect` after the end of the exchange."""
        try:
            body, more = await self.pull()
        except BodyAbortedError:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": more}

    async def pull(self) -> tuple[bytes, bool]:
        """What has come of the body, else wait, and whether more is to come; BodyAbortedError where none will."""
        while True:
            if self._gone or self._encoder.complete:
                raise BodyAbortedError
            if self._pieces or (self.body_complete and not self._end_told):
                return self._take()
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            self._wire.body_wanted(self)
            await waiter

    def _take(self) -> tuple[bytes, bool]:
        pieces, self._pieces, self.buffered = self._pieces, [], 0
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._end_told = self.body_complete
        if not self.body_complete:
            self._wire.body_wanted(self)
        return body, not self.body_complete

    async def send(self, message: Message) -> None:
        """ASGI `send`. Raises `ResponseError` for an answer that can't be sent; silent once the client is gone."""
        if self._gone:
            return
        kind = message["type"]
        if kind == "http.response.start":
            self._encoder.start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body":
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
            await self._wire.drain()
        else:
            raise ResponseError("An unknown message.")

    def _send_body(self, data: bytes, *, more: bool) -> None:
        if not self._encoder.begun:
            self.closes = self._encoder.says_close or self._wire.must_close(self)
        pieces = self._encoder.body(data, more=more, close=self.closes, date=self._wire.date())
        self._wire.write(pieces)
        if self._encoder.complete:
            self._answered()

    def _send_whole(self, reply: Reply) -> None:
        self.closes = self._wire.must_close(self)
        whole = self._encoder.whole(reply.status, reply.headers, reply.body, close=self.closes, date=self._wire.date())
        self._wire.write([whole])
        self._answered()

    def _answered(self) -> None:
        self._pieces.clear()
        self.buffered = 0
        self._wake()
        self._wire.answered(self)


def raw_of(head: RequestHead) -> RawRequest:
    """The request as intake reads it; bytes of the path that are not UTF-8 become surrogate escapes."""
    return RawRequest(
        method=head.method,
        path=head.raw_path.decode("utf-8", "surrogateescape"),
        query=(head.query or b"").decode("latin-1"),
        headers=tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]),
    )


def scope_of(
    head: RequestHead,
    request_id: str,
    client: tuple[str, int] | None,
    server: tuple[str, int] | None,
    scheme: str = "http",
    *,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> Scope:
    """The ASGI scope of a request. `raw_path`, `query_string` and `headers` are exact; `path` is a reading of them."""
    path = head.raw_path if b"%" not in head.raw_path else unquote_to_bytes(head.raw_path)
    told = [] if headers is None else headers
    extension = {"has_query": head.query is not None, "request_id": request_id, "headers": told}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "method": head.method,
        "scheme": scheme,
        "path": path.decode("utf-8", "replace"),
        "raw_path": head.raw_path,
        "query_string": head.query or b"",
        "root_path": "",
        "headers": list(head.headers),
        "client": client,
        "server": server,
        "extensions": {EXTENSION: extension},
    }
