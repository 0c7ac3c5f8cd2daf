"""PUTs through the gateway beside the same PUTs to S3 itself and through nginx, in one run on one machine.

    .venv/bin/python benchmarks/throughput.py [--rounds 5] [--seconds 3] [--lanes 16] [--workers 1] [--place DIR]

It starts the demo for its S3 and its issuer, `upload-gateway serve` before that S3 as it runs in production (its
defaults, one worker or `--workers`; a verified token, the policy, a quota, a rate and the audit), and nginx as a bare
reverse proxy (one worker, `proxy_request_buffering off`, kept connections). In every round each way has its turn:
first 16 KiB PUTs over `--lanes` kept connections for `--seconds`, later one PUT of 256 MiB. Told are medians over the
rounds, and ratios that are medians of the rounds' own ratios, so that what else the machine does meets both sides.

Client, server and S3 share the machine's cores, so requests a second tell what is left of the machine by all of them
together; `CPU` is what a process used for one request (or one GiB), and does not depend on who else was there.
Everything that was stored is removed at the end.
"""

import argparse
import itertools
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks._harness import MEBIBYTE, Demo, cpu_seconds, demo, idle_seconds, machine, nginx, scratch, served
from benchmarks._load import Burst, burst, ceiling, put_large

SMALL = 16_384
LARGE = 256 * MEBIBYTE
NAMES = 256
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to S3: where it listens, the head of a PUT on it, and its own process (None: S3 itself)."""

    port: int
    head: Callable[[str, int], bytes]
    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One way's turn in one round: what it did (requests a second, or seconds), and who used how much processor time.

    `server`, `s3`, `client` and `idle` (of all cores) are seconds; `work` is requests, or GiB.
    """

    figure: float
    seconds: float
    work: float
    server: float
    s3: float
    client: float
    idle: float
    p50: float = 0.0
    p99: float = 0.0


def ways(running: Demo, gateway: Demo, proxy: tuple[int, int] | None) -> dict[str, Way]:
    """All ways that are there, in the order of the table."""

    def direct(name: str, size: int) -> bytes:
        return running.s3_head(name, size, "image/png")

    def through(base: str) -> Way:
        return Way(
            port=gateway.port,
            head=lambda name, size: gateway.gateway_head(base, name, size, "image/png"),
            pid=gateway.pid,
        )

    found = {"S3 directly": Way(port=running.s3_port, head=direct, pid=None)}
    if proxy is not None:
        found["nginx"] = Way(port=proxy[1], head=direct, pid=proxy[0])
    return {**found, "gateway `/proxy`": through("/proxy"), "gateway `/edge`": through("/edge")}


class Meter:
    """Processor time of a way's process, of S3's and of this one, from the meter's making on."""

    def __init__(self, way: Way, s3: int) -> None:
        self._way = way
        self._s3 = s3
        self._before = self._now()

    def _now(self) -> tuple[float, float, float, float]:
        pid = self._way.pid
        server = 0.0 if pid is None else cpu_seconds(pid, with_children=True)
        if pid is not None and self._s3_is_child():
            server -= cpu_seconds(self._s3)
        own = os.times()
        return server, cpu_seconds(self._s3), own.user + own.system, idle_seconds()

    def _s3_is_child(self) -> bool:
        return Path(f"/proc/{self._s3}/stat").read_text().rpartition(")")[2].split()[1] == str(self._way.pid)

    def turn(self, *, figure: float, seconds: float, work: float, load: Burst | None = None) -> Turn:
        """The turn that ended now."""
        server, s3, client, idle = (after - before for after, before in zip(self._now(), self._before, strict=True))
        p50, p99 = (load.percentile(50), load.percentile(99)) if load else (0.0, 0.0)
        return Turn(
            figure=figure, seconds=seconds, work=work, server=server, s3=s3, client=client, idle=idle, p50=p50, p99=p99
        )


def small_turn(way: Way, s3: int, requests: Sequence[bytes], *, lanes: int, seconds: float) -> Turn:
    meter = Meter(way, s3)
    load = burst(way.port, requests, lanes=lanes, seconds=seconds)
    return meter.turn(figure=load.per_second, seconds=load.seconds, work=load.count, load=load)


def large_turn(way: Way, s3: int, head: bytes, block: bytes) -> Turn:
    meter = Meter(way, s3)
    seconds = put_large(way.port, head, LARGE, block)
    return meter.turn(figure=seconds, seconds=seconds, work=LARGE / (1 << 30))


def small_requests(way: Way) -> list[bytes]:
    """Whole requests, each with bytes of its own."""
    return [way.head(f"small/{n:04}.png", SMALL) + PNG + os.urandom(SMALL - len(PNG)) for n in range(NAMES)]


def rounds(found: Mapping[str, Way], count: int, turn: Callable[[str], Turn]) -> dict[str, list[Turn]]:
    """Turns by way; who begins a round changes from round to round."""
    turns: dict[str, list[Turn]] = {name: [] for name in found}
    for number in range(count):
        order = itertools.islice(itertools.cycle(found), number % len(found), number % len(found) + len(found))
        for name in order:
            turns[name].append(turn(name))
    return turns


def median(turns: Sequence[Turn], figure: Callable[[Turn], float]) -> float:
    return statistics.median(figure(turn) for turn in turns)


def ratio(turns: Sequence[Turn], other: Sequence[Turn] | None) -> str:
    """The median of the rounds' ratios of the figure; a dash where there is nothing to compare with."""
    if other is None:
        return "-"
    return f"{statistics.median(mine.figure / theirs.figure for mine, theirs in zip(turns, other, strict=True)):.2f}"


def limit(turns: Sequence[Turn]) -> str:
    """What kept a way from being faster: a process that used its one core up, all cores together, or waiting."""
    cores = os.cpu_count() or 1
    server = median(turns, lambda turn: turn.server / turn.seconds)
    client = median(turns, lambda turn: turn.client / turn.seconds)
    ours = median(turns, lambda turn: (turn.server + turn.client + turn.s3) / turn.seconds) / cores
    idle = median(turns, lambda turn: turn.idle / turn.seconds) / cores
    if max(server, client) > 0.85:
        return "the server's one core" if server > client else "the client's one core"
    if ours > 0.85:
        return f"all {cores} cores, S3's share first"
    if idle < 0.15:
        return f"other programs: these had {ours:.0%} of {cores} cores, {idle:.0%} were idle"
    return f"waiting for S3 and its disk: {idle:.0%} of {cores} cores were idle"


def small_table(turns: Mapping[str, list[Turn]]) -> str:
    lines = [
        "| 16 KiB PUTs | a second | of direct | of nginx | p50 ms | p99 ms | server CPU µs | S3 CPU µs | limited by |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --- |",
    ]
    for name, mine in turns.items():
        cells = (
            f"{median(mine, lambda turn: turn.figure):,.0f}",
            ratio(mine, turns["S3 directly"]),
            ratio(mine, turns.get("nginx")),
            f"{median(mine, lambda turn: turn.p50) * 1e3:.1f}",
            f"{median(mine, lambda turn: turn.p99) * 1e3:.1f}",
            f"{median(mine, lambda turn: turn.server / turn.work) * 1e6:,.0f}",
            f"{median(mine, lambda turn: turn.s3 / turn.work) * 1e6:,.0f}",
            limit(mine),
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def large_table(turns: Mapping[str, list[Turn]]) -> str:
    lines = [
        "| 256 MiB PUT | seconds | MiB/s | time of S3 | time of nginx | server CPU s/GiB | S3 CPU s/GiB | limited by |",
        "| --- | --: | --: | --: | --: | --: | --: | --- |",
    ]
    for name, mine in turns.items():
        seconds = median(mine, lambda turn: turn.figure)
        cells = (
            f"{seconds:.2f}",
            f"{LARGE / MEBIBYTE / seconds:,.0f}",
            ratio(mine, turns["S3 directly"]),
            ratio(mine, turns.get("nginx")),
            f"{median(mine, lambda turn: turn.server / turn.work):.2f}",
            f"{median(mine, lambda turn: turn.s3 / turn.work):.2f}",
            limit(mine),
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure_small(found: Mapping[str, Way], s3: int, options: argparse.Namespace) -> None:
    requests = {name: small_requests(way) for name, way in found.items()}
    with ceiling(len(requests["S3 directly"][0])) as port:
        most = burst(port, requests["S3 directly"], lanes=options.lanes, seconds=1.0)
    print(f"The client alone, against a server that does nothing: {most.per_second:,.0f} a second.\n", flush=True)
    for name, way in found.items():  # connections, caches and volumes are there before anything counts
        burst(way.port, requests[name], lanes=options.lanes, seconds=1.0)
    print(
        small_table(
            rounds(
                found,
                options.rounds,
                lambda name: small_turn(found[name], s3, requests[name], lanes=options.lanes, seconds=options.seconds),
            )
        ),
        flush=True,
    )


def measure_large(found: Mapping[str, Way], s3: int, options: argparse.Namespace) -> None:
    block = PNG + os.urandom(MEBIBYTE - len(PNG))
    heads = {name: way.head("large.png", LARGE) for name, way in found.items()}
    put_large(found["S3 directly"].port, heads["S3 directly"], LARGE, block)
    turns = rounds(found, options.rounds, lambda name: large_turn(found[name], s3, heads[name], block))
    print(f"\n{large_table(turns)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of small PUTs, a way and round")
    parser.add_argument("--lanes", type=int, default=16, help="connections at once")
    parser.add_argument("--workers", type=int, default=1, help="of the gateway")
    parser.add_argument("--place", type=Path, help="where everything is kept until the end (default: the system's own)")
    parser.add_argument("--skip-large", action="store_true")
    options = parser.parse_args()
    print(f"{machine()}; {options.rounds} rounds, {options.lanes} connections.")
    with ExitStack() as stack:
        place = stack.enter_context(scratch(options.place))
        running = stack.enter_context(demo(place))
        proxy = stack.enter_context(nginx(place / "nginx", running.s3_port))
        if proxy is None:
            print("nginx is not installed (Debian: apt-get install nginx-light), so its row is left out.")
        gateway = stack.enter_context(served(place / "serve", running, workers=options.workers))
        found, s3 = ways(running, gateway, proxy), running.s3_pid
        measure_small(found, s3, options)
        if not options.skip_large:
            measure_large(found, s3, options)


if __name__ == "__main__":
    main()
