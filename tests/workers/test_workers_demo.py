"""`upload-gateway demo --workers`: the same demo, and nothing of it is left behind."""

import os
import signal
from pathlib import Path

import pytest

from tests.processes import children
from tests.workers.running import demo, lives, until


def below(pid: int) -> list[int]:
    """All processes that a process has started, and they."""
    direct = children(pid)
    return [*direct, *(each for child in direct for each in below(child))]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_every_process_ends_with_the_demo(tmp_path: Path, ending: signal.Signals) -> None:
    """S3, supervisor and workers: with Ctrl-C, which the terminal sends to all of them, and when the demo is killed."""
    with demo(tmp_path / "data", workers=2) as gateway:
        started = below(gateway.process.pid)
        if ending is signal.SIGINT:
            os.killpg(gateway.process.pid, ending)
        else:
            gateway.process.kill()
        status = gateway.ended()
        until(lambda: not any(map(lives, started)), what="all processes end")

    assert len(started) == 4
    assert status == (0 if ending is signal.SIGINT else -signal.SIGKILL)
