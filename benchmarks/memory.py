"""The most memory that the gateway's process takes while a large object streams through it.

    .venv/bin/python benchmarks/memory.py [--gib 5] [--place DIR]

One PUT of `--gib` GiB goes through `/proxy`, then one through `/edge`, from a client that sends one block of a MiB
again and again. Before each the kernel's high-water mark of the gateway's process is reset (proc(5): 5 written to
`clear_refs`), after it `VmHWM` is read: every page the process had at once, not a sample. S3 is a process of its own
and not counted. What was stored is deleted after each PUT, and the directory at the end; it needs as much free disk.
"""

import argparse
import http.client
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from benchmarks._harness import MEBIBYTE, Demo, demo, machine, memory_bytes, reset_peak, scratch
from benchmarks._load import put_large
from gateway.storage.sigv4 import Signer

NAME = "stream.bin"
ROOM = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One object's way through: seconds, and the process's resident bytes before it, at most, and after it."""

    seconds: float
    before: int
    peak: int
    after: int


def stream(running: Demo, base: str, size: int) -> Stream:
    """PUT `size` bytes through a backend and read the gateway's high-water mark; the object is deleted again."""
    reset_peak(running.pid)
    before = memory_bytes(running.pid, "VmRSS")
    head = running.gateway_head(base, NAME, size, "application/octet-stream")
    try:
        seconds = put_large(running.port, head, size, os.urandom(MEBIBYTE))
        return Stream(
            seconds=seconds,
            before=before,
            peak=memory_bytes(running.pid, "VmHWM"),
            after=memory_bytes(running.pid, "VmRSS"),
        )
    finally:
        delete(running, f"acme/{NAME}")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=5.0)
    parser.add_argument("--place", type=Path, help="where everything is kept until the end (default: the system's own)")
    options = parser.parse_args()
    size = int(options.gib * (1 << 30))
    free = shutil.disk_usage(options.place or gettempdir()).free
    if free < 2 * size + ROOM:  # S3 gives the first object's room back some time after it was deleted
        raise SystemExit(f"{free >> 30} GiB are free; two streams of {options.gib:g} GiB need more")
    print(f"{machine()}\n\n| {options.gib:g} GiB through | before MiB | peak MiB | after MiB | MiB/s |")
    print("| --- | --: | --: | --: | --: |")
    with scratch(options.place) as place, demo(place) as running:
        for base in ("/proxy", "/edge"):
            seen = stream(running, base, size)
            rate = size / MEBIBYTE / seen.seconds
            figures = (seen.before / MEBIBYTE, seen.peak / MEBIBYTE, seen.after / MEBIBYTE, rate)
            print(f"| `{base}` | {' | '.join(f'{figure:,.0f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main()
