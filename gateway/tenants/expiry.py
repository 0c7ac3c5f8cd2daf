"""The end of reservations that nobody ended: S3 is looked at, and what is there is counted.

Every URL that was given out ends here, and so does whatever a killed process left. Run it as often as room should come
back; any number may run at once, since ending a reservation twice ends it once.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.tenants.aside import Aside
from gateway.tenants.ledger import Ledger, Reservation, StoredObject

Told = Callable[[Reservation, int | None], None]
"""Learns of each reservation that was ended, and how many bytes S3 holds under its key (None: no object)."""


def nobody(_reservation: Reservation, _size: int | None) -> None:
    """Nobody wants to know."""


async def settle_due(
    ledger: Ledger,
    look: Callable[[str], Awaitable[int | None]],
    aside: Aside,
    *,
    clock: Callable[[], float],
    limit: int = 100,
    tenant: str | None = None,
    told: Told = nobody,
) -> int:
    """End at most `limit` reservations whose time is over, of one tenant or of all; how many.

    One that S3 does not answer about stays for the next run; the error is raised when all others are done.
    """
    due = await aside(lambda: ledger.due(clock(), limit=limit, tenant=tenant))
    silent: OSError | None = None
    ended = 0
    for reservation in due:
        began = clock()
        try:
            size = await look(reservation.key)
        except OSError as error:
            silent = error
            continue
        await aside(_ending(ledger, reservation, size, began))
        told(reservation, size)
        ended += 1
    if silent is not None:
        raise silent
    return ended


class DueSettlement:
    """`settle_due` for one tenant, in its caller's time: for a request that there is no room for, although some is due.

    Those who ask for the same tenant meanwhile share one look, so that refused requests can't multiply into questions
    to S3. It lives on one event loop.
    """

    def __init__(
        self,
        ledger: Ledger,
        look: Callable[[str], Awaitable[int | None]],
        aside: Aside,
        *,
        clock: Callable[[], float],
        told: Told = nobody,
    ) -> None:
        self._ledger = ledger
        self._look = look
        self._aside = aside
        self._clock = clock
        self._told = told
        self._looking: dict[str, asyncio.Task[int]] = {}

    async def __call__(self, tenant: str) -> int:
        """End the tenant's reservations that are due, some of them if they are many; how many. May raise OSError."""
        looking = self._looking.get(tenant)
        if looking is None:
            work = settle_due(self._ledger, self._look, self._aside, clock=self._clock, tenant=tenant, told=self._told)
            looking = self._looking[tenant] = asyncio.ensure_future(work)
            looking.add_done_callback(lambda done: self._looked(tenant, done))
        return await asyncio.shield(looking)  # whoever gives up takes the answer from nobody else

    def _looked(self, tenant: str, done: "asyncio.Task[int]") -> None:
        del self._looking[tenant]
        if not done.cancelled():
            done.exception()  # seen, also if nobody waits any more


def _ending(ledger: Ledger, reservation: Reservation, size: int | None, began: float) -> Callable[[], object]:
    """The verb that ends this reservation by what S3 holds."""
    if size is None:
        return lambda: ledger.release(reservation.tenant, reservation.id)
    stored = StoredObject(key=reservation.key, bytes=size, seen_at=began)
    return lambda: ledger.settle(reservation.tenant, reservation.id, stored)
