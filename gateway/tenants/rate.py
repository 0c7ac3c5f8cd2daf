"""Token buckets that are exact however many processes take from them.

A bucket is one number, the time at which it would be full again: the generic cell rate algorithm (ITU-T I.371, 1996)
in its virtual-scheduling form. A token is one interval of 1 / `per_second`; a full bucket gives `burst` of them at
once. Taking one is a single conditional update of that number, in whole nanoseconds, so that nothing is lost to
rounding and nobody reads before writing. A clock that goes back gives no tokens.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.policy.model import RateRule

SECOND: Final = 1_000_000_000
"""Nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A token was taken; so many are left, and in so many seconds the bucket is full if nobody takes."""

    left: int
    full_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLater:
    """The bucket is empty; in so many seconds there is a token."""

    seconds: float


class RateBuckets(Protocol):
    """May raise `StoreUnavailableError`."""

    def take(self, bucket: str, rule: RateRule, now: float) -> Taken | TryLater:
        """Take one token at `now` (seconds since the epoch)."""
        ...

    def level(self, bucket: str, rule: RateRule, now: float) -> Taken:
        """What is left, without taking."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A rule at a moment, in nanoseconds: one token's `interval`, `now`, the `latest` full time that still gives."""

    interval: int
    now: int
    latest: int

    @classmethod
    def of(cls, rule: RateRule, now: float) -> "Terms":
        """The rule's terms at `now` (seconds)."""
        interval = max(1, round(SECOND / rule.per_second))
        moment = round(now * SECOND)
        return cls(interval=interval, now=moment, latest=moment + (rule.burst - 1) * interval)

    def taken(self, full: int) -> Taken:
        """The answer when the bucket, after taking, is full at `full`."""
        return Taken(
            left=max(0, (self.latest + self.interval - max(full, self.now)) // self.interval),
            full_in=max(0, full - self.now) / SECOND,
        )

    def later(self, full: int) -> TryLater:
        """The answer when the bucket is full only at `full`, which is too late."""
        return TryLater(seconds=max(0, full - self.latest) / SECOND)


def bucket_of(rule: RateRule, tenant: str, issuer: str, subject: str) -> str:
    """The bucket that a caller's requests are taken from: the tenant's, or the subject's (unique within its issuer)."""
    if rule.per == "tenant":
        return tenant
    who = hashlib.sha256(f"{issuer}\n{subject}".encode("utf-8", "surrogatepass"))
    return f"{tenant}#{who.hexdigest()[:32]}"
