"""What holds for the whole suite."""

import gc

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take what collecting left out of the garbage collector's sight: tests that collect walked all of it each time."""
    gc.collect()
    gc.freeze()
