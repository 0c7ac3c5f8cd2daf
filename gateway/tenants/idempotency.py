"""Idempotency keys: the same key and the same request give the same answer for a day, also when both come at once.

            claim                         answer                      24 h after the claim
unknown ────────────────▶ being worked on ───────▶ answered ──────────▶ unknown
                            │   ▲ claim, LEASE after the last (the worker died)
                            └───┘
"""

from dataclasses import dataclass, field
from typing import Final, Protocol

LIFE: Final = 86_400.0
"""Seconds that a key is remembered for (contract, section 2)."""

LEASE: Final = 60.0
"""Seconds after which a claim that was never answered may be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The caller does the work and then answers; `token` proves that the claim is its own."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The work was done; this was the answer."""

    answer: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeingWorkedOn:
    """Another request with this key is at work; until it answers or `until` (seconds since the epoch)."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRequest:
    """The key was used for another request."""


Claim = Claimed | Answered | BeingWorkedOn | OtherRequest


class IdempotencyStore(Protocol):
    """Every verb may raise `StoreUnavailableError`."""

    def claim(self, scope: str, key: str, *, digest: str, token: str, now: float) -> Claim:
        """Take the key within the scope (a tenant and owner) for the request of this digest.

        `token` is fresh and unguessable, made by the caller.
        """
        ...

    def answer(self, scope: str, key: str, *, token: str, answer: bytes) -> bool:
        """Keep the answer (at most 300,000 bytes); False where the claim was lost to another by its lease."""
        ...

    def forget(self, scope: str, key: str, *, token: str) -> None:
        """Give the claim back, because the work failed in a way that may be tried again."""
        ...
