"""One connection: an asyncio protocol that serves its requests one after the other.

The life of a connection is a `Phase`; every event (bytes, end of input, a deadline, an answer) is read in its light.
The rule that keeps requests apart: a next head is looked for only where the body before it ended as its framing said.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol, cast

from gateway.alarm import Alarm
from gateway.asgi.direct import Answer
from gateway.policy.problems import Code, Refusal
from gateway.server._deadlines import Pace
from gateway.server._exchange import App, Exchange, scope_of
from gateway.server._framing import Framing, framing_for
from gateway.server._head import HeadReader, RequestHead, malformed
from gateway.server._kernel import reset_when_closed, untaken
from gateway.server._limits import HttpLimits
from gateway.server._response import DateLine, problem_response

_PIECE: Final = 8_192
"""What is read ahead is kept in pieces of this size, so that taking one request from the front copies little of the
rest: a client that sends thousands at once must not cost the square of them."""


class Observer(Protocol):
    """Told what happens before and beside the application; on the hot path, so it must not wait and must not raise."""

    def connections(self, change: int) -> None:
        """So many connections came, or went (a negative number)."""
        ...

    def refused(self, why: str) -> None:
        """A request was refused without the application, by the problem's code, or a connection ended without a word.

        `silent`: nothing came in time; `unread`: the answer was not read; `dropped`: there are far too many.
        """
        ...


class Unobserved:
    """Nobody is told."""

    def connections(self, change: int) -> None:
        """Nothing to say."""

    def refused(self, why: str) -> None:
        """Nothing to say."""


class Phase(Enum):
    """What a connection is doing."""

    HEAD = auto()  # waiting for a request, or inside its head
    BODY = auto()  # the application runs, the body is still coming
    ANSWER = auto()  # the application runs, the body is complete
    SKIP = auto()  # answered; the small rest of the body is discarded, then the next head
    LINGER = auto()  # the last answer is out and our side closed; what comes is discarded for a while
    CLOSED = auto()


@dataclass(slots=True, kw_only=True)
class Shared:
    """What the connections of one server have in common."""

    app: App
    limits: HttpLimits
    loop: asyncio.AbstractEventLoop
    date: DateLine
    new_id: Callable[[], str]
    direct: Callable[[bytes], Answer | None] = lambda _path: None
    scheme: str = "http"
    observer: Observer = field(default_factory=Unobserved)
    stopping: bool = False
    connections: "set[Connection]" = field(default_factory=set)
    handshakes: "set[Connection]" = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    on_idle: Callable[[], None] = lambda: None

    @property
    def crowd(self) -> int:
        """How many connections there are, those in their TLS handshake among them."""
        return len(self.connections) + len(self.handshakes)


class Connection(asyncio.Protocol):
    """The protocol of one accepted connection; a `Wire` to its exchange."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._limits = shared.limits
        self._now = shared.loop.time
        self._phase = Phase.HEAD
        self._alarm = Alarm(shared.loop, self._late)
        self._stall = Alarm(shared.loop, self._reset)
        self._reader = HeadReader(shared.limits)
        self._framing: Framing = framing_for(0)
        self._pace = Pace(shared.limits, 0.0)
        self._exchange: Exchange | None = None
        self._held: deque[bytes] = deque()  # bytes of requests after the current one
        self._held_size = 0
        self._discarded = 0
        self._fresh = True
        self._half_closed = False
        self._reading = True
        self._writable: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport
        self._client: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None

    # Events of the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection in, or out where there are too many."""
        # uvloop's transports are transports by behaviour, not by inheritance.
        self._transport = cast(asyncio.Transport, transport)
        self._shared.handshakes.discard(self)
        self._shared.connections.add(self)
        self._shared.observer.connections(1)
        crowd = self._shared.crowd
        if crowd > 2 * self._limits.max_connections:
            self._shared.observer.refused("dropped")
            self._abort()
        elif crowd > self._limits.max_connections:
            detail = "The server has too many connections."
            self._refuse(Refusal(code=Code.RATE_LIMITED, detail=detail, retry_after=1))
        else:
            self._client = _address(transport.get_extra_info("peername"))
            self._server = _address(transport.get_extra_info("sockname"))
            self._alarm.set(self._now() + self._limits.header_deadline)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell the exchange and let go of everything."""
        self._phase = Phase.CLOSED
        self._alarm.cancel()
        self._stall.cancel()
        self._detach()
        self.resume_writing()
        self._shared.connections.discard(self)
        self._shared.observer.connections(-1)
        self._shared.on_idle()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        match self._phase:
            case Phase.HEAD:
                self._read_head(data)
            case Phase.BODY | Phase.SKIP:
                self._read_body(data)
            case Phase.ANSWER:
                self._hold(data)
            case Phase.LINGER:
                self._discarded += len(data)
                if self._discarded > self._limits.linger_bytes:
                    self._close()
            case Phase.CLOSED:
                pass

    def eof_received(self) -> bool:
        """The client closed its side: True keeps ours open, where a complete request still awaits its answer.

        Under TLS there is no half: whoever closes is gone (RFC 8446 section 6.1 would allow it, asyncio does not).
        """
        self._half_closed = True
        match self._phase:
            case Phase.ANSWER if self._transport.can_write_eof():
                return True
            case Phase.HEAD if self._reader.started:
                self._transport.write(self._problem(malformed("The request ended inside its head.")))
        self._close()
        return False

    def pause_writing(self) -> None:
        """The client does not take what is written: from now on it has `write_idle` seconds."""
        self._writable = self._shared.loop.create_future()
        self._stall.set(self._now() + self._limits.write_idle)

    def resume_writing(self) -> None:
        """The client reads on."""
        self._stall.set(None)
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # Reading.

    def _read_head(self, data: bytes) -> None:
        if not self._reader.started and not self._fresh:
            self._alarm.set(self._now() + self._limits.header_deadline)
        result = self._reader.feed(data)
        if isinstance(result, RequestHead):
            self._begin(result, self._reader.rest)
        elif result is not None:
            self._refuse(result, head_only=self._reader.asks_head)

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        now = self._now()
        shared = self._shared
        exchange = self._exchange = Exchange(self, head, shared.new_id())
        self._phase = Phase.BODY
        self._fresh = False
        self._framing = framing_for(head.length)
        self._pace = Pace(self._limits, now)
        if head.expects_continue:
            self._pace.pause(now)
        self._read_body(rest)
        if self._exchange is None:  # the body was at fault at once: the application never sees it
            return
        task = shared.loop.create_task(self._served(exchange, head))
        shared.tasks.add(task)
        task.add_done_callback(shared.tasks.discard)

    def _served(self, exchange: Exchange, head: RequestHead) -> Coroutine[Any, Any, None]:
        """The exchange, run: directly where the application can be asked so, else over ASGI."""
        shared = self._shared
        if (answer := shared.direct(head.raw_path)) is not None:
            return exchange.run_directly(answer)
        scope = scope_of(head, exchange.request_id, self._client, self._server, shared.scheme, headers=exchange.headers)
        return exchange.run(shared.app, scope)

    def _read_body(self, data: bytes) -> None:
        framing, exchange = self._framing, self._exchange
        content = framing.feed(data) if data else b""
        if framing.fault is not None:
            self._give_up(malformed(framing.fault))
            return
        if content:
            self._pace.received(len(content), self._now())
            if exchange is not None:
                exchange.feed(content)
        if framing.complete:
            self._body_complete()
        else:
            self._balance()
            self._alarm.set(self._pace.deadline)

    def _body_complete(self) -> None:
        self._alarm.set(None)
        rest = self._framing.rest
        if rest:
            self._held.extendleft(reversed(_cut(rest)))
            self._held_size += len(rest)
        if self._exchange is None:
            self._next()
        else:
            self._phase = Phase.ANSWER
            self._resume_reading()
            self._exchange.end_body()

    def _hold(self, data: bytes) -> None:
        """Keep what belongs to later requests; they are served in order, and only so many are read ahead."""
        self._held.extend(_cut(data))
        self._held_size += len(data)
        if self._held_size > self._limits.max_head_bytes:
            self._pause_reading()

    def _balance(self) -> None:
        """Read from the socket exactly while the application has room for more."""
        exchange = self._exchange
        if exchange is not None and exchange.buffered >= self._limits.body_buffer:
            self._pause_reading()
            self._pace.pause(self._now())
        elif exchange is None or not exchange.awaits_continue:
            self._pace.resume(self._now())
            self._resume_reading()

    def _pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading or self._half_closed or self._held_size > self._limits.max_head_bytes:
            return
        if not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    # What an exchange asks for (`Wire`).

    def write(self, pieces: list[bytes]) -> None:
        """Queue bytes for the client."""
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif pieces:
            self._transport.writelines(pieces)

    async def drain(self) -> None:
        """Wait until the client has taken enough of what was written."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def date(self) -> bytes:
        """The `date` line."""
        return self._shared.date()

    def body_wanted(self, exchange: Exchange) -> None:
        """The application waits: say `100 Continue` where the client waits, too, and read on."""
        if exchange is not self._exchange or self._phase is not Phase.BODY:
            return
        if exchange.awaits_continue:
            exchange.awaits_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._balance()
        self._alarm.set(self._pace.deadline)

    def must_close(self, exchange: Exchange) -> bool:
        """Whether this is the last answer: asked for, stopping, or too much of the body is unread."""
        return not exchange.head.keep_alive or self._shared.stopping or not self._rest_is_small(exchange)

    def _rest_is_small(self, exchange: Exchange) -> bool:
        if exchange.awaits_continue:
            return False  # the client may send its body, or not: the next bytes have two readings
        remaining = self._framing.remaining
        return remaining is not None and remaining <= self._limits.reusable_rest

    def answered(self, exchange: Exchange) -> None:
        """The answer is out: close, or go on to the next request."""
        self._detach()
        if exchange.closes or self._shared.stopping:
            self._finish()
        elif self._framing.complete:
            self._next()
        elif self._rest_is_small(exchange):
            self._phase = Phase.SKIP
            self._balance()
            self._alarm.set(self._pace.deadline)
        else:
            self._finish()

    def failed(self, exchange: Exchange) -> None:
        """The application has a defect: a 500 with an id, or the end of the connection in mid-answer."""
        if exchange is self._exchange:
            self._give_up(Refusal(code=Code.INTERNAL, detail="Something went wrong on our side."))

    # Ends.

    def _next(self) -> None:
        """Wait for the next request, which may have come already."""
        self._phase = Phase.HEAD
        self._reader = HeadReader(self._limits)
        self._alarm.set(self._now() + self._limits.keep_alive)
        while self._held and self._phase in (Phase.HEAD, Phase.BODY):
            piece = self._held.popleft()
            self._held_size -= len(piece)
            if self._phase is Phase.HEAD:
                self._read_head(piece)
            else:
                self._read_body(piece)
        if self._phase is not Phase.BODY:  # there the application's buffer decides
            self._resume_reading()
        if self._half_closed and self._phase is Phase.HEAD:
            self.eof_received()
        elif self._half_closed and self._phase is Phase.BODY:
            self._close()

    def _give_up(self, refusal: Refusal) -> None:
        """Answer in the application's place, or break off where it has begun to."""
        exchange = self._exchange
        self._shared.observer.refused(refusal.code)
        if exchange is None or exchange.begun:
            self._abort()
        else:
            self._detach()
            head_only, headers = exchange.head.method == "HEAD", exchange.headers
            date = self.date()
            self._transport.write(
                problem_response(refusal, exchange.request_id, date, head_only=head_only, headers=headers)
            )
            self._linger()

    def _refuse(self, refusal: Refusal, *, head_only: bool = False) -> None:
        """Answer a request that never became one."""
        self._detach()
        self._transport.write(self._problem(refusal, head_only=head_only))
        self._linger()

    def _problem(self, refusal: Refusal, *, head_only: bool = False) -> bytes:
        self._shared.observer.refused(refusal.code)
        return problem_response(refusal, self._shared.new_id(), self.date(), head_only=head_only)

    def _finish(self) -> None:
        """Close after the last answer; gently where unread bytes would turn the close into a reset."""
        if self._framing.complete and not self._held:
            self._close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Close our side and discard the client's for a while (RFC 9112 section 9.6)."""
        if self._half_closed or self._transport.is_closing():
            self._close()
            return
        self._phase = Phase.LINGER
        self._held.clear()
        self._held_size = 0
        if self._transport.can_write_eof():  # not under TLS: there the client knows the answer's end by its length
            self._transport.write_eof()
        self._resume_reading()
        self._alarm.set(self._now() + self._limits.linger_seconds)

    def _late(self) -> None:
        match self._phase:
            case Phase.HEAD if self._reader.started:
                refusal = Refusal(code=Code.REQUEST_TIMEOUT, detail="The request's head did not arrive in time.")
                self._refuse(refusal, head_only=self._reader.asks_head)
            case Phase.HEAD if untaken(self._transport.get_extra_info("socket")):
                self._reset()  # the client does not even take the answers that it had
            case Phase.HEAD:
                self._shared.observer.refused("silent")
                self._close()
            case Phase.BODY:
                detail = "The request's body stopped or came too slowly."
                self._give_up(Refusal(code=Code.REQUEST_TIMEOUT, detail=detail))
            case _:
                self._abort()

    def stop(self) -> None:
        """The server stops: an idle connection ends now, a busy one with its answer."""
        if self._phase in (Phase.HEAD, Phase.SKIP):
            self._close()

    def abort(self) -> None:
        """End now, whatever is under way."""
        self._abort()

    def _detach(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.disconnect()

    def _close(self) -> None:
        self._phase = Phase.CLOSED
        self._detach()
        self._alarm.cancel()
        # A client that does not read would keep a closing connection for ever.
        self._stall.set(self._now() + self._limits.linger_seconds)
        self._transport.close()

    def _reset(self) -> None:
        """Drop a client that does not read, and what the kernel still holds for it."""
        self._shared.observer.refused("unread")
        reset_when_closed(self._transport.get_extra_info("socket"))
        self._abort()

    def _abort(self) -> None:
        self._phase = Phase.CLOSED
        self._detach()
        self._alarm.cancel()
        self._transport.abort()


def _address(name: object) -> tuple[str, int] | None:
    """Host and port of a socket's name; None for one that has none (a Unix socket)."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


def _cut(data: bytes) -> list[bytes]:
    return [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
