"""The gateway holds little of an object while it streams it; `benchmarks/memory.py` is the long form, with 5 GiB."""

import sys
from collections.abc import Iterator

import pytest

from benchmarks._harness import MEBIBYTE, Demo, demo
from benchmarks.memory import stream

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is read from Linux's /proc"),
    pytest.mark.xdist_group("memory"),
]

SIZE = 256 * MEBIBYTE
GROWTH = 60 * MEBIBYTE
PEAK = 150 * MEBIBYTE


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of this test's own, whose process serves nothing else."""
    with demo(tmp_path_factory.mktemp("memory")) as started:
        yield started


@pytest.mark.parametrize("base", ["/proxy", "/edge"])
def test_a_stream_is_never_held(running: Demo, base: str) -> None:
    """256 MiB through a backend cost the gateway's process a bounded part of that, at its peak."""
    seen = stream(running, base, SIZE)

    assert seen.peak - seen.before < GROWTH
    assert seen.peak < PEAK
