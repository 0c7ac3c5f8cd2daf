"""A real S3 and real issuers for all tests of this folder; each gateway has its own directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.issuer import DevelopmentIssuer
from tests.workers.running import Ground


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedS3, DevelopmentIssuer]]:
    place = tmp_path_factory.mktemp("ground")
    with EmbeddedS3(place) as store, DevelopmentIssuer.open(place / "issuer").serving() as issuer:
        yield store, issuer


@pytest.fixture
def ground(standing: tuple[EmbeddedS3, DevelopmentIssuer], tmp_path: Path) -> Ground:
    """A directory with one tenant, `acme`."""
    made = Ground(folder=tmp_path, store=standing[0], issuer=standing[1])
    made.put_tenant("acme")
    return made
