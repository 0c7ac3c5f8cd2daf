"""Keys for the session (an RSA key takes a while), and a clock that is moved by hand."""

import pytest

from gateway.identity.testing import Signer, ec_signer, ed25519_signer, rsa_signer


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is moved."""
    return Clock()


@pytest.fixture(scope="session")
def rsa_key() -> Signer:
    """RS256, kid `rsa`."""
    return rsa_signer("rsa")


@pytest.fixture(scope="session")
def ec_key() -> Signer:
    """ES256, kid `ec`."""
    return ec_signer("ec")


@pytest.fixture(scope="session")
def ed_key() -> Signer:
    """EdDSA, kid `ed`."""
    return ed25519_signer("ed")


@pytest.fixture(scope="session")
def signers(rsa_key: Signer, ec_key: Signer, ed_key: Signer) -> list[Signer]:
    """One key of each type, and of each further algorithm that is made quickly."""
    return [rsa_key, ec_key, ed_key, ec_signer("ec384", "P-384"), ec_signer("ec521", "P-521")]
