"""A checksum of our own for a body that has none: made while the bytes pass, told to S3 after them.

S3 holds what arrived against it before it stores anything, so a bit that flips between this process and S3's disks is
an error and not an object. The framing is that of "Signature calculations: trailing headers" (S3 API Reference,
`STREAMING-UNSIGNED-PAYLOAD-TRAILER`); CRC-64/NVME is what S3 would compute itself if nobody told it one.
"""

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.storage.sigv4 import UNSIGNED_PAYLOAD
from gateway.storage.upstream import BodyAbortedError

PAYLOAD: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
"""What `x-amz-content-sha256` says of such a body."""

HEADER: Final = "x-amz-checksum-crc64nvme"

CHUNK: Final = 65_536
"""Bytes of each chunk but the last; S3 wants at least 8 KiB."""

_VALUE_LENGTH: Final = 12
"""Characters of eight bytes in base64."""

_TRAILER_LENGTH: Final = len(f"0\r\n{HEADER}:") + _VALUE_LENGTH + len("\r\n\r\n")

Headers = tuple[tuple[str, str], ...]
Crc = Callable[[bytes, int], int]
"""CRC-64/NVME of bytes that come after those which had the given one (0 at first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """A request's headers, body, the length of that body in bytes, and what is signed of it, as they go to S3.

    `whole` is the body once more where all of it is here, so that nothing has to be waited for.
    """

    headers: Headers
    body: AsyncIterator[bytes] = field(repr=False)
    length: int
    payload_hash: str = UNSIGNED_PAYLOAD
    whole: bytes | None = field(default=None, repr=False)


def encoded(crc: int) -> str:
    """A CRC-64 as S3's headers have it: base64 of the big-endian bytes."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode("ascii")


def framed_length(size: int) -> int:
    """The length of a body of `size` bytes in chunks, with its trailer."""
    whole, rest = divmod(size, CHUNK)
    chunks = whole * (len(_opening(CHUNK)) + CHUNK + 2)
    return chunks + (len(_opening(rest)) + rest + 2 if rest else 0) + _TRAILER_LENGTH


def framed(headers: Headers, body: AsyncIterator[bytes], size: int, crc: Crc) -> Framed:
    """The request with its checksum in a trailer.

    `headers` are those of the plain request, its `content-length` of `size` among them; the body must have as many
    bytes, else it raises BodyAbortedError as it is read.
    """
    length = framed_length(size)
    codings = [value for name, value in headers if name == "content-encoding"]
    kept = (pair for pair in headers if pair[0] not in {"content-length", "content-encoding"})
    own = (
        ("content-length", str(length)),
        ("content-encoding", ",".join(("aws-chunked", *codings))),
        ("x-amz-decoded-content-length", str(size)),
        ("x-amz-trailer", HEADER),
    )
    return Framed(headers=(*own, *kept), body=_chunks(body, size, crc), length=length, payload_hash=PAYLOAD)


def _opening(size: int) -> bytes:
    return b"%x\r\n" % size


async def _chunks(body: AsyncIterator[bytes], size: int, crc: Crc) -> AsyncIterator[bytes]:
    """The bytes as they come, with a chunk's opening before every `CHUNK` of them; nothing is held back or copied."""
    passed = state = 0
    async for piece in body:
        if passed + len(piece) > size:
            raise BodyAbortedError
        state = crc(piece, state)
        view = memoryview(piece)
        while view:
            into = passed % CHUNK
            if into == 0:
                yield (b"\r\n" if passed else b"") + _opening(min(CHUNK, size - passed))
            part = view[: CHUNK - into]
            yield part if len(part) < len(piece) else piece  # type: ignore[misc]  # a view is written as bytes are
            passed += len(part)
            view = view[len(part) :]
    if passed != size:
        raise BodyAbortedError
    yield (b"\r\n" if size else b"") + f"0\r\n{HEADER}:{encoded(state)}\r\n\r\n".encode()
