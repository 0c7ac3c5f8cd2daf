"""One embedded S3 for all fault tests, and the runner of scenarios."""

from collections.abc import Callable, Iterator

import pytest

from gateway.identity.testing import Signer, ed25519_signer
from gateway.local.embedded_s3 import EmbeddedS3
from tests.faults.bench import Scenario, Setting, in_gateway

Run = Callable[..., None]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    """A real S3 on loopback."""
    with EmbeddedS3(tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture(scope="session")
def token_signer() -> Signer:
    """The issuer's key."""
    return ed25519_signer("faults")


@pytest.fixture
def run(store: EmbeddedS3, token_signer: Signer, request: pytest.FixtureRequest) -> Run:
    """Run a scenario in a gateway of its own, and hold what must be so after any fault."""
    place = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:100].strip("-")

    def go(scenario: Scenario, setting: Setting | None = None, *, s3: EmbeddedS3 | None = None) -> None:
        in_gateway(s3 or store, token_signer, place, scenario, setting or Setting())

    return go
