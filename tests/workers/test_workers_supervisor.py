"""The supervisor alone: who is started again and when, and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import children
from tests.workers.running import PATIENCE, kill_all, until


@contextmanager
def supervised(behaviour: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of two such workers, ready where they get so far."""
    command = [sys.executable, "-m", "tests.workers.supervised", behaviour, str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        if behaviour != "raises":
            assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        kill_all(process.pid)
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its status, and what it said since it was ready."""
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_all_workers_end_when_it_is_told_to(tmp_path: Path, told: signal.Signals) -> None:
    """In order: the workers, then what they stood on; a status of success."""
    with supervised("waits", tmp_path) as process:
        workers = children(process.pid)
        process.send_signal(told)

        assert ended(process) == (0, "released\n")

    assert len(workers) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_a_worker_is_started_again_each_time_later(tmp_path: Path) -> None:
    """At once when it dies the first time, then after half a second, then after one; the other is left alone."""
    with supervised("dies", tmp_path) as process:
        os.kill(int((tmp_path / "0-0").read_text()), signal.SIGKILL)
        until(lambda: (tmp_path / "0-3").exists() and len(children(process.pid)) == 2, what="the fourth start")
        process.terminate()
        status, said = ended(process)

    pauses = [line.rpartition("again in ")[2] for line in said.splitlines() if "again in" in line]
    assert (status, pauses) == (0, ["0 s", "0.5 s", "1 s"])
    assert not (tmp_path / "1-1").exists()


def test_workers_that_can_not_start_end_it(tmp_path: Path) -> None:
    """Nobody would notice a gateway that tries for ever; what was wrong is said."""
    with supervised("raises", tmp_path) as process:
        status, said = ended(process)

    assert status == 1
    assert "no worker can start" in said


def test_patience_has_an_end(tmp_path: Path) -> None:
    """Workers that do not hear are killed."""
    with supervised("deaf", tmp_path) as process:
        workers = children(process.pid)
        process.terminate()
        status, said = ended(process)

    assert (status, said) == (0, "released\n")
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
