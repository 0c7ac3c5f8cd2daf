"""Where the figures are kept: one cell a series and worker, in memory that all workers of a machine share.

A counter outlives the worker that counted, whose successor goes on in the same seat; a gauge is put back to 0.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from gateway.metrics import families as known
from gateway.metrics.families import FAMILIES, OTHER, Family, Kind
from gateway.seats import Seats

CELLS: Final = sum(family.cells for family in FAMILIES)
"""Cells of a seat."""

OFFSETS: Final[Mapping[str, int]] = dict(
    zip(
        (family.name for family in FAMILIES),
        accumulate((family.cells for family in FAMILIES[:-1]), initial=0),
        strict=True,
    )
)
"""The first cell of each family, by its name."""

_GAUGES: Final = tuple(
    OFFSETS[family.name] + cell for family in FAMILIES if family.kind is Kind.GAUGE for cell in range(family.cells)
)


class Instrument:
    """One family as a worker writes it: a counter, a gauge or a histogram by what its methods are called on."""

    __slots__ = ("_bounds", "_cells", "_known", "_lock", "_offset", "_sum")

    def __init__(self, family: Family, cells: "memoryview[float]", lock: threading.Lock) -> None:
        self._cells = cells
        self._lock = lock
        self._bounds = family.bounds
        self._sum = len(family.bounds) + 1
        self._known = tuple(frozenset(values) for values in family.labels.values())
        self._offset: dict[tuple[str, ...], int] = {
            values: OFFSETS[family.name] + number * family.width for number, values in enumerate(family.series())
        }

    def add(self, *values: str, amount: float = 1.0) -> None:
        """Count; a value that its label does not list is counted as `other`."""
        cell = self._offset.get(values)
        if cell is None:
            cell = self._offset[self._listed(values)]
        with self._lock:  # a thread may count too, and an addition is a read and a write
            self._cells[cell] += amount

    def set(self, value: float, *values: str) -> None:
        """Say what a gauge is now."""
        self._cells[self._offset[values]] = value

    def observe(self, seconds: float, *values: str) -> None:
        """Count into a histogram's bucket, the first whose bound is not less."""
        cell = self._offset.get(values)
        if cell is None:
            cell = self._offset[self._listed(values)]
        bucket = cell + bisect_left(self._bounds, seconds)
        with self._lock:
            self._cells[bucket] += 1.0
            self._cells[cell + self._sum] += seconds

    def _listed(self, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value if value in listed else OTHER for value, listed in zip(values, self._known, strict=True))


class Metrics:
    """A worker's instruments, one for each family; any thread may use them, and none of them waits or raises."""

    def __init__(self, seats: Seats | None = None, number: int = 0) -> None:
        self.seats = seats or metrics_seats(1)
        cells, lock = self.seats.seat(number), threading.Lock()
        self.seats.clear(number, _GAUGES)

        def made(family: Family) -> Instrument:
            return Instrument(family, cells, lock)

        self.requests = made(known.REQUESTS)
        self.problems = made(known.PROBLEMS)
        self.under_way = made(known.UNDER_WAY)
        self.duration = made(known.DURATION)
        self.received = made(known.RECEIVED)
        self.front = made(known.FRONT)
        self.connections = made(known.CONNECTIONS)
        self.uploads = made(known.UPLOADS)
        self.decisions = made(known.DECISIONS)
        self.s3_requests = made(known.S3_REQUESTS)
        self.s3_seconds = made(known.S3_SECONDS)
        self.policy = made(known.POLICY)
        self.jwks = made(known.JWKS)
        self.jwks_seconds = made(known.JWKS_SECONDS)
        self.audit_waiting = made(known.AUDIT_WAITING)
        self.audit_lost = made(known.AUDIT_LOST)
        self.lag = made(known.LAG)
        self.workers = made(known.WORKERS)
        self.starts = made(known.STARTS)
        self.cpu = made(known.CPU)
        self.memory = made(known.MEMORY)
        self.descriptors = made(known.DESCRIPTORS)


def metrics_seats(workers: int) -> Seats:
    """Room for the figures of so many workers; made before they are forked."""
    return Seats(count=workers, cells=CELLS)


def vacated(seats: Seats, number: int) -> None:
    """A worker is gone: what it had under way is no more, what it counted stays."""
    seats.clear(number, _GAUGES)
