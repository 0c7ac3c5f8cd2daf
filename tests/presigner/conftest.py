"""A real S3 for the tests of plans, and who may do what in it."""

import subprocess
from collections.abc import Iterator

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from tests.presigner.gateway import COMMAND, Gateway, write_tenants


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    """A real S3 on loopback."""
    with EmbeddedS3(tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The demo, running, with the tenants of these tests."""
    data = tmp_path_factory.mktemp("uploads")
    write_tenants(data / "tenants")
    with subprocess.Popen(
        [COMMAND, "demo", "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("curl "):
                break
        running = Gateway(data, process.pid)
        yield running
        running.close()
        process.terminate()
