"""An admin API a test, and one key for the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.identity.testing import Signer, ed25519_signer
from tests.admin.bench import Bench, bench


@pytest.fixture(scope="session")
def signing_key() -> Signer:
    """EdDSA, for both issuers: what tells their tokens apart is not the key."""
    return ed25519_signer("one")


@pytest.fixture
def admin(tmp_path: Path, signing_key: Signer) -> Iterator[Bench]:
    """The admin API over an empty store."""
    with bench(tmp_path, signing_key) as made:
        yield made


@pytest.fixture
def private_admin(tmp_path: Path, signing_key: Signer) -> Iterator[Bench]:
    """The same of an operator who allows issuers on private addresses."""
    with bench(tmp_path, signing_key, allow_private_issuers=True) as made:
        yield made
