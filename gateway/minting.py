"""What a grant needs that no function can compute: the time, and a UUID."""

import os
from collections.abc import Callable

from gateway.policy.model import Minted
from gateway.policy.names import uuid4_of


def minting(clock: Callable[[], float], randomness: Callable[[int], bytes] = os.urandom) -> Callable[[], Minted]:
    """Stamps with this clock's time and a random UUID."""
    return lambda: Minted(at=clock(), uuid=uuid4_of(randomness(16)))
