"""One PUT to S3 over HTTP/1.1, streamed: the only client that carries a user's bytes.

It sends exactly the headers it is given (no client default slips in), never follows a redirect, never retries, and
closes the connection when the body breaks off, so that S3 sees a short body and stores nothing.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

_ANSWER_LIMIT: Final = 65_536
"""The most bytes of an answer's body that are read: S3 answers a PUT with nothing or with a short XML error."""

_PIECE: Final = 65_536
"""The most bytes given to the connection at once, so that an S3 that takes them slowly, but takes them, is no stall."""

_NO_DEFAULTS: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


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
    """A body on its way: counts bytes, bounds each wait for S3, remembers whether the client broke off."""

    def __init__(self, chunks: AsyncIterator[bytes], size: int, deadline: asyncio.Timeout, timeouts: Timeouts) -> None:
        self._chunks = chunks
        self._left = size
        self._deadline = deadline
        self._timeouts = timeouts
        self._begun = False
        self._answered = False
        self.broken = False

    @property
    def complete(self) -> bool:
        """Whether the last byte was handed to the connection."""
        return self._begun and self._left == 0

    def answered(self) -> None:
        """The head of S3's answer is here: what is left of the answer has its time, whatever the client does."""
        self._answered = True
        self._due(self._timeouts.answer)

    async def stream(self) -> AsyncIterator[bytes]:
        """The bytes, exactly `size` of them, in pieces; the next is asked for when S3 has taken the one before."""
        self._begun = True
        try:
            async for chunk in self._chunks:
                for at in range(0, len(chunk), _PIECE):
                    piece = chunk[at : at + _PIECE]
                    self._count(piece)
                    self._wait_for_s3(self._timeouts.stall)
                    yield piece
                self._wait_for_s3(None)  # from here on it is the client that is waited for
            self._count(None)
        except BodyAbortedError:
            self.broken = True
            raise
        self._wait_for_s3(self._timeouts.answer)

    def _count(self, piece: bytes | None) -> None:
        """Take a piece, or the end (None), off what is left; raises BodyAbortedError if the sizes don't agree."""
        self._left -= 0 if piece is None else len(piece)
        if self._left < 0 or (piece is None and self._left):
            raise BodyAbortedError

    def _wait_for_s3(self, seconds: float | None) -> None:
        if not self._answered:
            self._due(seconds)

    def _due(self, seconds: float | None) -> None:
        self._deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


class Upstream:
    """A pool of connections to one S3 endpoint; an async context manager.

    `connections` at a time, as many by default as the HTTP front takes: an upload that finds none free within the
    time of a connect fails, instead of waiting behind others that may take as long as they like.
    """

    def __init__(self, *, timeouts: Timeouts, connections: int = 1_024) -> None:
        self._timeouts = timeouts
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=15)
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=self._timeouts.connect,
            sock_connect=self._timeouts.connect,
            sock_read=self._timeouts.answer,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NO_DEFAULTS,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def reachable(self, origin: str) -> bool:
        """Whether anything that speaks HTTP answers at `origin` (scheme and host), short of a server error.

        It has the time of a connect: who asks whether an upload would go through does not wait as long as one.
        """
        if self._session is None:
            return False
        try:
            async with (
                asyncio.timeout(self._timeouts.connect),
                self._session.get(URL(origin), allow_redirects=False) as response,
            ):
                return response.status < 500
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def head(self, url: str, headers: tuple[tuple[str, str], ...]) -> Answer:
        """The answer to one HEAD of the already encoded `url`; raises UpstreamError if S3 gives none in time."""
        if self._session is None:
            raise RuntimeError("Upstream is used outside its context.")
        try:
            async with (
                asyncio.timeout(self._timeouts.answer),
                self._session.head(
                    URL(url, encoded=True), headers=CIMultiDict(headers), allow_redirects=False
                ) as response,
            ):
                answer_headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(status=response.status, headers=answer_headers, body=b"")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UpstreamError(type(error).__name__, sent_all=False) from error

    async def ask(
        self, method: str, url: str, headers: tuple[tuple[str, str], ...], *, body: bytes = b"", most: int
    ) -> Answer:
        """The answer, of at most `most` bytes, to one small request; raises UpstreamError if S3 gives none in time."""
        if self._session is None:
            raise RuntimeError("Upstream is used outside its context.")
        try:
            async with (
                asyncio.timeout(self._timeouts.answer),
                self._session.request(
                    method,
                    URL(url, encoded=True),
                    data=io.BytesIO(body) if body else b"",
                    headers=CIMultiDict(headers),
                    allow_redirects=False,
                ) as response,
            ):
                content = bytearray()
                while piece := await response.content.readany():
                    content += piece
                    if len(content) > most:
                        raise UpstreamError("the answer is too long", sent_all=True)
                answer_headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(status=response.status, headers=answer_headers, body=bytes(content))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise UpstreamError(type(error).__name__, sent_all=True) from error

    async def put(
        self, url: str, headers: tuple[tuple[str, str], ...], chunks: AsyncIterator[bytes], size: int
    ) -> Answer:
        """Send one PUT of `size` bytes to the already encoded `url`; `headers` include its `content-length`.

        Raises BodyAbortedError if the chunks end early (or say so), UpstreamError if S3 can't be reached, stalls,
        breaks off, answers what is no HTTP, or speaks of success before it can have the whole body.
        """
        if self._session is None:
            raise RuntimeError("Upstream is used outside its context.")
        deadline = asyncio.timeout(None)
        body = _Body(chunks, size, deadline, self._timeouts)
        try:
            async with (
                deadline,
                self._session.put(
                    URL(url, encoded=True),
                    # A stream also where it is empty: aiohttp sends what it can read again a second time by itself.
                    data=body.stream(),
                    headers=CIMultiDict(headers),
                    allow_redirects=False,
                ) as response,
            ):
                body.answered()
                return await _read(response, body)
        except (TimeoutError, aiohttp.ClientError, OSError, BodyAbortedError) as error:
            if body.broken:
                raise BodyAbortedError from error
            raise UpstreamError(type(error).__name__, sent_all=body.complete) from error


async def _read(response: aiohttp.ClientResponse, body: _Body) -> Answer:
    """S3's whole answer; one that comes before the body was sent ends the connection, and is no success."""
    content = bytearray()
    while len(content) < _ANSWER_LIMIT and (piece := await response.content.readany()):
        content += piece
    sent_all = body.complete
    if not sent_all:
        response.close()
        if response.status < 300:
            raise UpstreamError("success before the body was sent", sent_all=False)
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(content[:_ANSWER_LIMIT]),
        sent_all=sent_all,
    )
