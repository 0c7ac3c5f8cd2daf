"""Starts the deployments under test: one process a worker and mode, for the whole session."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conformance.demo import DemoProcess
from tests.conformance.deployment import Deployment
from tests.conformance.examiner import Examiner
from tests.conformance.wire import Wire

MODES = {"demo": "machine", "demo-limits-aws": "aws"}


@dataclass(frozen=True, slots=True)
class Examination:
    """A deployment that is ready, the wire to it, and the examiner that knows its bucket."""

    deployment: Deployment
    wire: Wire
    examiner: Examiner


@pytest.fixture(
    scope="session",
    params=["demo", "demo-limits-aws"],
)
def examination(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examination]:
    """Each deployment in turn."""
    mode: str = request.param
    process = DemoProcess(tmp_path_factory.mktemp(mode), limits=MODES[mode])
    with Wire() as wire:
        try:
            deployment = process.start()
            yield Examination(deployment, wire, Examiner(deployment, wire))
        finally:
            process.stop()
