"""Rates and quotas at the edge: by the gateway's own table, or by shares that the documents give each sandbox.

Which of the two is the operator's choice (`edge_auth.settings.Throttle`); without either a tenant that has a rate or a
quota is refused (`gateway.admission`). Tenants that have neither are counted by nobody here: what they upload is found
by comparing with S3 (`gateway.tenants.reconcile`). Nobody of ours sees S3's answer, so what is reserved in the table
ends as with presigned URLs: when its time is over, by what S3 holds (`gateway.tenants.expiry`).
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from gateway.allowance import Allowance
from gateway.policy.grant import Grant
from gateway.policy.model import QuotaRule
from gateway.policy.problems import Code, Refusal
from gateway.room import NO_ROOM_NEEDED, STORE_UNAVAILABLE, Allows, Along, Caller, Room
from gateway.tenants.dynamodb.direct import DirectDynamoDb
from gateway.tenants.dynamodb.ledger import DynamoLedger
from gateway.tenants.dynamodb.rate import DynamoRateBuckets
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.published.contents import Share
from gateway.tenants.shares import SharedOut

Result = TypeVar("Result")

_NO_SHARE = Refusal(
    code=Code.BACKEND_NOT_ALLOWED,
    detail="The tenant has a quota or a rate, and this backend was given no share of it; use another backend.",
)


class Shares(Protocol):
    """Knows what a sandbox was given (`edge_auth.knowledge.Knowledge`)."""

    def share(self, tenant: str) -> Share | None:
        """The tenant's share; raises `StoreUnavailableError`."""
        ...


class Throttles(Protocol):
    """Makes the `Allows` of one decision."""

    def deciding(self, shares: Shares, until: float) -> Allows:
        """For a decision by these documents that is over at `until` (monotonic)."""
        ...


class ByTable:
    """Exact: the gateway's ledger in its home Region, and buckets of rates there or nearer."""

    def __init__(self, table: str, *, home: DirectDynamoDb, rates: DirectDynamoDb, clock: Callable[[], float]) -> None:
        self._table = table
        self._home = home
        self._rates = rates
        self._clock = clock

    def deciding(self, shares: Shares, until: float) -> Allows:
        """Every question to the table is over in time, or answered with `503`."""
        del shares
        return _OfLimited(
            Allowance(
                rates=DynamoRateBuckets(Table(self._rates.until(until), self._table)),
                ledger=DynamoLedger(Table(self._home.until(until), self._table)),
                aside=here,
                clock=self._clock,
            )
        )

    def close(self) -> None:
        """Close the connections that are kept."""
        self._home.close()
        self._rates.close()


class ByShares:
    """Bounded: what this sandbox has spent, against its share of what the tenant's document gives."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spent = SharedOut(clock)

    def deciding(self, shares: Shares, until: float) -> Allows:
        """Nobody is asked but the document."""
        del until
        return _OfLimited(_Shared(shares, self._spent, self._clock))


async def here(call: Callable[[], Result]) -> Result:
    """An `Aside` for who has no event loop: the call, as it is."""
    return call()


class _Shared:
    """An `Allows` by the share that the tenant's document gives."""

    def __init__(self, shares: Shares, spent: SharedOut, clock: Callable[[], float]) -> None:
        self._shares = shares
        self._spent = spent
        self._clock = clock

    async def take(
        self,
        caller: Caller,
        grant: Grant,
        *,
        reservation: str | None = None,
        until: float | None = None,
        along: Along | None = None,
    ) -> Room | Refusal:
        del reservation, until, along  # an edge function keeps no list
        return self.take_sync(caller, grant)

    def take_sync(self, caller: Caller, grant: Grant) -> Room | Refusal:
        allowance = self._allowance(caller)
        return allowance if isinstance(allowance, Refusal) else allowance.take_sync(caller, grant)

    async def pace(self, caller: Caller) -> Refusal | None:
        allowance = self._allowance(caller)
        return allowance if isinstance(allowance, Refusal) else await allowance.pace(caller)

    def _allowance(self, caller: Caller) -> Allowance | Refusal:
        policy = caller.policy
        try:
            share = self._shares.share(policy.tenant)
        except StoreUnavailableError:
            return STORE_UNAVAILABLE
        if share is None or (policy.quota != QuotaRule() and share.lease is None):
            return _NO_SHARE
        return Allowance(
            rates=self._spent.rates(share), ledger=self._spent.ledger(share), aside=here, clock=self._clock
        )


class _OfLimited:
    """An `Allows` that asks another one about tenants that have a rate or a quota alone."""

    def __init__(self, limited: Allows) -> None:
        self._limited = limited

    async def take(
        self,
        caller: Caller,
        grant: Grant,
        *,
        reservation: str | None = None,
        until: float | None = None,
        along: Along | None = None,
    ) -> Room | Refusal:
        if not _is_limited(caller):
            return NO_ROOM_NEEDED
        return await self._limited.take(caller, grant, reservation=reservation, until=until, along=along)

    def take_sync(self, caller: Caller, grant: Grant) -> Room | Refusal:
        return self._limited.take_sync(caller, grant) if _is_limited(caller) else NO_ROOM_NEEDED

    async def pace(self, caller: Caller) -> Refusal | None:
        return await self._limited.pace(caller) if _is_limited(caller) else None


def _is_limited(caller: Caller) -> bool:
    return caller.policy.rate is not None or caller.policy.quota != QuotaRule()
