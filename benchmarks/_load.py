"""The load of the benchmarks: small PUTs over kept connections, and one large PUT from a block that is sent again.

Requests are bytes made beforehand and answers are read as far as their length says, so that the client costs little
beside any server; `Ceiling` is a server that costs nothing, to show how little.
"""

import asyncio
import itertools
import multiprocessing
import multiprocessing.connection
import re
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import cast

from gateway.server.http1 import new_event_loop

BLOCK = 1 << 20

_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class LoadError(Exception):
    """A request of the benchmark was not answered with success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What a few seconds of load came to: requests, the seconds they took, and each one's latency."""

    count: int
    seconds: float
    latencies: Sequence[float]

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.count / self.seconds

    def percentile(self, percent: int) -> float:
        """A latency in seconds."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1]


class Lane(asyncio.Protocol):
    """One kept connection that sends the next request when the last was answered, until `until`."""

    def __init__(self, requests: Sequence[bytes], until: float) -> None:
        self._requests = itertools.cycle(requests)
        self._until = until
        self._answer = b""
        self._sent_at = 0.0
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are transports by behaviour, not by inheritance.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Read on to the end of an answer; a refusal ends the benchmark."""
        self._answer += data
        head = _HEAD.match(self._answer)
        if head is None:
            return
        length = _LENGTH.search(head[0])
        if len(self._answer) < head.end() + (int(length[1]) if length else 0):
            return
        if not head[1].startswith(b"2"):
            self._fail(LoadError(self._answer[:500].decode("latin-1")))
            return
        self.latencies.append(time.perf_counter() - self._sent_at)
        self._answer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """An end that was not ours is a failure."""
        self._fail(exc or LoadError("a server closed a connection that was to be kept"))

    def _send(self) -> None:
        now = self._sent_at = time.perf_counter()
        if now < self._until:
            self._transport.write(next(self._requests))
            return
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self._transport.close()


def burst(port: int, requests: Sequence[bytes], *, lanes: int, seconds: float) -> Burst:
    """Load on a port for some seconds; each lane has its own share of the requests. Raises LoadError."""

    async def run() -> Burst:
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        until = began + seconds
        made = [
            await loop.create_connection(lambda n=n: Lane(requests[n::lanes], until), "127.0.0.1", port)  # type: ignore[misc]
            for n in range(lanes)
        ]
        running = [lane for _, lane in made]
        await asyncio.wait_for(asyncio.gather(*(lane.done for lane in running)), seconds + 60)
        latencies = [latency for lane in running for latency in lane.latencies]
        return Burst(count=len(latencies), seconds=time.perf_counter() - began, latencies=latencies)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())


def put_large(port: int, head: bytes, size: int, block: bytes) -> float:
    """Seconds that one PUT of `size` bytes takes to its answer; the body is `block` again and again."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(head)
        whole = memoryview(block)
        with suppress(BrokenPipeError):  # an early answer says why
            for at in range(0, size, len(block)):
                connection.sendall(whole[: size - at])
        answer = connection.recv(65_536)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise LoadError(answer[:2_000].decode("latin-1"))
    return time.perf_counter() - began


class Ceiling(asyncio.Protocol):
    """A server that counts a request's bytes and answers: what is left of a benchmark without a server's work."""

    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    def __init__(self, size: int) -> None:
        self._size = self._left = size

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer when as many bytes came as a request has."""
        self._left -= len(data)
        if self._left <= 0:
            self._left = self._size
            self._transport.write(self.ANSWER)


def _serve(size: int, ready: multiprocessing.connection.Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Ceiling(size), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(ready.poll, None)  # until the other end is closed
        server.close()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run())


@contextmanager
def ceiling(size: int) -> Iterator[int]:
    """The port of a `Ceiling` in a process of its own, for requests of `size` bytes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(size, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(5)
        process.terminate()
