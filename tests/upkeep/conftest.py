"""One S3 for the room, and empty stores a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.tenants.stores import Stores, open_sqlite


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    """A running S3."""
    with EmbeddedS3(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Empty stores; the functions have theirs in DynamoDB, by the same protocols."""
    return open_sqlite(tmp_path / "gateway.sqlite")
