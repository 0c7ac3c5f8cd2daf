"""How much a tenant had in S3 over time: samples of its counted usage, few and bounded.

A sample belongs to the slot of `SLOT` seconds that it was taken in, and a later one of the same slot takes its place.
Who samples keeps only what changed (`gateway.tenants.sampling`), so between two samples the usage was the earlier
one's, and a tenant that rests costs nothing. At most `KEPT_FOR / SLOT` samples of a tenant are kept, and the last one
before them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.tenants.ledger import Usage

SLOT: Final = 900
"""Seconds of which the last sample stays."""

KEPT_FOR: Final = 35 * 86_400
"""Seconds that a sample is kept, at least: a month, and some days to look back at it."""

MOST: Final = KEPT_FOR // SLOT + 2
"""Samples that a tenant can have within `KEPT_FOR`, and the last one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSample:
    """What was counted for the tenant at a moment (seconds since the epoch)."""

    tenant: str
    at: float
    usage: Usage


class UsageHistory(Protocol):
    """May raise `StoreUnavailableError`; losing samples is no harm."""

    def keep(self, samples: Iterable[UsageSample]) -> None:
        """Keep these, each in its slot's place; what is older than `KEPT_FOR` gives way."""
        ...

    def since(self, tenant: str, at: float) -> tuple[UsageSample, ...]:
        """The tenant's samples from this moment on, oldest first, led by the last one before it where one is kept."""
        ...


def slot(at: float) -> int:
    """The number of the slot that a moment is in."""
    return int(at // SLOT)
