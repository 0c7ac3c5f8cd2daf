"""The ways to S3 that are compared: straight, through nginx, through the gateway; and what a turn on one costs."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks._harness import Demo, cpu_seconds, idle_seconds, served
from benchmarks._load import Burst
from benchmarks._nginx import TOKEN_HEADER, nginx, program

DIRECT = "S3 directly"
NGINX = "nginx"
ASKING = "nginx, `auth_request`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to S3: where it listens, the head of a PUT on it, and its own processes (none: S3 itself)."""

    port: int
    head: Callable[[str, int], bytes]
    pids: tuple[int, ...] = ()


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


class Meter:
    """Processor time of a way's processes, of S3's and of this one, from the meter's making on."""

    def __init__(self, way: Way, s3: int) -> None:
        self._way = way
        self._s3 = s3
        self._before = self._now()

    def _now(self) -> tuple[float, float, float, float]:
        server = sum(cpu_seconds(pid, with_children=True) for pid in self._way.pids)
        own = os.times()
        return server, cpu_seconds(self._s3), own.user + own.system, idle_seconds()

    def turn(self, *, figure: float, seconds: float, work: float, load: Burst | None = None) -> Turn:
        """The turn that ended now."""
        server, s3, client, idle = (after - before for after, before in zip(self._now(), self._before, strict=True))
        p50, p99 = (load.percentile(50), load.percentile(99)) if load else (0.0, 0.0)
        return Turn(
            figure=figure, seconds=seconds, work=work, server=server, s3=s3, client=client, idle=idle, p50=p50, p99=p99
        )


def ways(place: Path, running: Demo, stack: ExitStack, *, workers: int, media_type: str) -> dict[str, Way]:
    """All ways that are there, in the order of the tables; started for as long as the stack is open."""

    def direct(name: str, size: int) -> bytes:
        return running.s3_head(name, size, media_type)

    def asking(name: str, size: int) -> bytes:
        token = f"{TOKEN_HEADER}: Bearer {running.token}\r\n\r\n".encode()
        return direct(name, size)[:-2] + token

    found = {DIRECT: Way(port=running.s3_port, head=direct)}
    if program() is None:
        print("nginx is not installed (Debian: apt-get install nginx-light), so its rows are left out.")
    else:
        for name, head in ((NGINX, direct), (ASKING, asking)):
            started = stack.enter_context(
                nginx(place / f"nginx-{len(found)}", running, workers=workers, asks=name == ASKING)
            )
            found[name] = Way(port=started.port, head=head, pids=started.pids)
    gateway = stack.enter_context(served(place / "serve", running, workers=workers))
    return {**found, **{f"gateway `{base}`": through(gateway, base, media_type) for base in ("/proxy", "/edge")}}


def through(gateway: Demo, base: str, media_type: str) -> Way:
    """The way through a backend of the gateway."""
    return Way(
        port=gateway.port,
        head=lambda name, size: gateway.gateway_head(base, name, size, media_type),
        pids=(gateway.pid,),
    )


def median(turns: Sequence[Turn], figure: Callable[[Turn], float]) -> float:
    """A figure's median over the rounds."""
    return statistics.median(figure(turn) for turn in turns)


def ratio(turns: Mapping[str, Sequence[Turn]], name: str, other: str) -> str:
    """The median of the rounds' ratios of the figure; a dash where there is nothing to compare with."""
    if other not in turns:
        return "-"
    pairs = zip(turns[name], turns[other], strict=True)
    return f"{statistics.median(mine.figure / theirs.figure for mine, theirs in pairs):.2f}"


def limit(turns: Sequence[Turn], workers: int) -> str:
    """What kept a way from being faster: processes that used their cores up, all cores together, or waiting."""
    cores = os.cpu_count() or 1
    server = median(turns, lambda turn: turn.server / turn.seconds) / workers
    client = median(turns, lambda turn: turn.client / turn.seconds)
    ours = median(turns, lambda turn: (turn.server + turn.client + turn.s3) / turn.seconds) / cores
    idle = median(turns, lambda turn: turn.idle / turn.seconds) / cores
    if max(server, client) > 0.85:
        return "the server's cores" if server > client else "the client's one core"
    if ours > 0.85:
        return f"all {cores} cores, S3's share first"
    if idle < 0.15:
        return f"other programs: these had {ours:.0%} of {cores} cores, {idle:.0%} were idle"
    return f"waiting for S3 and its disk: {idle:.0%} of {cores} cores were idle"
