"""One connection to an HTTP/1.1 server, as an asyncio protocol: one exchange at a time, and nothing is retried.

llhttp (through httptools) reads the answers; what it does not decide stands here: when an answer ends that has no
length of its own, which answers are only news of the real one (RFC 9110 section 15.2), and whether the connection may
be used again.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

import httptools

from gateway.alarm import Alarm

HEAD_LIMIT: Final = 65_536
"""The most bytes of an answer's header fields."""


class BrokenAnswerError(Exception):
    """The server's answer broke off, or is no HTTP; the text says which."""


class Exchange:
    """The answer to one request, as it arrives.

    `most`: how many bytes of its body are kept; at one more it ends, `truncated`. `on_head` is called when the head of
    the real answer is here, `on_end` when the answer is, whole or broken off; neither may raise. `ended` is done then.
    """

    __slots__ = (
        "_bodiless",
        "_done",
        "_error",
        "_head_bytes",
        "_informational",
        "_most",
        "_parser",
        "_until_eof",
        "body",
        "ended",
        "headers",
        "on_end",
        "on_head",
        "reusable",
        "status",
        "truncated",
    )

    def __init__(self, *, bodiless: bool, most: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._bodiless = bodiless
        self._done = False
        self._most = most
        self._error: str | None = None
        self._head_bytes = 0
        self._informational = False
        self._until_eof = True
        self.on_head: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.truncated = False
        self.reusable = False

    @property
    def done(self) -> bool:
        """Whether the answer is here, whole or broken off; `ended` is done also when nobody waits for it any more."""
        return self._done

    @property
    def headed(self) -> bool:
        """Whether the head of the real answer is here."""
        return self.status != 0 and not self._informational

    def outcome(self) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers with lower-case names and body; raises BrokenAnswerError where it is not whole."""
        if self._error is not None:
            raise BrokenAnswerError(self._error)
        return self.status, self.headers, bytes(self.body)

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.reusable = False
            self._end("the answer is no HTTP")

    def eof(self) -> None:
        """The server says no more, which ends an answer without a length (RFC 9112 section 6.3)."""
        self.reusable = False
        self._end(None if self.headed and self._until_eof else "the connection ended before the answer")

    def fail(self, reason: str) -> None:
        """Whatever comes is not waited for."""
        self.reusable = False
        self._end(reason)

    def _end(self, error: str | None) -> None:
        if self._done:
            return
        self._done = True
        self._error = error
        if not self.ended.done():
            self.ended.set_result(None)
        if self.on_end is not None:
            self.on_end()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head."""
        if self._done:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_LIMIT:
            raise BrokenAnswerError("the answer's head is too long")
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is here."""
        if self._done:
            return
        self.status = self._parser.get_status_code()
        self._informational = 100 <= self.status < 200
        if self._informational:
            return
        self._until_eof = not ("content-length" in self.headers or "transfer-encoding" in self.headers)
        self.reusable = self._parser.should_keep_alive()
        if self.on_head is not None:
            self.on_head()
        if self._bodiless or self.status in {204, 304}:
            self._end(None)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._done:
            return
        room = self._most - len(self.body)
        self.body += data[:room]
        if len(data) > room:
            self.truncated = True
            self.reusable = False
            self._end(None)

    def on_message_complete(self) -> None:
        """A message ended: the answer, or only news of it."""
        if self._informational:
            self.headers.clear()
            self.status = 0
        else:
            self._end(None)  # a second one, behind a whole answer, ends nothing

    def on_message_begin(self) -> None:
        """Another message behind a whole answer: a server that can't be trusted with the next request."""
        if self._done:
            self.reusable = False


class Connection(asyncio.Protocol):
    """A connection that is open until it is lost; `on_lost` is told when that was while nobody used it."""

    __slots__ = ("_alarm", "_drained", "_exchange", "_paused", "_transport", "closed", "idle_since", "on_lost")

    def __init__(self) -> None:
        self._alarm = Alarm(asyncio.get_running_loop(), self._late)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self.idle_since = 0.0
        self.on_lost: Callable[[Connection], None] | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def usable(self) -> bool:
        """Whether a request can be written, as far as is known."""
        return self._transport is not None and not self._transport.is_closing() and self._exchange is None

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Send the beginning of a request, whose answer `exchange` takes."""
        self._exchange = exchange
        self.write(data)

    def write(self, data: bytes | memoryview) -> None:
        """Send more of the request; what a lost connection is given is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def due(self, moment: float | None) -> None:
        """Wait for the exchange until this moment of the loop's clock and no longer; None: as long as it takes."""
        self._alarm.set(moment)

    @property
    def paused(self) -> bool:
        """Whether the server takes less than it is sent."""
        return self._paused

    async def drained(self) -> None:
        """Wait until the server has taken enough of what was written, or the connection is lost."""
        if self._paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def finish(self) -> bool:
        """The exchange is over; whether the connection may be used again. It is closed where it may not."""
        exchange, self._exchange = self._exchange, None
        self._alarm.set(None)
        if exchange is not None and exchange.done and exchange.reusable and not self._paused and self.usable:
            return True
        self.abort()
        return False

    def abort(self) -> None:
        """Close without a word: what was not sent is not sent, so a body that broke off is seen to be short."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """The server speaks; unasked, it is not listened to."""
        if self._exchange is None or self._exchange.done:
            self.abort()
        else:
            self._exchange.feed(data)

    def eof_received(self) -> bool:
        """The server has said its last; what is left of the answer is not coming."""
        if self._exchange is not None:
            self._exchange.eof()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._exchange is not None:
            self._exchange.fail("the connection was lost" if error is None else type(error).__name__)
        elif self.on_lost is not None:
            self.on_lost(self)
        self._alarm.cancel()
        self._wake()
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Enough is waiting to be sent."""
        self._paused = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._wake()

    def _late(self) -> None:
        if self._exchange is not None:
            self._exchange.fail("TimeoutError")
        self.abort()

    def _wake(self) -> None:
        self._paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None
