"""A real S3 for the tests of plans, and who may do what in it."""

from collections.abc import Iterator

import pytest

from gateway.local.embedded_s3 import EmbeddedS3


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    """A real S3 on loopback."""
    with EmbeddedS3(tmp_path_factory.mktemp("s3")) as started:
        yield started
