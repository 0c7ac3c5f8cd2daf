"""What the benchmarks over HTTP share: the demo and the gateway as children, taking turns, what the kernel says.

Everything listens on loopback, lives in a directory that is removed at the end, and ends with the block that started
it. Figures about processes are Linux's (`/proc`).
"""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from gateway.settings.reading import PREFIX
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer

READY_SECONDS = 60.0
MEBIBYTE = 1 << 20

Turn = TypeVar("Turn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A demo that is ready: its process, where it and its bucket are, and a token of the tenant `acme`."""

    pid: int
    port: int
    token: str
    endpoint: Endpoint
    credentials: Credentials
    region: str
    data: Path

    @property
    def s3_port(self) -> int:
        """The port of the embedded S3."""
        return urlsplit(self.endpoint.origin).port or 80

    @property
    def s3_pid(self) -> int:
        """The process of the embedded S3: the demo's only child."""
        return children(self.pid)[0]

    def gateway_head(self, base: str, name: str, size: int, media_type: str) -> bytes:
        """The head of a PUT through a backend."""
        lines = (
            f"PUT {base}/{name} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"Authorization: Bearer {self.token}",
            f"Content-Type: {media_type}",
            f"Content-Length: {size}",
        )
        return "\r\n".join((*lines, "", "")).encode()

    def s3_head(self, name: str, size: int, media_type: str) -> bytes:
        """The head of the same PUT to S3 itself, signed as the gateway signs it; S3 takes it for 15 minutes."""
        headers = (("content-length", str(size)), ("content-type", media_type))
        path = self.endpoint.path_for(f"acme/{name}")
        signer = Signer(self.credentials, self.region)
        signed = signer.sign_headers("PUT", self.endpoint.host, path, now=time.time(), headers=headers)
        lines = [f"PUT {path} HTTP/1.1", f"host: {self.endpoint.host}"]
        lines += [f"{header}: {value}" for header, value in (*headers, *signed.items())]
        return "\r\n".join((*lines, "", "")).encode()


def in_turns(names: Iterable[str], count: int, turn: Callable[[str], Turn], *, warm: int = 0) -> dict[str, list[Turn]]:
    """What the turns of each way came to, over `count` rounds; who begins a round changes from round to round.

    The first `warm` rounds more are not counted: connections, caches and volumes are there afterwards.
    """
    order = tuple(names)
    turns: dict[str, list[Turn]] = {name: [] for name in order}
    for number in range(warm + count):
        first = number % len(order)
        for name in (*order[first:], *order[:first]):
            made = turn(name)
            turns[name] += [made] if number >= warm else []
    return turns


@contextmanager
def scratch(beside: Path | None = None) -> Iterator[Path]:
    """A directory that is gone at the end, with all that was stored in it."""
    place = Path(tempfile.mkdtemp(prefix="upload-gateway-benchmark-", dir=beside))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def demo(place: Path) -> Iterator[Demo]:
    """`upload-gateway demo` on a directory and a free port, ended as Ctrl-C ends it."""
    program, port = str(Path(sys.executable).with_name("upload-gateway")), free_port()
    log = place / "demo.log"
    with log.open("wb") as output:
        command = [program, "demo", "--port", str(port), "--data", str(place / "data")]
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        _await_ready(process, port, log)
        settings = json.loads((place / "data" / "demo.json").read_text())
        command = [program, "token", "--data", str(place / "data"), "--tenant", "acme"]
        token = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        yield Demo(
            pid=process.pid,
            port=port,
            token=token,
            endpoint=Endpoint.at(settings["s3_endpoint"], settings["bucket"]),
            credentials=Credentials(settings["access_key"], settings["secret_key"]),
            region=settings["region"],
            data=place / "data",
        )
    finally:
        end(process, signal.SIGINT)


@contextmanager
def served(
    place: Path, running: Demo, *, workers: int = 1, limited: bool = True, changes: Mapping[str, str] | None = None
) -> Iterator[Demo]:
    """`upload-gateway serve` over the demo's S3 and issuer, as it runs in production: defaults but for the places.

    Its tenant `acme` has a quota and a rate, far above any load, so that both are held, unless it is not `limited`.
    """
    place.mkdir()
    keys = json.loads((running.data / "s3-keys.json").read_text())
    demo_file = json.loads((running.data / "demo.json").read_text())
    (place / "tenants").mkdir()
    rules = {"quota": {"bytes": 1 << 50, "objects": 1 << 40}, "rate": {"per_second": 100_000, "burst": 100_000}}
    tenant = {"version": 1, "tenant": "acme", "types": {"*/*": []}, "overwrite": True, **(rules if limited else {})}
    (place / "tenants" / "acme.json").write_text(json.dumps(tenant))
    issuer = {name: demo_file[name] for name in ("issuer", "jwks_uri", "tenant_claim")}
    operators = {name: demo_file["admin"][name] for name in ("issuer",)} | {"jwks_uri": demo_file["jwks_uri"]}
    port = free_port()
    said = {
        "LISTEN__PORT": str(port),
        "WORKERS": str(workers),
        "S3__ENDPOINT": running.endpoint.origin,
        "S3__BUCKET": running.endpoint.bucket,
        "S3__REGION": running.region,
        "S3__SIGNER": json.dumps(keys["signer"]),
        "S3__COMPLETER": json.dumps(keys["completer"]),
        "STORE__KIND": "sqlite",
        "STORE__PATH": str(place / "gateway.sqlite"),
        "ISSUERS": json.dumps([{**issuer, "audience": [demo_file["audience"]]}]),
        "OPERATORS": json.dumps([{**operators, "audience": [demo_file["admin"]["audience"]]}]),
        "TENANTS__FOLDER": str(place / "tenants"),
        "TENANTS__ALLOW_PRIVATE_ISSUERS": "true",
        "SEALING__KEYS": base64.b64encode(bytes(32)).decode(),
        **(changes or {}),
    }
    program, log = str(Path(sys.executable).with_name("upload-gateway")), place / "serve.log"
    with log.open("wb") as output:
        environment = {**os.environ, **{PREFIX + name: value for name, value in said.items()}}
        process = subprocess.Popen([program, "serve"], env=environment, stdout=output, stderr=output)
    try:
        _await_ready(process, port, log)
        yield replace(running, pid=children(process.pid)[0] if workers == 1 else process.pid, port=port)
    finally:
        end(process, signal.SIGTERM)


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise RuntimeError(f"the gateway did not start: {log.read_text(errors='replace')[-2000:]}")


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Tell a process to end, and see to it that it does."""
    process.send_signal(how)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# What the kernel says (proc(5)).


def children(pid: int) -> list[int]:
    """The processes that any thread of a process started."""
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def cpu_seconds(pid: int, *, with_children: bool = False) -> float:
    """Seconds of processor time a process has had, in user and kernel mode, all threads together."""
    own = sum(_times(Path(f"/proc/{pid}/stat")))
    return own + (sum(map(cpu_seconds, children(pid))) if with_children else 0.0)


def cpu_shares(pid: int) -> dict[str, float]:
    """The same of a process, by thread (the first, and all others) and mode."""
    shares = dict.fromkeys(
        ("event loop, user", "event loop, kernel", "other threads, user", "other threads, kernel"), 0.0
    )
    for task in Path(f"/proc/{pid}/task").iterdir():
        who = "event loop" if task.name == str(pid) else "other threads"
        for mode, seconds in zip(("user", "kernel"), _times(task / "stat"), strict=True):
            shares[f"{who}, {mode}"] += seconds
    return shares


def _times(stat: Path) -> tuple[float, float]:
    fields, tick = stat.read_text().rpartition(")")[2].split(), os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def memory_bytes(pid: int, what: str) -> int:
    """A figure of `/proc/PID/status`: `VmRSS` is what is resident now, `VmHWM` the most since it was last reset."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no {what} in the status of a process")


def reset_peak(pid: int) -> None:
    """Let `VmHWM` begin again from what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def idle_seconds() -> float:
    """Seconds that the machine's cores have had nothing to do, since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """The machine in a line, and how busy it was."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown processor",
    )
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores ({model}), load {load}, Python {sys.version.split()[0]}"
