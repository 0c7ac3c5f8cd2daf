"""Plans a second beside @uppy/companion, which checks neither a token nor a policy, and beside FastAPI alone.

    .venv/bin/python -m benchmarks.plans [--rounds 7] [--seconds 3] [--lanes 16] [--place DIR]

It starts the demo for its S3 and its issuer, `upload-gateway serve` with its defaults and one worker, Companion (Node)
on the same bucket and a bare FastAPI application on our HTTP front, one process each. In every round each way has its
turn for `--seconds` over `--lanes` kept connections; told are medians over the rounds, and ratios that are medians of
the rounds' own, so that what else the machine does meets both sides. `CPU` is what all threads of the server's process
used for a request, and does not depend on who else was there.

Ours verifies the token (RS256), asks for the policy, decides, signs, seals the id, and has the upload in its list when
it answers; its audit is written a moment later. Companion signs a form.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks._harness import Demo, cpu_seconds, demo, in_turns, machine, scratch, served
from benchmarks._load import burst
from benchmarks._others import MISSING, floor, node

NAMES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to a plan: whose process, where, and the requests that are sent to it."""

    pid: int
    port: int
    requests: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn came to: requests a second, seconds of processor time a request, and the latency of most."""

    per_second: float
    cpu: float
    p99: float


def request(method: str, target: str, port: int, headers: Sequence[str] = (), body: bytes = b"") -> bytes:
    """One whole request."""
    lines = (f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers)
    length = (f"Content-Length: {len(body)}",) if body else ()
    return "\r\n".join((*lines, *length, "", "")).encode() + body


def plans(port: int, token: str) -> list[bytes]:
    """Requests for plans of small files."""
    headers = (f"Authorization: Bearer {token}", "Content-Type: application/json")
    bodies = ({"name": f"plans/{n:04}.txt", "size": 20_480, "content_type": "text/plain"} for n in range(NAMES))
    return [request("POST", "/uploads", port, headers, json.dumps(body).encode()) for body in bodies]


def params(port: int, *headers: str) -> list[bytes]:
    """Requests as Uppy sends them."""
    targets = (f"/s3/params?filename=plans-{n:04}.txt&type=text%2Fplain" for n in range(NAMES))
    return [request("GET", target, port, ("Accept: application/json", *headers)) for target in targets]


def ways(running: Demo, gateway: Demo, place: Path, stack: ExitStack) -> dict[str, Way]:
    """All ways that are there, in the order of the table."""
    bare = stack.enter_context(floor(place))
    companion = stack.enter_context(node("companion.mjs", running, place))
    bearer = f"Authorization: Bearer {running.token}"
    found = {"FastAPI alone": Way(pid=bare.pid, port=bare.port, requests=plans(bare.port, running.token))}
    if companion is None:
        print(MISSING)
    else:
        found["Companion `/s3/params`"] = Way(pid=companion.pid, port=companion.port, requests=params(companion.port))
    return {
        **found,
        "gateway `/s3/params`": Way(pid=gateway.pid, port=gateway.port, requests=params(gateway.port, bearer)),
        "gateway `POST /uploads`": Way(pid=gateway.pid, port=gateway.port, requests=plans(gateway.port, running.token)),
    }


def turn(way: Way, *, lanes: int, seconds: float) -> Turn:
    """One way's turn."""
    before = cpu_seconds(way.pid)
    load = burst(way.port, way.requests, lanes=lanes, seconds=seconds)
    used = cpu_seconds(way.pid) - before
    return Turn(per_second=load.per_second, cpu=used / load.count, p99=load.percentile(99))


def tell(turns: dict[str, list[Turn]]) -> None:
    """The table."""
    others = [name for name in turns if name.startswith("Companion")]
    print("\n| | a second | of Companion | p99 | CPU a request | of Companion |\n| --- | --: | --: | --: | --: | --: |")
    for name, made in turns.items():
        against = turns[others[0]] if others else made
        rate = statistics.median(mine.per_second / its.per_second for mine, its in zip(made, against, strict=True))
        cost = statistics.median(mine.cpu / its.cpu for mine, its in zip(made, against, strict=True))
        print(
            f"| {name} | {statistics.median(each.per_second for each in made):,.0f} | {rate:.2f} "
            f"| {statistics.median(each.p99 for each in made) * 1e3:.0f} ms "
            f"| {statistics.median(each.cpu for each in made) * 1e3:.2f} ms | {cost:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--place", type=Path, help="where the demo may keep its directory")
    options = parser.parse_args()
    print(f"{machine()}; {options.rounds} rounds, {options.lanes} connections.")
    with ExitStack() as stack:
        place = stack.enter_context(scratch(options.place))
        running = stack.enter_context(demo(place))
        found = ways(running, stack.enter_context(served(place / "serve", running, limited=False)), place, stack)
        load = {"lanes": options.lanes, "seconds": options.seconds}
        tell(in_turns(found, options.rounds, lambda name: turn(found[name], **load), warm=1))


if __name__ == "__main__":
    main()
