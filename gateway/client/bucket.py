"""Bytes to S3: one PUT of a piece of a file to a URL that somebody signed, and what S3 made of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.client.checksums import HEADER, encoded
from gateway.client.problem import Problem, problem_of
from gateway.client.source import Source, Sum
from gateway.client.transport import Transport

Advanced = Callable[[int], None]
"""Told of bytes that went out, or (negative) that will have to go again."""

_PASSING_CODES: Final = frozenset(
    {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted", "IncompleteBody"}
)
"""S3 API Reference, "List of error codes": those that say to try again."""

_DAMAGED_CODES: Final = frozenset({"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"})

_PASSING_STATUS: Final = frozenset({0, 408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What S3 took: its ETag without quotes, and the CRC-64/NVME of what was sent."""

    etag: str
    crc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """`length` bytes of a file from `start`."""

    source: Source
    start: int
    length: int


def passes(problem: Problem) -> bool:
    """Whether S3 may take the same later."""
    return problem.status in _PASSING_STATUS or problem.code in _PASSING_CODES


def unanswered(problem: Problem) -> bool:
    """Whether nobody knows what S3 made of it."""
    return problem.status == 0 or problem.status >= 500


def damaged(problem: Problem) -> bool:
    """Whether the bytes arrived as others."""
    return problem.code in _DAMAGED_CODES


class Bucket:
    """Sends pieces, `parallel` at a time at most."""

    def __init__(self, *, transport: Transport, parallel: int) -> None:
        self._transport = transport
        self._places = asyncio.Semaphore(parallel)

    async def put(self, url: str, headers: Mapping[str, str], piece: Piece, advanced: Advanced) -> Put | Problem:
        """One attempt; raises FileError, or RefusedError where sending would be unsafe."""
        async with self._places:
            out = 0

            def counted(count: int) -> None:
                nonlocal out
                out += count
                advanced(count)

            try:
                outcome = await self._attempt(url, headers, piece, counted)
            except BaseException:
                advanced(-out)
                raise
            if isinstance(outcome, Problem):
                advanced(-out)
            return outcome

    async def _attempt(self, url: str, headers: Mapping[str, str], piece: Piece, advanced: Advanced) -> Put | Problem:
        total = Sum()

        async def body() -> AsyncIterator[bytes]:
            async for data in piece.source.chunks(piece.start, piece.length, total):
                yield data
                advanced(len(data))

        sent = {**headers, "content-length": str(piece.length)}
        answer = await self._transport.send("PUT", url, headers=sent, content=body())
        if isinstance(answer, Problem):
            return answer
        if answer.status_code != 200:
            return problem_of(answer.status_code, answer.headers, answer.content)
        if total.read != piece.length:
            return Problem(status=0, code="", detail="S3 answered before it had all.")
        if answer.headers.get(HEADER, encoded(total.value)) != encoded(total.value):
            return Problem(status=400, code="BadDigest", detail="S3 received other bytes than were sent.")
        return Put(etag=answer.headers.get("etag", "").strip('"'), crc=total.value)
