"""What one sandbox has spent of the shares it was given: buckets and leases in memory, for where there is no store.

A document gives each of `instances` sandboxes an equal part of the tenant's rate, and of a lease: room that was
reserved for all of them together (`gateway.tenants.published.leasing`). Sandboxes know nothing of each other, so with
`m` of them at work

- a tenant gets at most `m / instances` of its rate, and at once `m` times the share of its burst, which is a token at
  least; a sandbox that is asked more than others refuses while others have tokens left;
- at most `m / instances` of a lease is spent. What is not spent comes back when the lease ends.

Nothing is given back before: nobody here learns what became of an upload. What can't be remembered is refused.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from gateway.policy.model import QuotaRule, RateRule
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.ledger import QuotaExceeded, Reservation, Reserved, StoredObject, Usage
from gateway.tenants.published.contents import Lease, Share
from gateway.tenants.rate import SECOND, Taken, Terms, TryLater

MOST: Final = 10_000
"""Buckets, and leases, that a sandbox remembers; a bucket that is full again and a lease that is over are forgotten."""


class SharedOut:
    """The buckets and leases of one sandbox; safe for threads. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._full_at: dict[str, int] = {}
        self._spent: dict[str, _Spent] = {}

    def rates(self, share: Share) -> "_Buckets":
        """Buckets of this share (`gateway.tenants.rate.RateBuckets`)."""
        return _Buckets(self, share)

    def ledger(self, share: Share) -> "_Leased":
        """Room in this share's lease (`gateway.tenants.ledger.Ledger`)."""
        return _Leased(self, share)

    def take(self, bucket: str, terms: Terms) -> Taken | TryLater:
        """One token of the bucket."""
        with self._lock:
            full = max(self._full_at.get(bucket, 0), terms.now)
            if full > terms.latest:
                return terms.later(full)
            if bucket not in self._full_at and not self._has_place(terms.now):
                return TryLater(seconds=terms.interval / SECOND)
            self._full_at[bucket] = full + terms.interval
            return terms.taken(full + terms.interval)

    def level(self, bucket: str, terms: Terms) -> Taken:
        """What is left, without taking."""
        with self._lock:
            return terms.taken(self._full_at.get(bucket, terms.now))

    def reserve(self, tenant: str, lease: Lease, share: Usage, wanted: Reservation) -> tuple[Usage, str | None]:
        """What was left of the sandbox's part before, and whether "bytes" or "objects" do not suffice."""
        now = self._clock()
        if now >= lease.until:
            raise StoreUnavailableError("the lease is over, and there is no newer one")
        with self._lock:
            spent = self._spent.get(tenant)
            if spent is None or spent.lease != lease.id:
                self._forget_leases(now, tenant)
                spent = self._spent[tenant] = _Spent(lease=lease.id, until=lease.until)
            left = Usage(bytes=share.bytes - spent.bytes, objects=share.objects - spent.objects)
            if lease.bytes is not None and wanted.bytes > left.bytes:
                return left, "bytes"
            if lease.objects is not None and wanted.objects > left.objects:
                return left, "objects"
            spent.bytes += wanted.bytes
            spent.objects += wanted.objects
            return left, None

    def _has_place(self, now: int) -> bool:
        if len(self._full_at) >= MOST:
            self._full_at = {bucket: full for bucket, full in self._full_at.items() if full > now}
        return len(self._full_at) < MOST

    def _forget_leases(self, now: float, tenant: str) -> None:
        if len(self._spent) >= MOST and tenant not in self._spent:
            self._spent = {name: spent for name, spent in self._spent.items() if spent.until > now}
            if len(self._spent) >= MOST:
                raise StoreUnavailableError("more tenants have leases than a sandbox remembers")


@dataclass(slots=True)
class _Spent:
    lease: str
    until: float
    bytes: int = 0
    objects: int = 0


class _Buckets:
    """A `RateBuckets` of one sandbox's part of each rate."""

    def __init__(self, shared: SharedOut, share: Share) -> None:
        self._shared = shared
        self._instances = share.instances

    def take(self, bucket: str, rule: RateRule, now: float) -> Taken | TryLater:
        """Take one token at `now`."""
        return self._shared.take(bucket, Terms.of(self._part(rule), now))

    def level(self, bucket: str, rule: RateRule, now: float) -> Taken:
        """What is left, without taking."""
        return self._shared.level(bucket, Terms.of(self._part(rule), now))

    def _part(self, rule: RateRule) -> RateRule:
        return replace(rule, per_second=rule.per_second / self._instances, burst=max(1, rule.burst // self._instances))


class _Leased:
    """A `Ledger` that only takes: usage as it says it is the quota without what is left of the sandbox's part."""

    def __init__(self, shared: SharedOut, share: Share) -> None:
        self._shared = shared
        self._share = share

    def reserve(self, reservation: Reservation, quota: QuotaRule) -> Reserved | QuotaExceeded:
        """Take of the lease's part; a tenant without a quota has no lease, and needs none."""
        lease = self._share.lease
        if quota == QuotaRule() or lease is None:
            return Reserved(usage=Usage())
        part = Usage(
            bytes=(lease.bytes or 0) // self._share.instances, objects=(lease.objects or 0) // self._share.instances
        )
        left, missing = self._shared.reserve(reservation.tenant, lease, part, reservation)
        if missing is not None:
            return QuotaExceeded(what=missing, usage=_beside(quota, left), due_at=lease.until)
        after = Usage(bytes=left.bytes - reservation.bytes, objects=left.objects - reservation.objects)
        return Reserved(usage=_beside(quota, after))

    def settle(self, _tenant: str, _reservation_id: str, _stored: StoredObject) -> Usage:
        """Nobody here learns what S3 stored."""
        return Usage()

    def release(self, _tenant: str, _reservation_id: str) -> bool:
        """Nothing is given back."""
        return False

    def due(self, _now: float, *, limit: int, tenant: str | None = None) -> tuple[Reservation, ...]:
        """Leases end where they were reserved."""
        del limit, tenant
        return ()

    def usage(self, _tenant: str) -> Usage:
        """Not known here."""
        return Usage()


def _beside(quota: QuotaRule, left: Usage) -> Usage:
    return Usage(
        reserved_bytes=0 if quota.bytes is None else quota.bytes - left.bytes,
        reserved_objects=0 if quota.objects is None else quota.objects - left.objects,
    )
