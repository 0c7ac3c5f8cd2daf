"""The same bytes to S3 directly, in parts by a plan, and through @tus/server with @tus/s3-store.

    .venv/bin/python -m benchmarks.tus [--rounds 5] [--mebibytes 1024] [--place DIR]

One client, one connection, one thing at a time: a PUT to S3; a plan's parts one after the other to S3, then complete;
one PATCH to the tus server, which sends parts of the same size on to S3. In every round each way has its turn; told are
medians, and ratios that are medians of the rounds' own. `CPU` is what the server between client and S3 used, and S3.
Everything that was stored is removed at the end.
"""

import argparse
import http.client
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks._harness import MEBIBYTE, Demo, cpu_seconds, demo, in_turns, machine, scratch
from benchmarks._load import put_large
from benchmarks._others import MISSING, node

PART = 16 * MEBIBYTE
TYPE = "application/octet-stream"


class AnswerError(Exception):
    """An upload of the benchmark was not answered with success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to S3: the process between, if there is one, and an upload of a name."""

    pid: int | None
    send: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Seconds that an upload took, and of processor time, between and in S3."""

    seconds: float
    between: float
    s3: float


def asked(port: int, method: str, target: str, body: Any, headers: dict[str, str]) -> http.client.HTTPResponse:
    """The answer to one request, its body unread; raises AnswerError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise AnswerError(f"{method} {target}: {answer.status} {answer.read()[:300]!r}")
    return answer


def by_plan(running: Demo, size: int, block: bytes, name: str) -> None:
    """Plan, the parts one after the other over one connection, complete."""
    headers = {"Authorization": f"Bearer {running.token}", "Content-Type": "application/json"}
    wanted = {"name": name, "size": size, "content_type": TYPE, "strategy": "multipart", "part_size": PART}
    with closing(asked(running.port, "POST", "/uploads", json.dumps(wanted), headers)) as answer:
        plan = json.loads(answer.read())
    there = urlsplit(plan["parts"][0]["url"])
    done = []
    with closing(http.client.HTTPConnection(there.netloc, timeout=300)) as connection:
        for part in plan["parts"]:
            url = urlsplit(part["url"])
            connection.request("PUT", f"{url.path}?{url.query}", block[: part["size"]], part["headers"])
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise AnswerError(f"part {part['number']}: {answer.status}")
            done.append({"number": part["number"], "etag": answer.headers["etag"]})
    asked(running.port, "POST", f"/uploads/{plan['id']}/complete", json.dumps({"parts": done}), headers).close()


def by_tus(port: int, size: int, block: bytes) -> None:
    """Create, then one PATCH with everything."""
    version = {"Tus-Resumable": "1.0.0"}
    with closing(asked(port, "POST", "/files", b"", {**version, "Upload-Length": str(size)})) as made:
        target = urlsplit(made.headers["location"]).path
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", "Content-Length": str(size)}
    asked(port, "PATCH", target, pieces(size, block), {**version, **kind}).close()


def pieces(size: int, block: bytes) -> Iterator[bytes]:
    """The bytes, a mebibyte at a time."""
    for at in range(0, size, MEBIBYTE):
        yield block[: min(MEBIBYTE, size - at)]


def ways(running: Demo, size: int, place: Path, stack: ExitStack) -> dict[str, Way]:
    """All ways that are there, in the order of the table."""
    block = os.urandom(PART)

    def directly(name: str) -> None:
        put_large(running.s3_port, running.s3_head(name, size, TYPE), size, block[:MEBIBYTE])

    found = {
        "S3 directly": Way(pid=None, send=directly),
        "by a plan, in parts": Way(pid=running.pid, send=lambda name: by_plan(running, size, block, name)),
    }
    other = stack.enter_context(node("tus.mjs", running, place, PART_SIZE=str(PART)))
    if other is None:
        print(MISSING)
        return found
    port = other.port
    return {**found, "@tus/server, @tus/s3-store": Way(pid=other.pid, send=lambda _name: by_tus(port, size, block))}


def turn(way: Way, s3: int, name: str) -> Turn:
    """One way's turn."""

    def used() -> tuple[float, float]:
        return (0.0 if way.pid is None else cpu_seconds(way.pid)), cpu_seconds(s3)

    before, began = used(), time.perf_counter()
    way.send(name)
    seconds, after = time.perf_counter() - began, used()
    return Turn(seconds=seconds, between=after[0] - before[0], s3=after[1] - before[1])


def tell(turns: dict[str, list[Turn]], gibibytes: float) -> None:
    """The table."""
    direct = turns["S3 directly"]
    print(
        "\n| | seconds | time of S3 directly | CPU between, a GiB | S3's CPU, a GiB |\n| --- | --: | --: | --: | --: |"
    )
    for name, made in turns.items():
        ratio = statistics.median(mine.seconds / its.seconds for mine, its in zip(made, direct, strict=True))
        print(
            f"| {name} | {statistics.median(each.seconds for each in made):.2f} | {ratio:.2f} "
            f"| {statistics.median(each.between for each in made) / gibibytes:.2f} s "
            f"| {statistics.median(each.s3 for each in made) / gibibytes:.1f} s |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--place", type=Path, help="where the demo and the tus server may keep their bytes")
    options = parser.parse_args()
    size = options.mebibytes * MEBIBYTE
    print(f"{machine()}; {options.rounds} rounds of {options.mebibytes} MiB, parts of {PART // MEBIBYTE} MiB.")
    with ExitStack() as stack:
        place = stack.enter_context(scratch(options.place))
        running = stack.enter_context(demo(place))
        found = ways(running, size, place, stack)
        numbers = itertools.count()
        turns = in_turns(
            found, options.rounds, lambda name: turn(found[name], running.s3_pid, f"large/{next(numbers)}.bin")
        )
        tell(turns, size / (1 << 30))


if __name__ == "__main__":
    main()
