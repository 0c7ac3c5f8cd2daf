"""The S3 process itself: stopped, killed, without room on its disk, and kept running by the demo."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.local import supervision
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.errors import DemoError
from gateway.local.supervision import SupervisedS3
from gateway.storage.upstream import Timeouts, Upstream
from tests.faults.bench import ANSWER, CARRIERS, PATIENT, STALL, Bench, Setting, bucket_of, nothing_left
from tests.faults.client import PATIENCE
from tests.faults.conftest import Run

SMALL = b"s" * 1_000
LARGE = bytes(range(256)) * 65_536  # 16 MiB
DISK = 320  # MiB: a little more than the embedded S3 wants to start


@contextmanager
def stopped(pid: int | None) -> Iterator[None]:
    """The process does nothing meanwhile; its sockets stay, and the kernel goes on accepting for it."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + PATIENCE
    while not all_threads_stopped(pid) and time.monotonic() < deadline:  # the kernel stops them one after the other
        time.sleep(0.001)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def all_threads_stopped(pid: int) -> bool:
    """Whether every thread of the process is in state T (proc(5))."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


@pytest.mark.parametrize("large", [True, False], ids=["large", "small"])
@pytest.mark.parametrize("backend", CARRIERS)
def test_a_stopped_s3_is_unavailable(run: Run, backend: str, large: bool) -> None:
    """It accepts and says nothing: the deadlines end it, and it may still store what it had been sent whole."""
    body, timeouts = (LARGE, STALL) if large else (SMALL, ANSWER)

    async def scenario(bench: Bench) -> None:
        with stopped(bench.store.pid):
            answer = await bench.put(backend, "stopped", body)
        assert answer is not None
        assert (answer.status, answer.code) == (503, "storage-unavailable")
        if "may have been stored" in answer.problem["detail"]:
            bench.perhaps[bench.key("stopped")] = body
        else:
            assert "nothing was stored" in answer.problem["detail"]

    run(scenario, Setting(timeouts=timeouts))


def test_a_stopped_s3_is_not_reachable(store: EmbeddedS3) -> None:
    """Readiness is not asked for as long as an upload may wait."""

    async def reachable() -> bool:
        async with Upstream(timeouts=Timeouts(connect=0.3, stall=PATIENCE, answer=PATIENCE)) as upstream:
            return await upstream.reachable(store.endpoint)

    with nothing_left():
        with stopped(store.pid):
            assert not asyncio.run(reachable())
        assert asyncio.run(reachable())


@pytest.mark.parametrize("backend", CARRIERS)
@pytest.mark.parametrize("stops_first", [False, True], ids=["killed", "stopped-then-killed"])
def test_a_killed_s3_is_unavailable_until_it_is_back(run: Run, tmp_path: Path, stops_first: bool, backend: str) -> None:
    """In mid-body: nothing was stored; while it is gone: the same; when it is back, all that was confirmed is there."""

    async def scenario(bench: Bench) -> None:
        first = await bench.put(backend, "before", LARGE)
        assert first is not None
        assert first.status == 200
        async with bench.client() as client:
            await client.head(bench.target(backend, "killed"), bench.headers(len(LARGE)))
            await client.side.send(LARGE[: len(LARGE) // 2])
            assert bench.store.pid is not None
            if stops_first:
                os.kill(bench.store.pid, signal.SIGSTOP)
            os.kill(bench.store.pid, signal.SIGKILL)
            answer = await client.answer()
            gone = await bench.put(backend, "gone", SMALL)
        for said in (answer, gone):
            assert said is not None
            assert (said.status, said.code) == (503, "storage-unavailable")
        assert answer is not None
        assert "nothing was stored" in answer.problem["detail"]
        bench.store.stop()
        bench.store.start()

    with EmbeddedS3(tmp_path) as own:
        run(scenario, Setting(timeouts=PATIENT), s3=own)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk in memory; needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs here, so there is no small disk to fill")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("backend", CARRIERS)
def test_a_full_disk_is_unavailable_until_there_is_room(run: Run, disk: Path, backend: str) -> None:
    """The upload that has no room is refused and leaves nothing; when room is made, uploads work again."""

    async def scenario(bench: Bench) -> None:
        first = await bench.put(backend, "before", SMALL)
        assert first is not None
        assert first.status == 200
        filler = disk / "filler"
        fill(filler, leave=2 << 20)
        answer = await bench.put(backend, "full", LARGE)
        assert answer is not None
        if backend == "proxy":
            assert (answer.status, answer.code) == (503, "storage-unavailable")
        else:
            assert answer.status in (500, 503)
        await bench.look()
        filler.unlink()

    with EmbeddedS3(disk / "data") as own:
        run(scenario, s3=own)


def fill(filler: Path, leave: int) -> None:
    """Take all of the disk's room but `leave` bytes."""
    room = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)


def test_the_demo_starts_a_killed_s3_again(tmp_path: Path) -> None:
    """Every time, on the same port and with what was stored; and when it stops, no thread and no child is left."""

    async def scenario() -> None:
        supervised = SupervisedS3(EmbeddedS3(tmp_path))
        await supervised.start()
        port = supervised.store.port
        try:
            for _ in range(2):
                before = supervised.store.pid
                assert before is not None
                os.kill(before, signal.SIGKILL)
                async with asyncio.timeout(PATIENCE):
                    while supervised.store.pid in (before, None) or not answers(supervised.store):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                assert supervised.store.port == port
        finally:
            await supervised.stop()

    with nothing_left():
        asyncio.run(scenario())


def test_an_s3_that_is_killed_while_it_starts_is_started_again(tmp_path: Path) -> None:
    """Whatever its start was at when it died, the watch goes on."""
    moments = random.Random(4)

    async def scenario() -> None:
        supervised = SupervisedS3(EmbeddedS3(tmp_path, origins=("http://127.0.0.1:1",)))
        await supervised.start()
        try:
            async with asyncio.timeout(3 * PATIENCE):
                killed: set[int | None] = {None}
                for _ in range(4):
                    while supervised.store.pid in killed:  # noqa: ASYNC110
                        await asyncio.sleep(0.001)
                    await asyncio.sleep(moments.uniform(0, 1.2))
                    pid = supervised.store.pid
                    if pid is not None and supervised.store.alive:
                        os.kill(pid, signal.SIGKILL)
                        killed.add(pid)
                while supervised.store.pid in killed or not answers(supervised.store):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            await supervised.stop()

    with nothing_left():
        asyncio.run(scenario())


def answers(store: EmbeddedS3) -> bool:
    """Whether the bucket can be listed."""
    try:
        return bucket_of(store).keys("acme/") == []
    except (OSError, RuntimeError):
        return False


def test_the_demo_says_why_its_s3_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else took its port: after some attempts there is one sentence, and nothing is left running."""
    monkeypatch.setattr(supervision, "LOOK_EVERY", 0.01)

    async def scenario() -> DemoError:
        supervised = SupervisedS3(EmbeddedS3(tmp_path))
        await supervised.start()
        store = supervised.store
        with socket.socket() as taker:
            taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            assert store.pid is not None
            os.kill(store.pid, signal.SIGKILL)
            try:
                async with asyncio.timeout(PATIENCE):
                    while not bound(taker, store.port or 0):  # noqa: ASYNC110
                        await asyncio.sleep(0)
                    return await supervised.failed()
            finally:
                await supervised.stop()

    with nothing_left():
        assert "in use" in str(asyncio.run(scenario()))


def bound(taker: socket.socket, port: int) -> bool:
    """Take the port, if it is free already."""
    try:
        taker.bind(("127.0.0.1", port))
        taker.listen()
    except OSError:
        return False
    return True
