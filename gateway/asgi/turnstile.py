"""No tenant takes all of a machine: how many of its uploads go through all workers at once.

A limit of connections, not a rate: an upload is counted while its bytes pass. It is asked last, when the tenant is
known and everything else has been granted, so that strangers are nobody's; those are bounded by the HTTP front.

Workers see each other through shared memory (`gateway.seats`), a seat each. A tenant has one cell in each of two rows,
by a hash; what it has under way is at most the lesser of the two sums. So the bound is kept whatever tenants share a
cell, and one that shares both with a busy tenant (one of 268 million pairs) waits for that one, too. Two workers that
let somebody in at the same moment do not see each other: beyond the bound there may be one for each other worker.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final, Protocol

from gateway.policy.problems import Code, Refusal
from gateway.seats import Seats

MOST: Final = 512
"""Half of the connections that the HTTP front of a worker takes by default."""

ROWS: Final = 2
SLOTS: Final = 16_384
"""Cells of a row; all rows are 256 KiB a worker."""

TOO_MANY: Final = Refusal(
    code=Code.RATE_LIMITED,
    detail="The tenant has too many uploads under way at once; try again when some of them are over.",
    retry_after=1,
)


class Gauge(Protocol):
    """What is told of each that enters and leaves."""

    def add(self, *, amount: float) -> None:
        """Count."""
        ...


class Turnstile:
    """Counts uploads under way by tenant; lives on one event loop.

    `seats` are all workers', of whom this is number `number`; without them it counts for itself alone. `gauge` is told.
    """

    def __init__(
        self, most: int = MOST, *, seats: Seats | None = None, number: int = 0, gauge: Gauge | None = None
    ) -> None:
        self._most = most
        self._under_way: dict[str, int] = {}
        self._seats = seats if seats is not None and seats.count > 1 else None
        self._own = None if self._seats is None else self._seats.seat(number)
        self._gauge = gauge
        if self._seats is not None:
            self._seats.clear(number)

    def enter(self, tenant: str) -> bool:
        """Count one in, if there is room; who was let in must `leave`."""
        count = self._under_way.get(tenant, 0)
        if count >= self._most or not self._room_beside(tenant):
            return False
        self._under_way[tenant] = count + 1
        self._tell(tenant, 1.0)
        return True

    def leave(self, tenant: str) -> None:
        """Count one out."""
        count = self._under_way.pop(tenant) - 1
        if count:
            self._under_way[tenant] = count
        self._tell(tenant, -1.0)

    def _room_beside(self, tenant: str) -> bool:
        """Whether all workers together have room, their own among them."""
        if self._seats is None:
            return True
        return min(sum(self._seats.values(cell)) for cell in cells_of(tenant)) < self._most

    def _tell(self, tenant: str, amount: float) -> None:
        if self._own is not None:
            for cell in cells_of(tenant):
                self._own[cell] += amount
        if self._gauge is not None:
            self._gauge.add(amount=amount)


def shared_turnstile(workers: int) -> Seats:
    """Room for the counts of so many workers; made before they are forked."""
    return Seats(count=workers, cells=ROWS * SLOTS)


@lru_cache(maxsize=4_096)
def cells_of(tenant: str) -> tuple[int, ...]:
    """The tenant's cell in each row."""
    digest = blake2b(tenant.encode("utf-8", "surrogateescape"), digest_size=4 * ROWS).digest()
    parts = (digest[at : at + 4] for at in range(0, len(digest), 4))
    return tuple(row * SLOTS + int.from_bytes(part, "big") % SLOTS for row, part in enumerate(parts))
