"""Is there room: the tenant's rate and quota, taken together before anything is allowed to move.

Owns the two last refusals of the order and the `RateLimit` headers that say what is left. A token of the rate and room
for the full size are taken in one step of the store; what became of the upload is told to the `Room`, or found out by
looking at S3 when the reservation's time is over (`gateway.tenants.expiry`), whatever process that happens in.
"""

import math
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from gateway.policy.grant import Grant
from gateway.policy.model import Backend, Policy, QuotaRule
from gateway.policy.problems import Code, Refusal
from gateway.room import NO_ROOM_NEEDED, STORE_UNAVAILABLE, Along, Caller, Room
from gateway.tenants.aside import Aside
from gateway.tenants.ledger import MARGIN, SLOWEST, Ledger, QuotaExceeded, Reservation, StoredObject, Usage
from gateway.tenants.limits import limits
from gateway.tenants.rate import RateBuckets, Taken, TryLater, bucket_of

__all__ = [
    "MARGIN",
    "NO_ROOM_NEEDED",
    "SLOWEST",
    "STORE_UNAVAILABLE",
    "Allowance",
    "Caller",
    "Room",
    "over_by",
]

_TRIES: Final = 3
"""How often what is left of a quota is asked for, while others take of it."""


SettleDue = Callable[[str], Awaitable[object]]
"""Ends a tenant's reservations that are due by what S3 holds (`gateway.tenants.expiry`); may raise OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A reservation that is wanted whole, or of as many bytes as are left but not fewer than `least`."""

    reservation: Reservation
    least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _NoRoom:
    """A reservation that did not fit, after the rate had given its token."""

    wanted: _Wanted
    left: Taken | None
    exceeded: QuotaExceeded

    def due(self, now: float) -> bool:
        """Whether a look at S3 could make room."""
        return self.exceeded.due_at is not None and self.exceeded.due_at <= now


class Allowance:
    """Takes tokens and room from the stores; `clock` gives seconds since the epoch, `new_id` unique ids.

    With `settle_due`, room that is due is looked for before a quota refuses; without it, a sweeper's next run is.
    """

    def __init__(
        self,
        *,
        rates: RateBuckets,
        ledger: Ledger,
        aside: Aside,
        clock: Callable[[], float],
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
        settle_due: SettleDue | None = None,
    ) -> None:
        self._rates = rates
        self._ledger = ledger
        self._aside = aside
        self._clock = clock
        self._new_id = new_id
        self._settle_due = settle_due

    async def take(
        self,
        caller: Caller,
        grant: Grant,
        *,
        reservation: str | None = None,
        until: float | None = None,
        along: Along | None = None,
    ) -> Room | Refusal:
        """A token and room for the grant, or which of the two there is not.

        Where the grant's size is a range, what is left of a quota will do if it is in that range. `reservation` names
        the room (else a fresh id does), `until` is when the upload ends, where that is not said by the grant (seconds
        since the epoch). `along` is written to the same stores in the same step once there is room.
        """
        try:
            taken = await self._aside(lambda: self._along(self._taken(caller, grant, reservation, until), along))
            if isinstance(taken, _NoRoom) and taken.due(self._clock()):
                taken = await self._after_a_look(caller, taken, along)
        except OSError:
            return STORE_UNAVAILABLE
        return self._said(caller, taken)

    async def _after_a_look(self, caller: Caller, refused: _NoRoom, along: Along | None) -> "_Held | _NoRoom | Refusal":
        """The same reservation once more, when what is due has been settled; the token that was taken counts."""
        if self._settle_due is None:
            return refused
        with suppress(OSError):  # S3 may be silent about one of several
            await self._settle_due(refused.wanted.reservation.tenant)
        return await self._aside(lambda: self._along(self._reserved(caller, refused.wanted, refused.left), along))

    def _along(self, taken: "_Held | _NoRoom | Refusal", along: Along | None) -> "_Held | _NoRoom | Refusal":
        """What goes with the room is written, too, or there is no room."""
        if along is None or not isinstance(taken, _Held):
            return taken
        try:
            along(taken.bytes)
        except OSError:
            with suppress(OSError):  # one that can't be given back now ends in time
                self._ledger.release(taken.reservation.tenant, taken.reservation.id)
            raise
        return taken

    def take_sync(self, caller: Caller, grant: Grant) -> Room | Refusal:
        """The same, in this thread, which asks S3 nothing."""
        try:
            return self._said(caller, self._taken(caller, grant))
        except OSError:
            return STORE_UNAVAILABLE

    def _said(self, caller: Caller, taken: "_Held | _NoRoom | Refusal") -> Room | Refusal:
        return _quota_exceeded(caller.policy, taken, self._clock()) if isinstance(taken, _NoRoom) else taken

    async def pace(self, caller: Caller) -> Refusal | None:
        """A token of the rate alone, for a call that stores nothing of its own."""
        try:
            paced = await self._aside(lambda: self._paced(caller, self._clock()))
        except OSError:
            return STORE_UNAVAILABLE
        if isinstance(paced, Refusal):
            return paced
        if paced is not None:
            caller.limits.update(limits(caller.policy, rate=paced))
        return None

    def _taken(
        self, caller: Caller, grant: Grant, named: str | None = None, until: float | None = None
    ) -> "_Held | _NoRoom | Refusal":
        now = self._clock()
        left = self._paced(caller, now)
        if isinstance(left, Refusal):
            return left
        reservation = Reservation(
            id=named or self._new_id(),
            tenant=grant.tenant,
            key=grant.key,
            bytes=grant.size,
            expires_at=over_by(grant, now) if until is None else until + MARGIN,
        )
        return self._reserved(caller, _Wanted(reservation=reservation, least=max(1, grant.least)), left)

    def _paced(self, caller: Caller, now: float) -> Taken | Refusal | None:
        """A token, or when there is one; None where the tenant has no rate."""
        rate, principal = caller.policy.rate, caller.principal
        if rate is None:
            return None
        bucket = bucket_of(rate, caller.policy.tenant, principal.issuer, principal.subject)
        taken = self._rates.take(bucket, rate, now)
        if isinstance(taken, TryLater):
            return _rate_limited(caller.policy, taken)
        return taken

    def _reserved(self, caller: Caller, wanted: _Wanted, left: Taken | None) -> "_Held | _NoRoom":
        kept = self._kept(wanted, caller.policy.quota, _TRIES)
        if isinstance(kept, QuotaExceeded):
            if left is not None:
                caller.limits.update(limits(caller.policy, rate=left))
            return _NoRoom(wanted=wanted, left=left, exceeded=kept)
        reservation, usage = kept
        headers = limits(caller.policy, rate=left, usage=usage)
        caller.limits.update(headers)
        return _Held(
            reservation=reservation, headers=headers, ledger=self._ledger, aside=self._aside, clock=self._clock
        )

    def _kept(self, wanted: _Wanted, quota: QuotaRule, tries: int) -> tuple[Reservation, Usage] | QuotaExceeded:
        """The reservation that there is room for: of the whole, or of what is left if that is enough.

        What is left was said with the refusal, so asking again for exactly that is refused only if others took of it.
        """
        reservation = wanted.reservation
        outcome = self._ledger.reserve(reservation, quota)
        if not isinstance(outcome, QuotaExceeded):
            return reservation, outcome.usage
        rest = 0 if quota.bytes is None else quota.bytes - outcome.usage.bytes - outcome.usage.reserved_bytes
        if not tries or outcome.what != "bytes" or not wanted.least <= rest < reservation.bytes:
            return outcome
        return self._kept(replace(wanted, reservation=replace(reservation, bytes=rest)), quota, tries - 1)


def over_by(grant: Grant, now: float) -> float:
    """When an upload that begins as late as it may is over, at the slowest (seconds since the epoch)."""
    lifetime = grant.url_lifetime if grant.backend is Backend.PRESIGNED else 0
    return now + lifetime + grant.size / SLOWEST + MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A reservation that is kept until somebody says what became of it, or its time is over."""

    reservation: Reservation
    headers: tuple[tuple[str, str], ...]
    ledger: Ledger
    aside: Aside
    clock: Callable[[], float]

    @property
    def id(self) -> str:
        return self.reservation.id

    @property
    def bytes(self) -> int:
        return self.reservation.bytes

    async def stored(self) -> None:
        # As of now, not of when it began: of two uploads to one key the one that S3 stored last is what is there.
        kept, now = self.reservation, self.clock()
        stored = StoredObject(key=kept.key, bytes=kept.bytes, seen_at=now)
        await self._end(lambda: self.ledger.settle(kept.tenant, kept.id, stored))

    async def released(self, because: Code | None = None) -> None:
        del because
        kept = self.reservation
        await self._end(lambda: self.ledger.release(kept.tenant, kept.id))

    async def _end(self, verb: Callable[[], object]) -> None:
        """A store that does not answer now is told later, when the reservation's time is over."""
        try:
            await self.aside(verb)
        except OSError:
            return


def _rate_limited(policy: Policy, later: TryLater) -> Refusal:
    seconds = max(1, math.ceil(later.seconds))
    return Refusal(
        code=Code.RATE_LIMITED,
        detail=f"The tenant's rate is used up; try again in {seconds} s.",
        retry_after=seconds,
        headers=limits(policy, rate=later),
    )


def _quota_exceeded(policy: Policy, refused: _NoRoom, now: float) -> Refusal:
    exceeded, usage = refused.exceeded, refused.exceeded.usage
    if exceeded.what == "bytes":
        most, held = policy.quota.bytes, usage.bytes + usage.reserved_bytes
    else:
        most, held = policy.quota.objects, usage.objects + usage.reserved_objects
    left = max(0, (most or 0) - held)
    return Refusal(
        code=Code.QUOTA_EXCEEDED,
        detail=f"The tenant may hold {most} {exceeded.what} and has {left} left, unfinished uploads counted.",
        limit=most,
        retry_after=None if exceeded.due_at is None else max(1, math.ceil(exceeded.due_at - now)),
        headers=limits(policy, rate=refused.left, usage=usage),
    )
