"""One PUT to S3 over HTTP/1.1, streamed: the only client that carries a user's bytes.

It sends exactly the headers it is given and `Host`, never follows a redirect, never retries, and closes the connection
when the body breaks off, so that S3 sees a short body and stores nothing. It takes a connection when there is something
to send, so a client that says nothing keeps none.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from gateway.storage._connection import BrokenAnswerError, Connection, Exchange
from gateway.storage._pool import Origin, Pool

_ANSWER_LIMIT: Final = 65_536
"""The most bytes of an answer's body that are read: S3 answers a PUT with nothing or with a short XML error."""

_PIECE: Final = 65_536
"""The most bytes given to the connection at once, so that an S3 that takes them slowly, but takes them, is no stall."""

_WITH_BODY: Final = frozenset({"POST", "PUT"})
"""Methods of a request that says its length also where that is 0 (RFC 9110 section 8.6)."""

_PORTS: Final = {"http": 80, "https": 443}

Headers = tuple[tuple[str, str], ...]

Observe = Callable[[str, int, float | None], None]
"""Told of each request: its method, the status of the answer (0: none), and the seconds from the last byte that was
sent to the answer's end (None: not all was sent, or nobody answered). It must not wait and must not raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, for S3 to take 64 KiB, and for its whole answer once all is sent or the answer began."""

    connect: float = 5.0
    stall: float = 30.0
    answer: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What S3 said: status, headers with lower-case names, and the body of at most 64 KiB.

    `sent_all` says whether the whole body had gone out by then, so that it may have been stored whatever S3 said.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    sent_all: bool = True


class UpstreamError(Exception):
    """S3 gave no answer; `sent_all` says whether the whole body had gone out, so that it may have been stored."""

    def __init__(self, reason: str, *, sent_all: bool) -> None:
        super().__init__(reason)
        self.sent_all = sent_all


class BodyAbortedError(Exception):
    """The client's body broke off before its declared length; nothing was stored."""


class _Body:
    """A body on its way, in pieces: counts its bytes and remembers whether the client broke off."""

    def __init__(self, chunks: AsyncIterator[bytes], size: int) -> None:
        self._chunks = chunks
        self._left = size
        self._rest: memoryview | None = None
        self._begun = False
        self.broken = False

    @property
    def complete(self) -> bool:
        """Whether the last byte was handed out."""
        return self._begun and self._left == 0 and self._rest is None

    async def next(self) -> bytes | memoryview | None:
        """The next piece, None at the end; raises BodyAbortedError where the bytes are not as many as declared."""
        self._begun = True
        if self._rest is not None:
            return self._cut(self._rest)
        try:
            chunk = await anext(self._chunks, None)
            self._count(chunk)
        except BodyAbortedError:
            self.broken = True
            raise
        return chunk if chunk is None or len(chunk) <= _PIECE else self._cut(memoryview(chunk))

    def _cut(self, view: memoryview) -> memoryview:
        self._rest = view[_PIECE:] if len(view) > _PIECE else None
        return view[:_PIECE]

    def _count(self, chunk: bytes | None) -> None:
        """Take a chunk, or the end (None), off what is left."""
        self._left -= 0 if chunk is None else len(chunk)
        if self._left < 0 or (chunk is None and self._left):
            raise BodyAbortedError


class Upstream:
    """A pool of connections to S3; an async context manager.

    `connections` at a time, as many by default as the HTTP front takes: an upload that finds none free within the
    time of a connect fails, instead of waiting behind others that may take as long as they like.
    """

    def __init__(self, *, timeouts: Timeouts, connections: int = 1_024, observe: Observe | None = None) -> None:
        self._timeouts = timeouts
        self._connections = connections
        self._observe = observe
        self._pool: Pool | None = None

    async def __aenter__(self) -> Self:
        self._pool = Pool(limit=self._connections, connect=self._timeouts.connect)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def reachable(self, origin: str) -> bool:
        """Whether anything that speaks HTTP answers at `origin` (scheme and host), short of a server error.

        It has the time of a connect: who asks whether an upload would go through does not wait as long as one.
        """
        try:
            exchange = await self._small("GET", origin + "/", (), b"", most=0, within=self._timeouts.connect)
            return _answer(exchange, sent_all=True).status < 500
        except UpstreamError:
            return False

    async def head(self, url: str, headers: Headers) -> Answer:
        """The answer to one HEAD of the already encoded `url`; raises UpstreamError if S3 gives none in time."""
        exchange = await self._small("HEAD", url, headers, b"", most=0, within=self._timeouts.answer)
        return _answer(exchange, sent_all=False)

    async def ask(self, method: str, url: str, headers: Headers, *, body: bytes = b"", most: int) -> Answer:
        """The answer, of at most `most` bytes, to one small request; raises UpstreamError if S3 gives none in time."""
        if method in _WITH_BODY and not any(name.lower() == "content-length" for name, _ in headers):
            headers = (*headers, ("content-length", str(len(body))))
        exchange = await self._small(method, url, headers, body, most=most, within=self._timeouts.answer)
        if exchange.truncated:
            raise UpstreamError("the answer is too long", sent_all=True)
        return _answer(exchange, sent_all=True)

    async def put_whole(self, url: str, headers: Headers, body: bytes) -> Answer:
        """The same as `put` for a body that is here: where it is small it goes out with the head, in one piece."""
        origin, head = _request("PUT", url, headers)
        if len(body) > _PIECE:
            return await self._streamed(origin, head, _Body(_once(body), len(body)))
        return _answer(await self._at_once(origin, "PUT", head + body, within=self._timeouts.answer), sent_all=True)

    async def put(self, url: str, headers: Headers, chunks: AsyncIterator[bytes], size: int) -> Answer:
        """Send one PUT of `size` bytes to the already encoded `url`; `headers` include its `content-length`.

        Raises BodyAbortedError if the chunks end early (or say so), UpstreamError if S3 can't be reached, stalls,
        breaks off, answers what is no HTTP, or speaks of success before it can have the whole body.
        """
        origin, head = _request("PUT", url, headers)
        return await self._streamed(origin, head, _Body(chunks, size))

    async def _streamed(self, origin: Origin, head: bytes, body: _Body) -> Answer:
        first = await body.next()
        connection = await self._connection(origin, "PUT")
        exchange = Exchange(bodiless=False, most=_ANSWER_LIMIT)
        sent_at: float | None = None
        try:
            async with asyncio.timeout(None) as deadline:
                exchange.on_head = partial(_due, deadline, self._timeouts.answer)
                exchange.on_end = partial(_due, deadline, 0)  # an answer before the end of the body is waited for here
                connection.begin(exchange, head if first is None else b"".join((head, first)))
                if first is not None:
                    await self._send_rest(connection, exchange, body, deadline)
                exchange.on_end = None
                sent_at = time.perf_counter()
                if not exchange.headed:
                    _due(deadline, self._timeouts.answer)
                await exchange.ended
        except TimeoutError:
            if not exchange.done:
                raise UpstreamError("TimeoutError", sent_all=body.complete) from None
        finally:
            exchange.on_head = exchange.on_end = None
            self._release(origin, connection, whole=body.complete)
            self._told("PUT", exchange, sent_at)
        answer = _answer(exchange, sent_all=body.complete)
        if answer.status < 300 and not answer.sent_all:
            raise UpstreamError("success before the body was sent", sent_all=False)
        return answer

    async def _send_rest(
        self, connection: Connection, exchange: Exchange, body: _Body, deadline: asyncio.Timeout
    ) -> None:
        """Send what comes after the first piece; the next is asked for when S3 has taken the one before."""
        while True:
            if connection.paused:
                if not exchange.headed:
                    _due(deadline, self._timeouts.stall)
                await connection.drained()
                if not exchange.headed:
                    deadline.reschedule(None)  # from here on it is the client that is waited for
            piece = await body.next()
            if piece is None:
                return
            connection.write(piece)

    async def _small(
        self, method: str, url: str, headers: Headers, body: bytes, *, most: int, within: float
    ) -> Exchange:
        """One request whose whole answer has a time; raises UpstreamError."""
        origin, head = _request(method, url, headers)
        return await self._at_once(origin, method, head + body, most=most, within=within)

    async def _at_once(
        self, origin: Origin, method: str, data: bytes, *, within: float, most: int = _ANSWER_LIMIT
    ) -> Exchange:
        """The exchange of a request that is sent in one piece, ended; raises UpstreamError where there is nobody."""
        connection = await self._connection(origin, method)
        exchange = Exchange(bodiless=method == "HEAD", most=most)
        now, sent_at = asyncio.get_running_loop().time, time.perf_counter()
        try:
            connection.begin(exchange, data)
            if connection.paused:
                exchange.on_end = connection.abort  # an answer to what was not taken whole is this connection's last
                connection.due(now() + self._timeouts.stall)
                await connection.drained()
                exchange.on_end = None
            if not exchange.done:
                connection.due(now() + within)
                await exchange.ended
        finally:
            self._release(origin, connection, whole=True)
            self._told(method, exchange, sent_at)
        return exchange

    def _told(self, method: str, exchange: Exchange, sent_at: float | None) -> None:
        """Say how an exchange ended; one that the client broke off says nothing of S3."""
        if self._observe is not None and (exchange.done or sent_at is not None):
            answered = exchange.done and exchange.status >= 200
            since = None if sent_at is None or not answered else time.perf_counter() - sent_at
            self._observe(method, exchange.status if answered else 0, since)

    async def _connection(self, origin: Origin, method: str) -> Connection:
        if self._pool is None:
            raise RuntimeError("Upstream is used outside its context.")
        try:
            return await self._pool.acquire(origin)
        except OSError as error:
            if self._observe is not None:
                self._observe(method, 0, None)
            raise UpstreamError(type(error).__name__, sent_all=False) from error

    def _release(self, origin: Origin, connection: Connection, *, whole: bool) -> None:
        """Give the connection back; one on which a request is not whole can carry no other."""
        if not whole:
            connection.abort()
        if self._pool is not None:
            self._pool.release(origin, connection)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _due(deadline: asyncio.Timeout, seconds: float) -> None:
    if not deadline.expired():
        deadline.reschedule(asyncio.get_running_loop().time() + seconds)


def _answer(exchange: Exchange, *, sent_all: bool) -> Answer:
    """What S3 said; raises UpstreamError where it broke off."""
    try:
        status, headers, body = exchange.outcome()
    except BrokenAnswerError as error:
        raise UpstreamError(str(error), sent_all=sent_all) from error
    return Answer(status=status, headers=headers, body=body, sent_all=sent_all)


def _request(method: str, url: str, headers: Headers) -> tuple[Origin, bytes]:
    """Where a request goes, and its head; raises ValueError for what would be more than one head."""
    scheme, _, rest = url.partition("://")
    authority, slash, target = rest.partition("/")
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    head = f"{method} {slash}{target} HTTP/1.1\r\nhost: {authority}\r\n{lines}\r\n".encode()
    ends = len(headers) + 3
    if head.count(b"\r") != ends or head.count(b"\n") != ends or b"\0" in head or " " in target:
        raise ValueError("a header or the target has characters that end it")
    return _origin(scheme, authority), head


@lru_cache(maxsize=64)
def _origin(scheme: str, authority: str) -> Origin:
    parts = urlsplit(f"{scheme}://{authority}")
    if parts.hostname is None or scheme not in _PORTS:
        raise ValueError("a URL of S3 is http or https and has a host")
    return Origin(host=parts.hostname, port=parts.port or _PORTS[scheme], secure=scheme == "https")
