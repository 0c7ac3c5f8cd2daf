"""A TCP proxy before S3 whose faults are scripts: what it does with a connection is one coroutine.

A fault sees one `Conversation`: the gateway on one side and, once it asks for it, S3 on the other. Whatever a fault
leaves open is closed when it returns, and `FaultProxy.close` waits for all of them.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

TASKS: Final = "fault-proxy"
"""The name of the proxy's own tasks, which are none of the gateway's."""

_CHUNK: Final = 65_536

Fault = Callable[["Conversation"], Awaitable[None]]
"""What happens to one connection."""


@dataclass(slots=True)
class Side:
    """One end of a conversation."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """End the connection with a RST: SO_LINGER of zero seconds (socket(7))."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Send, and wait until the other end has room for more."""
        self.writer.write(data)
        await self.writer.drain()


@dataclass(slots=True)
class Conversation:
    """The gateway's connection and, from `connect` on, one to S3."""

    gateway: Side
    s3_port: int
    s3: Side | None = None
    length: int = field(default=0, init=False)
    """The declared length of the body; known after `read_head`."""

    async def connect(self) -> Side:
        """The connection to S3."""
        if self.s3 is None:
            self.s3 = Side(*await asyncio.open_connection("127.0.0.1", self.s3_port))
        return self.s3

    async def read_head(self) -> bytes:
        """The head of the gateway's next request."""
        head = await self.gateway.reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self.length = int(line.partition(b":")[2])
        return head

    async def forward(self, count: int, change: Callable[[bytes], bytes] = bytes) -> None:
        """Pass `count` bytes of the body on to S3."""
        s3 = await self.connect()
        while count:
            data = await self.gateway.reader.read(min(count, _CHUNK))
            if not data:
                raise ConnectionResetError
            count -= len(data)
            await s3.send(change(data))

    async def forward_request(self) -> None:
        """Pass one whole request on to S3."""
        head = await self.read_head()
        await (await self.connect()).send(head)
        await self.forward(self.length)

    async def read_answer(self) -> bytes:
        """S3's whole answer to a PUT."""
        s3 = await self.connect()
        head = await s3.reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await s3.reader.readexactly(int(lengths[0].partition(b":")[2]))

    async def gone(self) -> None:
        """Wait until the gateway has closed its side; what still comes is dropped."""
        with suppress(ConnectionError):
            while await self.gateway.reader.read(_CHUNK):
                pass

    def close(self) -> None:
        """Close both sides."""
        for side in (self.gateway, self.s3):
            if side is not None:
                side.writer.close()


async def through(talk: Conversation) -> None:
    """No fault: bytes go both ways until either side ends."""
    s3 = await talk.connect()

    async def pipe(source: Side, target: Side) -> None:
        while data := await source.reader.read(_CHUNK):
            await target.send(data)

    both = [asyncio.create_task(pipe(*ways), name=TASKS) for ways in ((talk.gateway, s3), (s3, talk.gateway))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


class FaultProxy:
    """Listens on loopback, and treats each new connection as `fault` says; an async context manager."""

    def __init__(self, s3_port: int) -> None:
        self.s3_port = s3_port
        self.fault: Fault = through
        self.accepted = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_CHUNK)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        await self.drop()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """What it runs on."""
        if self._server is None:
            raise RuntimeError("not listening")
        return self._server.get_loop()

    async def drop(self) -> None:
        """End the conversations that there are."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("not listening")
        return int(self._server.sockets[0].getsockname()[1])

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Nobody listens meanwhile; afterwards somebody does on the same port."""
        port = self.port
        if self._server is not None:
            self._server.close()
        self._server = None
        yield
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=_CHUNK)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        talk = Conversation(Side(reader, writer), self.s3_port)
        task = asyncio.create_task(self._treat(talk), name=TASKS)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _treat(self, talk: Conversation) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.fault(talk)
        finally:
            talk.close()
