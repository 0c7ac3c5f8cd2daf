"""Ordinary uploads beside two thousand clients that are in no hurry, and what becomes of those.

    .venv/bin/python -m benchmarks.slow_clients [--clients 2000] [--seconds 60] [--windows 4] [--cycles 1]

A quarter sends its head a byte a second, a quarter its body, a quarter asks for more than it reads, and a quarter says
nothing. Who is dropped comes back, so there are always as many. The ordinary uploads are 16 KiB PUTs over 16 kept
connections to `upload-gateway serve` (one worker, its default deadlines, `max_connections` raised to hold the crowd).
A cycle measures half of the windows alone, then all of them (`--seconds` together) beside the crowd, waits until the
gateway has ended the last of it, and measures the other half alone. Told are the medians of the windows and their
ratio, what a request cost the gateway's process, and how each slow client ended, by itself and by the gateway's own
metrics. The crowd is on the same machine and takes processor time of its own, which is told, too.
"""

import argparse
import asyncio
import multiprocessing
import multiprocessing.synchronize
import re
import socket
import statistics
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks._harness import Demo, cpu_seconds, demo, free_port, machine, scratch, served
from benchmarks._load import burst
from benchmarks._ways import through
from benchmarks.throughput import small_requests
from gateway.server.http1 import new_event_loop

Slow = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ESTABLISHED: Final = 1
"""A state of the kernel's `tcp_info`."""

SETTLED: Final = 5.0
"""Seconds until everybody is there."""

DEADLINES: Final = ("HEADER_DEADLINE", "KEEP_ALIVE", "BODY_IDLE", "BODY_GRACE", "WRITE_IDLE", "LINGER_SECONDS")

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
    """Someone who asks twice for the API's description, which has a hundred kilobytes, and reads none of it."""
    request = f"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode()

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 - so that nothing is read
        writer.write(request * 2)
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
    told: "multiprocessing.Queue[tuple[dict[str, int], float]]",
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

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(all_of_them())
    told.put((dict(ends), time.process_time()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Ordinary uploads for a while: how many a second, and the gateway's processor time for one."""

    per_second: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """What a cycle came to: windows alone and beside the crowd, and how that ended.

    `cpu` is the crowd's own processor time, `gone_after` how long the gateway took to end the last of it.
    """

    alone: list[Window]
    beside: list[Window]
    ends: Counter[str]
    cpu: float
    gone_after: float


def cycle(gateway: Demo, requests: Sequence[bytes], options: argparse.Namespace) -> Crowded:
    """Alone, beside the crowd, alone."""
    each = options.seconds / options.windows

    def window() -> Window:
        before = cpu_seconds(gateway.pid)
        load = burst(gateway.port, requests, lanes=16, seconds=each)
        return Window(per_second=load.per_second, cpu=(cpu_seconds(gateway.pid) - before) / load.count)

    half = max(1, options.windows // 2)
    alone = [window() for _ in range(half)]
    context = multiprocessing.get_context("spawn")
    coming, told = context.Event(), context.Queue()
    coming.set()
    process = context.Process(target=crowd, args=(gateway, options.clients, coming, told))
    process.start()
    try:
        time.sleep(SETTLED)
        beside = [window() for _ in range(options.windows)]
        coming.clear()
        left = time.monotonic()
        ends, cpu = told.get(timeout=PATIENCE + 30)
        gone_after = time.monotonic() - left
        process.join(30)
    finally:
        process.kill()
    alone += [window() for _ in range(half)]
    return Crowded(alone=alone, beside=beside, ends=Counter(ends), cpu=cpu, gone_after=gone_after)


def refusals(port: int) -> dict[str, int]:
    """What the gateway says that its front ended, by its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        found = re.findall(r'front_refusals_total\{code="([a-z-]+)"\} (\d+)', answer.read().decode())
    return {code: int(count) for code, count in found}


def tell(cycles: Sequence[Crowded], counted: dict[str, int]) -> Counter[str]:
    """The figures, and how everybody ended."""
    alone = [window for each in cycles for window in each.alone]
    beside = [window for each in cycles for window in each.beside]
    print("\n| 16 KiB PUTs | a second | of alone | gateway CPU µs |\n| --- | --: | --: | --: |")
    rate = statistics.median(window.per_second for window in alone)
    for name, windows in (("alone", alone), ("beside the crowd", beside)):
        mine = statistics.median(window.per_second for window in windows)
        cost = statistics.median(window.cpu for window in windows) * 1e6
        print(f"| {name} | {mine:,.0f} | {mine / rate:.2f} | {cost:,.0f} |")
    ends = sum((each.ends for each in cycles), Counter[str]())
    print("\nHow they ended:")
    for kind, count in sorted(ends.items()):
        print(f"  {kind}: {count:,}")
    print("By the gateway's metrics: " + ", ".join(f"{code} {count:,}" for code, count in sorted(counted.items())))
    seconds = ", ".join(f"{each.gone_after:.0f}" for each in cycles)
    print(
        f"The last was ended {seconds} s after nobody came back; the crowd took {cycles[0].cpu:.0f} s of a processor."
    )
    return ends


def main(arguments: Sequence[str] | None = None) -> Counter[str]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="beside the crowd, in each cycle")
    parser.add_argument("--windows", type=int, default=4, help="of these seconds; as many are measured alone")
    parser.add_argument("--cycles", type=int, default=1)
    parser.add_argument("--hurry", type=float, help="seconds for all of the gateway's deadlines, instead of its own")
    options = parser.parse_args(arguments)
    watched = free_port()
    changes = {
        # A lane must not begin before every slow client is there, and each of those needs a descriptor.
        "HTTP__MAX_CONNECTIONS": str(options.clients + 256),
        "OPERATIONS__PORT": str(watched),
        **({} if options.hurry is None else {f"HTTP__{name}": str(options.hurry) for name in DEADLINES}),
    }
    print(f"{machine()}; {options.clients} slow clients for {options.seconds:.0f} s.", flush=True)
    with scratch() as place, demo(place) as running, served(place / "serve", running, changes=changes) as gateway:
        requests = small_requests(through(gateway, "/proxy", "image/png"))
        burst(gateway.port, requests, lanes=16, seconds=1.0)
        cycles = [cycle(gateway, requests, options) for _ in range(options.cycles)]
        return tell(cycles, refusals(watched))


if __name__ == "__main__":
    main()
