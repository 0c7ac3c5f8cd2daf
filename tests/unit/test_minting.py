"""What stamps an intent."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from gateway.minting import minting
from gateway.policy.names import uuid4_of


@given(st.binary(min_size=16, max_size=16))
def test_random_bytes_are_written_as_the_standard_library_writes_them(randomness: bytes) -> None:
    """Version and variant in their places."""
    assert uuid4_of(randomness) == str(uuid.UUID(bytes=randomness, version=4))


def test_every_stamp_has_an_id_of_its_own() -> None:
    """From the machine's randomness."""
    mint = minting(lambda: 5.0)
    stamps = [mint() for _ in range(1000)]
    assert {stamp.at for stamp in stamps} == {5.0}
    assert len({stamp.uuid for stamp in stamps}) == 1000
