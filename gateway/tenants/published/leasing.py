"""Shares of rates and quotas for functions that can't ask a store: made where documents are, and ended by a listing.

Every sandbox gets one of `instances` equal parts (`gateway.tenants.shares` says what that bounds). Of a quota, a part
of what is left is reserved for all of them in the ledger: a lease, whose id, size and end are in the tenant's document.
A new one is made when less than half of the last one's time is left; both are reserved then, so nothing is promised
twice. A lease lasts as long as its slowest transfer may; then the tenant's objects are listed, what was uploaded under
it is counted, and what was not spent comes back.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.policy.model import Policy, QuotaRule
from gateway.tenants.ledger import MARGIN, SLOWEST, Ledger, QuotaExceeded, Reservation
from gateway.tenants.published.contents import Lease, Share, published_share

PART_OF_THE_REST: Final = 4
"""A lease is at most one of so many parts of what is left, so that other backends find room beside it."""

_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRules:
    """`instances`: sandboxes that a share is made for. `lifetime` of a lease, in seconds."""

    instances: int
    lifetime: float = 7200.0


class Sharing(Protocol):
    """The shares that a publisher publishes, for its thread alone."""

    def remember(self, tenant: str, content: Mapping[str, Any]) -> None:
        """Go on with the share in the document that is published (empty: there is none)."""
        ...

    def share(self, policy: Policy | None) -> Share | None:
        """What the tenant's document says now; raises `StoreUnavailableError`."""
        ...

    def published(self, tenant: str) -> None:
        """The last share is in S3."""
        ...

    def is_due(self, tenant: str) -> bool:
        """Whether the tenant's share should be replaced."""
        ...


class NothingShared:
    """A `Sharing` of nothing: functions have a store, or refuse."""

    def remember(self, tenant: str, content: Mapping[str, Any]) -> None:
        """Nothing to go on with."""

    def share(self, policy: Policy | None) -> Share | None:
        """None."""
        del policy
        return None

    def published(self, tenant: str) -> None:
        """Nothing was."""

    def is_due(self, tenant: str) -> bool:
        """Never."""
        del tenant
        return False


class Leasing:
    """A `Sharing` whose leases are reserved in the ledger. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        ledger: Ledger,
        rules: LeaseRules,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str] = lambda: f"lease-{secrets.token_hex(12)}",
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._clock = clock
        self._new_id = new_id
        self._known: dict[str, Lease] = {}
        self._unpublished: dict[str, str] = {}

    def remember(self, tenant: str, content: Mapping[str, Any]) -> None:
        """Go on with the lease that is published; one that was made and isn't is given back."""
        share = published_share(content)
        lease = None if share is None else share.lease
        if lease is None:
            self._known.pop(tenant, None)
        else:
            self._known[tenant] = lease
        made = self._unpublished.pop(tenant, None)
        if made is not None and (lease is None or lease.id != made):
            self._ledger.release(tenant, made)

    def share(self, policy: Policy | None) -> Share | None:
        """A part of the rate for each sandbox, and of a quota the lease."""
        if policy is None:
            return None
        quota = policy.quota
        if quota == QuotaRule():
            self._known.pop(policy.tenant, None)
            return Share(instances=self._rules.instances)
        lease = self._known.get(policy.tenant)
        if lease is None or self._is_due(lease) or not _is_of(lease, quota):
            lease = self._known[policy.tenant] = self._made(policy.tenant, quota)
            self._unpublished[policy.tenant] = lease.id
        return Share(instances=self._rules.instances, lease=lease)

    def published(self, tenant: str) -> None:
        """The share is in S3."""
        self._unpublished.pop(tenant, None)

    def is_due(self, tenant: str) -> bool:
        """Whether the tenant's lease should be replaced."""
        lease = self._known.get(tenant)
        return lease is not None and self._is_due(lease)

    def _is_due(self, lease: Lease) -> bool:
        return lease.until - self._clock() < self._rules.lifetime / 2

    def _made(self, tenant: str, quota: QuotaRule) -> Lease:
        """A lease that is reserved; of nothing where others take what is left."""
        until, named = self._clock() + self._rules.lifetime, self._new_id()
        for _ in range(_TRIES):
            usage = self._ledger.usage(tenant)
            size = _part(quota.bytes, usage.bytes + usage.reserved_bytes)
            count = _part(quota.objects, usage.objects + usage.reserved_objects)
            slowest = (size or 0) / self._rules.instances / SLOWEST
            wanted = Reservation(
                id=named,
                tenant=tenant,
                key=f"{tenant}/",
                bytes=size or 0,
                objects=count or 0,
                expires_at=until + slowest + MARGIN,
            )
            if not isinstance(self._ledger.reserve(wanted, quota), QuotaExceeded):
                return Lease(id=named, bytes=size, objects=count, until=until)
        nothing = tuple(None if most is None else 0 for most in (quota.bytes, quota.objects))
        return Lease(id=named, bytes=nothing[0], objects=nothing[1], until=until)


def looking(
    look: Callable[[str], Awaitable[int | None]], relist: Callable[[str], Awaitable[object]] | None
) -> Callable[[str], Awaitable[int | None]]:
    """A look for `gateway.tenants.expiry` that knows leases: they stand under a prefix, which no object's key is.

    `relist` counts all that S3 holds of a tenant; without it a lease is not ended here (an `OSError`).
    """

    async def looked(key: str) -> int | None:
        if not key.endswith("/"):
            return await look(key)
        if relist is None:
            raise OSError("a lease ends by a listing, which is not made here")
        await relist(key.removesuffix("/"))
        return None

    return looked


def _is_of(lease: Lease, quota: QuotaRule) -> bool:
    return (lease.bytes is None, lease.objects is None) == (quota.bytes is None, quota.objects is None)


def _part(most: int | None, held: int) -> int | None:
    return None if most is None else max(0, most - held) // PART_OF_THE_REST
