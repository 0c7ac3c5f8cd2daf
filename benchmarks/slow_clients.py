"""Ordinary uploads beside two thousand clients that are in no hurry, and what becomes of those.

    .venv/bin/python benchmarks/slow_clients.py [--clients 2000] [--seconds 60] [--rounds 5]

A quarter sends its head a byte a second, a quarter its body, a quarter asks for more than it reads, and a quarter says
nothing. Who is dropped comes back, so there are always as many. The ordinary uploads are 16 KiB PUTs over 16 kept
connections to `upload-gateway serve` (one worker, its default deadlines, `max_connections` raised to hold the crowd),
measured in rounds without the crowd and, for `--seconds`, with it. At the end the crowd stops coming back, and the
time is told after which the gateway has ended the last of it.
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.synchronize
import socket
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from benchmarks._harness import Demo, demo, machine, scratch, served
from benchmarks._load import burst
from benchmarks.throughput import small_requests, ways

Slow = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ESTABLISHED: Final = 1
"""A state of the kernel's `tcp_info`."""

PATIENCE: Final = 120.0
"""Seconds after which a client that nobody ended gives up: longer than any of the deadlines."""


def slow_head(running: Demo) -> Slow:
    """A head that comes a byte a second."""
    head = running.gateway_head("/proxy", "slow.txt", 10, "text/plain")

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in head:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)

    return send


def slow_body(running: Demo) -> Slow:
    """A body of a megabyte that comes a byte a second."""
    head = running.gateway_head("/proxy", "slow.txt", 1 << 20, "text/plain")

    async def send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(1)

    return send


def slow_reader(running: Demo) -> Slow:
    """Someone who asks for the API's description twenty times and reads none of it."""
    request = f"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 - so that nothing is read
        writer.write(request * 20)
        await asyncio.sleep(PATIENCE)

    return send


def idle(_running: Demo) -> Slow:
    """Someone who says nothing."""

    async def send(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(PATIENCE)

    return send


KINDS: Final = {"slow head": slow_head, "slow body": slow_body, "slow reader": slow_reader, "idle": idle}


async def one(kind: str, slow: Slow, port: int, ends: Counter[str]) -> None:
    """One slow client, from its connection to its end."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # so that what is not read is soon in the way
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1_024)
    sending = asyncio.ensure_future(slow(reader, writer))
    try:
        async with asyncio.timeout(PATIENCE):
            while is_open(writer):  # noqa: ASYNC110 - a connection that nobody reads tells nobody of its end
                await asyncio.sleep(1)
        ends[f"{kind}: ended by the gateway"] += 1
    except TimeoutError:
        ends[f"{kind}: NOT ENDED"] += 1
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.transport.abort()


def is_open(writer: asyncio.StreamWriter) -> bool:
    """Whether the connection is established, as the kernel has it: also where nobody reads."""
    connection = writer.get_extra_info("socket")
    return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED)


def crowd(
    running: Demo,
    count: int,
    coming: multiprocessing.synchronize.Event,
    told: "multiprocessing.Queue[dict[str, int]]",
) -> None:
    """As many slow clients as that, each back as soon as it was dropped, while `coming` is set."""
    ends: Counter[str] = Counter()
    kinds = [(name, make(running)) for name, make in KINDS.items()]

    async def again(number: int) -> None:
        name, slow = kinds[number % len(kinds)]
        await asyncio.sleep(number / count)  # so that they don't all come in one moment
        while coming.is_set():
            try:
                await one(name, slow, running.port, ends)
            except OSError as error:
                ends[f"{name}: {type(error).__name__}"] += 1
                await asyncio.sleep(1)

    async def all_of_them() -> None:
        await asyncio.gather(*(again(number) for number in range(count)))

    asyncio.run(all_of_them())
    told.put(dict(ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=5, help="of ordinary uploads, without the crowd and with it")
    options = parser.parse_args()
    # A lane must not begin before every slow client is there, and each of those needs a descriptor.
    changes = {"HTTP__MAX_CONNECTIONS": str(options.clients + 256)}
    print(f"{machine()}; {options.clients} slow clients for {options.seconds:.0f} s.")
    with scratch() as place, demo(place) as running, served(place / "serve", running, changes=changes) as gateway:
        requests = small_requests(ways(running, gateway, None)["gateway `/proxy`"])
        each = options.seconds / options.rounds

        def rate() -> float:
            return burst(gateway.port, requests, lanes=16, seconds=each).per_second

        burst(gateway.port, requests, lanes=16, seconds=1.0)
        alone = [rate() for _ in range(options.rounds)]
        context = multiprocessing.get_context("spawn")
        coming, told = context.Event(), context.Queue()
        coming.set()
        process = context.Process(target=crowd, args=(gateway, options.clients, coming, told))
        process.start()
        time.sleep(5)
        beside = [rate() for _ in range(options.rounds)]
        coming.clear()
        left = time.monotonic()
        ends = told.get(timeout=PATIENCE + 30)
        gone_after = time.monotonic() - left
        process.join()
    share = statistics.median(beside) / statistics.median(alone)
    print(
        f"16 KiB PUTs a second, medians: alone {statistics.median(alone):,.0f}, beside the crowd "
        f"{statistics.median(beside):,.0f}: {share:.2f}"
    )
    for kind, count in sorted(ends.items()):
        print(f"  {kind}: {count:,}")
    print(f"The last was ended {gone_after:.0f} s after nobody came back.")


if __name__ == "__main__":
    main()
