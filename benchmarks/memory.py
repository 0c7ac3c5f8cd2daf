"""The most memory that the gateway's process takes while large objects stream through it.

    .venv/bin/python -m benchmarks.memory [--gib 5] [--many 100] [--mebibytes 64] [--place DIR]

`upload-gateway serve` as it runs in production, told that its S3 wants a checksum of every body (`s3.integrity` `all`),
so that a body goes on in chunks with a trailer. One PUT of `--gib` GiB goes through `/proxy`, then one through `/edge`,
from a client that sends one block of a MiB again and again; then `--many` PUTs of `--mebibytes` MiB at once through
`/proxy`. Before each the kernel's high-water mark of the gateway's process is reset (proc(5): 5 written to
`clear_refs`), after it `VmHWM` is read: every page the process had at once, not a sample. S3 is a process of its own
and not counted. What was stored is deleted after each, and the directory at the end; it needs twice as much free disk.
A size of 0 leaves its part out.
"""

import argparse
import http.client
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from benchmarks._harness import MEBIBYTE, Demo, demo, machine, memory_bytes, reset_peak, scratch, served
from benchmarks._load import put_large
from gateway.storage.sigv4 import Signer

NAME = "stream.bin"
ROOM = 2 << 30
TRAILER = {"S3__INTEGRITY": "all"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What went through: bytes, seconds, and the process's resident bytes before it, at most, and after it."""

    size: int
    seconds: float
    before: int
    peak: int
    after: int


def stream(running: Demo, base: str, size: int) -> Stream:
    """PUT `size` bytes through a backend and read the gateway's high-water mark; the object is deleted again."""
    block = os.urandom(MEBIBYTE)
    try:
        return _measured(running, size, lambda: _put(running, base, NAME, size, block))
    finally:
        delete(running, f"acme/{NAME}")


def crowd(running: Demo, base: str, count: int, size: int) -> Stream:
    """`count` PUTs of `size` bytes at once; the objects are deleted again."""
    block, names = os.urandom(MEBIBYTE), [f"stream-{number}.bin" for number in range(count)]

    def all_at_once() -> None:
        with ThreadPoolExecutor(count) as threads:
            for _ in threads.map(lambda name: _put(running, base, name, size, block), names):
                pass

    try:
        return _measured(running, count * size, all_at_once)
    finally:
        for name in names:
            delete(running, f"acme/{name}")


def _put(running: Demo, base: str, name: str, size: int, block: bytes) -> None:
    put_large(running.port, running.gateway_head(base, name, size, "application/octet-stream"), size, block)


def _measured(running: Demo, size: int, work: Callable[[], None]) -> Stream:
    reset_peak(running.pid)
    before, began = memory_bytes(running.pid, "VmRSS"), time.perf_counter()
    work()
    return Stream(
        size=size,
        seconds=time.perf_counter() - began,
        before=before,
        peak=memory_bytes(running.pid, "VmHWM"),
        after=memory_bytes(running.pid, "VmRSS"),
    )


def delete(running: Demo, key: str) -> None:
    """Delete an object as the bucket's operator."""
    path = running.endpoint.path_for(key)
    signer = Signer(running.credentials, running.region)
    headers = signer.sign_headers("DELETE", running.endpoint.host, path, now=time.time())
    connection = http.client.HTTPConnection("127.0.0.1", running.s3_port, timeout=60)
    try:
        connection.request("DELETE", path, headers={"Host": running.endpoint.host, **headers})
        connection.getresponse().read()
    finally:
        connection.close()


def tell(what: str, seen: Stream) -> None:
    """A line of the table."""
    figures = (seen.before, seen.peak, seen.after, seen.size / seen.seconds)
    print(f"| {what} | {' | '.join(f'{figure / MEBIBYTE:,.0f}' for figure in figures)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=5.0)
    parser.add_argument("--many", type=int, default=100, help="PUTs at once")
    parser.add_argument("--mebibytes", type=int, default=64, help="of each of these")
    parser.add_argument("--place", type=Path, help="where everything is kept until the end (default: the system's own)")
    options = parser.parse_args()
    size, each = int(options.gib * (1 << 30)), options.mebibytes * MEBIBYTE
    most = max(size, options.many * each)
    free = shutil.disk_usage(options.place or gettempdir()).free
    if free < 3 * most + ROOM:  # S3 gives an object's room back some time after it was deleted
        raise SystemExit(f"{free >> 30} GiB are free; three times {most / (1 << 30):g} GiB need more")
    print(f"{machine()}\n\n| | before MiB | peak MiB | after MiB | MiB/s |\n| --- | --: | --: | --: | --: |")
    with (
        scratch(options.place) as place,
        demo(place) as running,
        served(place / "serve", running, changes=TRAILER) as gateway,
    ):
        for base in ("/proxy", "/edge") if size else ():
            tell(f"{options.gib:g} GiB, `{base}`", stream(gateway, base, size))
        if options.many and each:
            tell(
                f"{options.many} times {options.mebibytes} MiB, `/proxy`", crowd(gateway, "/proxy", options.many, each)
            )


if __name__ == "__main__":
    main()
