"""PUTs through the gateway beside the same PUTs to S3 itself and through nginx, in one run on one machine.

    .venv/bin/python -m benchmarks.throughput [PART …] [--rounds 5] [--workers 1] [--lanes 16] [--seconds 3]

It starts the demo for its S3 and its issuer, `upload-gateway serve` before that S3 as it runs in production (its
defaults; a verified token, the policy, a quota, a rate and the audit), nginx as a bare reverse proxy
(`proxy_request_buffering off`, kept connections), and nginx with `auth_request` to a service that verifies the same
token and does nothing else. Each has `--workers` processes, and so has that service. In every round each way has its
turn, and who begins changes from round to round. Told are medians over the rounds, and ratios that are medians of the
rounds' own ratios, so that what else the machine does meets all sides. The parts, all by default:

    small   16 KiB PUTs a second over `--lanes` kept connections for `--seconds`
    added   how long one 16 KiB PUT takes over 1 and over 4 connections, and what of it a way adds to S3's own
    share   where the gateway's processor time goes: modes and threads, beside S3's and the client's
    large   one PUT of `--mebibytes` (1024)

Client, server and S3 share the machine's cores, so requests a second tell what is left of the machine by all of them
together; `CPU` is what a process used for one request (or one GiB), and does not depend on who else was there.
Everything that was stored is removed at the end.
"""

import argparse
import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks._harness import MEBIBYTE, children, cpu_seconds, cpu_shares, demo, in_turns, machine, scratch
from benchmarks._load import burst, ceiling, put_large
from benchmarks._ways import ASKING, DIRECT, NGINX, Meter, Turn, Way, limit, median, ratio, ways

SMALL = 16_384
NAMES = 256
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
TYPE = "image/png"

Requests = Mapping[str, Sequence[bytes]]


def small_requests(way: Way) -> list[bytes]:
    """Whole requests, each with bytes of its own."""
    return [way.head(f"small/{n:04}.png", SMALL) + PNG + os.urandom(SMALL - len(PNG)) for n in range(NAMES)]


def small_turn(way: Way, s3: int, requests: Sequence[bytes], *, lanes: int, seconds: float) -> Turn:
    meter = Meter(way, s3)
    load = burst(way.port, requests, lanes=lanes, seconds=seconds)
    return meter.turn(figure=load.per_second, seconds=load.seconds, work=load.count, load=load)


def table(head: str, rows: Mapping[str, Sequence[str]]) -> None:
    columns = head.split("|")
    print(f"\n| {head} |\n| --- |{' --: |' * (len(columns) - 1)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")
    print(flush=True)


def measure_small(found: Mapping[str, Way], s3: int, requests: Requests, options: argparse.Namespace) -> None:
    with ceiling(len(requests[DIRECT][0])) as port:
        most = burst(port, requests[DIRECT], lanes=options.lanes, seconds=1.0)
    print(f"The client alone, against a server that does nothing: {most.per_second:,.0f} a second.")

    def turn(name: str) -> Turn:
        return small_turn(found[name], s3, requests[name], lanes=options.lanes, seconds=options.seconds)

    turns = in_turns(found, options.rounds, turn)
    table(
        "16 KiB PUTs | a second | of S3 directly | of nginx | of `auth_request` | p50 ms | p99 ms | server CPU µs "
        "| S3 CPU µs | limited by",
        {
            name: (
                f"{median(mine, lambda turn: turn.figure):,.0f}",
                *(ratio(turns, name, other) for other in (DIRECT, NGINX, ASKING)),
                f"{median(mine, lambda turn: turn.p50) * 1e3:.1f}",
                f"{median(mine, lambda turn: turn.p99) * 1e3:.1f}",
                f"{median(mine, lambda turn: turn.server / turn.work) * 1e6:,.0f}",
                f"{median(mine, lambda turn: turn.s3 / turn.work) * 1e6:,.0f}",
                limit(mine, options.workers),
            )
            for name, mine in turns.items()
        },
    )


def measure_added(found: Mapping[str, Way], s3: int, requests: Requests, options: argparse.Namespace) -> None:
    for lanes in (1, 4):

        def turn(name: str, lanes: int = lanes) -> Turn:
            return small_turn(found[name], s3, requests[name], lanes=lanes, seconds=options.seconds)

        turns = in_turns(found, options.rounds, turn)

        def added(name: str, percentile: str, turns: dict[str, list[Turn]] = turns) -> tuple[str, str]:
            pairs = zip(turns[name], turns[DIRECT], strict=True)
            more = statistics.median(getattr(mine, percentile) - getattr(direct, percentile) for mine, direct in pairs)
            took = statistics.median(getattr(turn, percentile) for turn in turns[name])
            return f"{took * 1e3:.2f}", "-" if name == DIRECT else f"{more * 1e3:+.2f}"

        table(
            f"16 KiB PUT over {lanes} at once | p50 ms | added | p99 ms | added",
            {name: (*added(name, "p50"), *added(name, "p99")) for name in turns},
        )


def measure_share(found: Mapping[str, Way], s3: int, requests: Requests, options: argparse.Namespace) -> None:
    name = "gateway `/proxy`"
    way, shares = found[name], []
    supervisor = way.pids[0]
    workers = children(supervisor) if options.workers > 1 else [supervisor]

    def used() -> dict[str, float]:
        each = [cpu_shares(pid) for pid in workers]
        own = os.times()
        mine = {part: sum(shares[part] for shares in each) for part in each[0]}
        return {**mine, "S3": cpu_seconds(s3), "the client": own.user + own.system}

    for _ in range(options.rounds):
        before = used()
        load = burst(way.port, requests[name], lanes=options.lanes, seconds=options.seconds)
        shares.append({part: (after - before[part]) / load.count for part, after in used().items()})
    cost = {part: statistics.median(each[part] for each in shares) * 1e6 for part in shares[0]}
    ours = sum(value for part, value in cost.items() if part not in ("S3", "the client"))
    table(
        "of one 16 KiB PUT through `/proxy` | µs of processor time | of the gateway's",
        {part: (f"{value:,.0f}", f"{value / ours:.0%}") for part, value in cost.items()},
    )


def measure_large(found: Mapping[str, Way], s3: int, size: int, options: argparse.Namespace) -> None:
    block = PNG + os.urandom(MEBIBYTE - len(PNG))
    heads = {name: way.head("large.png", size) for name, way in found.items()}

    def turn(name: str) -> Turn:
        meter = Meter(found[name], s3)
        seconds = put_large(found[name].port, heads[name], size, block)
        return meter.turn(figure=seconds, seconds=seconds, work=size / (1 << 30))

    put_large(found[DIRECT].port, heads[DIRECT], size, block)
    turns = in_turns(found, options.rounds, turn)
    table(
        f"{size // MEBIBYTE} MiB PUT | seconds | MiB/s | time of S3 directly | time of nginx | server CPU s/GiB "
        "| S3 CPU s/GiB | limited by",
        {
            name: (
                f"{median(mine, lambda turn: turn.figure):.2f}",
                f"{size / MEBIBYTE / median(mine, lambda turn: turn.figure):,.0f}",
                *(ratio(turns, name, other) for other in (DIRECT, NGINX)),
                f"{median(mine, lambda turn: turn.server / turn.work):.2f}",
                f"{median(mine, lambda turn: turn.s3 / turn.work):.2f}",
                limit(mine, options.workers),
            )
            for name, mine in turns.items()
        },
    )


PARTS = {"small": measure_small, "added": measure_added, "share": measure_share}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="small, added, share, large (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of small PUTs, a way and round")
    parser.add_argument("--lanes", type=int, default=16, help="connections at once")
    parser.add_argument("--workers", type=int, default=1, help="of the gateway, of nginx and of the verifying service")
    parser.add_argument("--mebibytes", type=int, default=1024, help="of a large PUT")
    parser.add_argument("--place", type=Path, help="where everything is kept until the end (default: the system's own)")
    options = parser.parse_args(arguments)
    wanted = options.parts or [*PARTS, "large"]
    if wrong := set(wanted) - {*PARTS, "large"}:
        parser.error(f"there is no part {', '.join(sorted(wrong))}")
    print(f"{machine()}; {options.rounds} rounds, {options.lanes} connections, {options.workers} workers.")
    with ExitStack() as stack:
        place = stack.enter_context(scratch(options.place))
        running = stack.enter_context(demo(place))
        found = ways(place, running, stack, workers=options.workers, media_type=TYPE)
        s3 = running.s3_pid
        requests = {name: small_requests(way) for name, way in found.items()}
        for name, way in found.items():  # connections, caches and volumes are there before anything counts
            burst(way.port, requests[name], lanes=options.lanes, seconds=min(1.0, options.seconds))
        for part in (part for part in PARTS if part in wanted):
            PARTS[part](found, s3, requests, options)
        if "large" in wanted:
            measure_large(found, s3, options.mebibytes * MEBIBYTE, options)


if __name__ == "__main__":
    main()
