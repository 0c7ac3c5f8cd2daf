"""A strict front for the embedded S3: refuses what AWS refuses, passes everything else on byte for byte.

It rewrites nothing that is signed: the head goes upstream as it came, with `Connection: close` appended, and bytes
stream both ways with bounded memory. `strict_rules` owns what is refused. One request a connection: simple, and
enough for a test and a demo.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

from gateway.local.strict_rules import Denial, Head, refuse

_CHUNK: Final = 256 * 1024
_HEAD_BYTES: Final = 64 * 1024
_HEAD_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 120.0
_DRAIN_BYTES: Final = 8 * 1024 * 1024
_DRAIN_SECONDS: Final = 2.0

_MALFORMED: Final = Denial(
    status=400, reason="Bad Request", code="BadRequest", message="An error occurred when parsing the HTTP request."
)
_DROPPED: Final = (b"connection:", b"keep-alive:", b"x-forwarded-")

_UNREACHABLE: Final = Denial(
    status=503, reason="Service Unavailable", code="ServiceUnavailable", message="Please reduce your request rate."
)


@dataclass(slots=True, kw_only=True)
class StrictFront:
    """A running front: `port` is where it listens, `close` ends it and the connections through it."""

    upstream: tuple[str, int]
    port: int = 0
    _server: asyncio.Server | None = field(default=None, repr=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, repr=False)

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._exchange(reader, writer)
        finally:
            await _shut(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            raw = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        except asyncio.LimitOverrunError:
            return await _deny(_MALFORMED, reader, writer)
        head = Head.parse(raw)
        if denial := _MALFORMED if head is None else refuse(head):
            return await _deny(denial, reader, writer)
        try:
            above, below = await asyncio.open_connection(*self.upstream)
        except OSError:
            return await _deny(_UNREACHABLE, reader, writer)
        length = 0 if head is None else head.length or 0
        try:
            below.write(_closing(raw))
            await _tunnel(reader, writer, above, below, length)
        finally:
            await _shut(below)
        return None


async def serve_strict_front(
    upstream_host: str, upstream_port: int, host: str = "127.0.0.1", port: int = 0
) -> StrictFront:
    """Start a front of the S3 at `upstream_host:upstream_port`; port 0 takes any free one.

    Clients sign for the host and port they connect to; SeaweedFS verifies against the Host header that they sent.
    """
    front = StrictFront(upstream=(upstream_host, upstream_port))
    await front.start(host, port)
    return front


def _closing(raw: bytes) -> bytes:
    """The head for upstream: every line as it came but for the hop's own, so that the connection ends the answer.

    S3 ignores forwarding headers; SeaweedFS would verify the signature against the host that one names.
    """
    lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(_DROPPED)]
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])


async def _tunnel(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    above: asyncio.StreamReader,
    below: asyncio.StreamWriter,
    length: int,
) -> None:
    """Send `length` bytes of body up while the answer comes down; the answer's end is the end."""
    sending = asyncio.create_task(_send_body(reader, below, length))
    try:
        await _copy_answer(above, writer)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send_body(reader: asyncio.StreamReader, below: asyncio.StreamWriter, length: int) -> None:
    """Pass the body on; a client that goes away in the middle takes the connection upstream with it."""
    while length:
        chunk = await asyncio.wait_for(reader.read(min(_CHUNK, length)), _IDLE_SECONDS)
        if not chunk:
            below.transport.abort()
            return
        length -= len(chunk)
        below.write(chunk)
        await below.drain()


async def _copy_answer(above: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await above.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()


async def _deny(denial: Denial, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer, then let the client finish a little of its body: a reset would take the answer from it."""
    body = denial.body()
    head = (
        f"HTTP/1.1 {denial.status} {denial.reason}\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    left = _DRAIN_BYTES
    async with asyncio.timeout(_DRAIN_SECONDS):
        while left > 0 and (chunk := await reader.read(_CHUNK)):
            left -= len(chunk)


async def _shut(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
