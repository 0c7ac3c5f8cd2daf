"""The end of reservations that nobody ended: S3 is looked at, and what is there is counted.

Every URL that was given out ends here, and so does whatever a killed process left. Run it as often as room should come
back; any number may run at once, since ending a reservation twice ends it once.
"""

from collections.abc import Awaitable, Callable

from gateway.tenants.aside import Aside
from gateway.tenants.ledger import Ledger, Reservation, StoredObject


async def settle_due(
    ledger: Ledger,
    look: Callable[[str], Awaitable[int | None]],
    aside: Aside,
    *,
    clock: Callable[[], float],
    limit: int = 100,
    tenant: str | None = None,
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
        ended += 1
    if silent is not None:
        raise silent
    return ended


def _ending(ledger: Ledger, reservation: Reservation, size: int | None, began: float) -> Callable[[], object]:
    """The verb that ends this reservation by what S3 holds."""
    if size is None:
        return lambda: ledger.release(reservation.tenant, reservation.id)
    stored = StoredObject(key=reservation.key, bytes=size, seen_at=began)
    return lambda: ledger.settle(reservation.tenant, reservation.id, stored)
