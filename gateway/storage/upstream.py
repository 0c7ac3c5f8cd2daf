"""One PUT to S3 over HTTP/1.1, streamed: the only client that carries a user's bytes.

It sends exactly the headers it is given (no client default slips in), never follows a redirect, never retries, and
closes the connection when the body breaks off, so that S3 sees a short body and stores nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

_ANSWER_LIMIT: Final = 65_536
"""The most bytes of an answer's body that are read: S3 answers a PUT with nothing or with a short XML error."""

_NO_DEFAULTS: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: to connect, for S3 to take no byte or send none, and for its answer once all bytes are sent."""

    connect: float = 5.0
    stall: float = 30.0
    answer: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What S3 said: status, headers with lower-case names, and the body of at most 64 KiB."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class UpstreamError(Exception):
    """S3 gave no answer; `sent_all` says whether the whole body had gone out, so that it may have been stored."""

    def __init__(self, reason: str, *, sent_all: bool) -> None:
        super().__init__(reason)
        self.sent_all = sent_all


class BodyAbortedError(Exception):
    """The client's body broke off before its declared length; nothing was stored."""


class _Body:
    """A body on its way: counts bytes, bounds each wait for S3, remembers whether the client broke off."""

    def __init__(self, chunks: AsyncIterator[bytes], size: int, deadline: asyncio.Timeout, stall: float) -> None:
        self._chunks = chunks
        self._left = size
        self._deadline = deadline
        self._stall = stall
        self.broken = False

    @property
    def complete(self) -> bool:
        return self._left == 0

    async def stream(self) -> AsyncIterator[bytes]:
        """The chunks, exactly `size` bytes of them; the next is asked for only when S3 has taken the one before."""
        try:
            async for chunk in self._chunks:
                self._count(chunk)
                self._deadline.reschedule(asyncio.get_running_loop().time() + self._stall)
                yield chunk
                self._deadline.reschedule(None)
            self._count(None)
        except BodyAbortedError:
            self.broken = True
            raise

    def _count(self, chunk: bytes | None) -> None:
        """Take a chunk, or the end (None), off what is left; raises BodyAbortedError if the sizes don't agree."""
        self._left -= 0 if chunk is None else len(chunk)
        if self._left < 0 or (chunk is None and self._left):
            raise BodyAbortedError


class Upstream:
    """A pool of connections to one S3 endpoint; an async context manager."""

    def __init__(self, *, timeouts: Timeouts, connections: int = 512) -> None:
        self._timeouts = timeouts
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=15)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeouts.connect, sock_read=self._timeouts.answer
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
        """Whether anything that speaks HTTP answers at `origin` (scheme and host), short of a server error."""
        if self._session is None:
            return False
        try:
            async with self._session.get(URL(origin), allow_redirects=False) as response:
                return response.status < 500
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def put(
        self, url: str, headers: tuple[tuple[str, str], ...], chunks: AsyncIterator[bytes], size: int
    ) -> Answer:
        """Send one PUT of `size` bytes to the already encoded `url`; `headers` include its `content-length`.

        Raises BodyAbortedError if the chunks end early (or say so), UpstreamError if S3 can't be reached, stalls or
        breaks off.
        """
        if self._session is None:
            raise RuntimeError("Upstream is used outside its context.")
        deadline = asyncio.timeout(None)
        body = _Body(chunks, size, deadline, self._timeouts.stall)
        try:
            async with (
                deadline,
                self._session.put(
                    URL(url, encoded=True),
                    data=body.stream() if size else b"",
                    headers=CIMultiDict(headers),
                    allow_redirects=False,
                ) as response,
            ):
                content = await response.content.read(_ANSWER_LIMIT)
                if not body.complete:
                    response.close()
                answer_headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(status=response.status, headers=answer_headers, body=content)
        except (TimeoutError, aiohttp.ClientError, OSError, BodyAbortedError) as error:
            if body.broken:
                raise BodyAbortedError from error
            raise UpstreamError(type(error).__name__, sent_all=body.complete) from error
