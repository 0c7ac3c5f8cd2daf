"""What holds for the whole suite."""

import gc
import signal

import pytest


def pytest_configure() -> None:
    """Let Ctrl-C end the programs under test, also where a script runs the suite in its background (POSIX 2.11)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take what collecting left out of the garbage collector's sight: tests that collect walked all of it each time."""
    gc.collect()
    gc.freeze()
