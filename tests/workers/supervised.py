"""A supervisor to look at, as a program: `python -m tests.workers.supervised BEHAVIOUR FOLDER`.

Its workers leave a file for each of their starts and behave as the table below says.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.server.workers import Supervisor, Work

WORKERS: Final = 2


def _waits(ready: Callable[[], None]) -> int:
    """Serve until told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ready()
    signal.sigwait({signal.SIGTERM})
    return 0


def _deaf(ready: Callable[[], None]) -> int:
    """Serve, and do not hear."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    while True:
        time.sleep(60)


def _raises(_ready: Callable[[], None]) -> int:
    """A defect before it serves."""
    raise RuntimeError("no worker can start")


def _works(behaviour: str, folder: Path) -> Work:
    one = {"waits": _waits, "deaf": _deaf, "raises": _raises, "dies": _waits}[behaviour]

    def work(number: int, ready: Callable[[], None]) -> int:
        starts = len(list(folder.glob(f"{number}-*")))
        (folder / f"{number}-{starts}").write_text(str(os.getpid()))
        if behaviour == "dies" and number == 0 and starts in (1, 2):
            return 3  # dies again twice after it was replaced
        return one(ready)

    return work


def main() -> int:
    """Run until told to stop; what happens is printed."""
    behaviour, folder = sys.argv[1], Path(sys.argv[2])
    return Supervisor(
        work=_works(behaviour, folder),
        count=WORKERS,
        on_ready=lambda: print("ready", flush=True),
        release=lambda: print("released", flush=True),
        release_after=0.0,
        patience=0.3 if behaviour == "deaf" else 30.0,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
