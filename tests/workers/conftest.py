"""A real S3 and real issuers for all tests of this folder; each gateway has its own directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.issuer import DevelopmentIssuer
from tests.workers.running import Gateway, Ground, demo
from tests.workers.standing import Standing


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedS3, DevelopmentIssuer]]:
    place = tmp_path_factory.mktemp("ground")
    with EmbeddedS3(place) as store, DevelopmentIssuer.open(place / "issuer").serving() as issuer:
        yield store, issuer


@pytest.fixture(scope="session")
def four_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Standing]]:
    """A demo of four workers, for all tests that look at its stores and its bucket."""
    data = tmp_path_factory.mktemp("four-workers") / "data"
    with demo(data, workers=4) as gateway:
        yield gateway, Standing(data=data)


@pytest.fixture
def ground(standing: tuple[EmbeddedS3, DevelopmentIssuer], tmp_path: Path) -> Ground:
    """A directory with one tenant, `acme`."""
    made = Ground(folder=tmp_path, store=standing[0], issuer=standing[1])
    made.put_tenant("acme")
    return made
