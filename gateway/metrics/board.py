"""Where the figures are kept: one cell a series and worker, in memory that all workers of a machine share.

A counter outlives the worker that counted, whose successor goes on in the same seat; a gauge is put back to 0.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
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


_BOUNDS: Final = known.DURATION.bounds


def _places(family: Family) -> Iterator[tuple[tuple[str, ...], int]]:
    """Each series' labels and its first cell."""
    first = OFFSETS[family.name]
    return ((values, first + number * family.width) for number, values in enumerate(family.series()))


def _single(family: Family) -> dict[str, int]:
    """The same of a family with one label, by its value."""
    return {values[0]: cell for values, cell in _places(family)}


class Instrument:
    """One family as a worker writes it: a counter, a gauge or a histogram by what its methods are called on."""

    __slots__ = ("_bounds", "_cells", "_known", "_lock", "_offset", "_sum")

    def __init__(self, family: Family, cells: "memoryview[float]", lock: threading.Lock) -> None:
        self._cells = cells
        self._lock = lock
        self._bounds = family.bounds
        self._sum = len(family.bounds) + 1
        self._known = tuple(frozenset(values) for values in family.labels.values())
        self._offset = dict(_places(family))

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


class Requests:
    """The figures of requests, which are written together and once a request: this is on everybody's way."""

    __slots__ = ("_cells", "_duration", "_lock", "_received", "_statuses", "_under_way")

    def __init__(self, cells: "memoryview[float]", lock: threading.Lock) -> None:
        self._cells = cells
        self._lock = lock
        self._under_way = _single(known.UNDER_WAY)
        self._received = _single(known.RECEIVED)
        self._duration = _single(known.DURATION)
        self._statuses = dict(_places(known.REQUESTS))

    def begin(self, resource: str) -> None:
        """A request to a listed resource has begun."""
        with self._lock:
            self._cells[self._under_way[resource]] += 1.0

    def receive(self, resource: str, size: int) -> None:
        """Bytes of its body were taken."""
        with self._lock:
            self._cells[self._received[resource]] += size

    def end(self, resource: str, status: str, seconds: float) -> None:
        """It has its answer, after so many seconds."""
        status_cell = self._statuses.get((resource, status))
        if status_cell is None:
            status_cell = self._statuses[resource, OTHER]
        duration = self._duration[resource]
        bucket, cells = duration + bisect_left(_BOUNDS, seconds), self._cells
        with self._lock:
            cells[self._under_way[resource]] -= 1.0
            cells[status_cell] += 1.0
            cells[bucket] += 1.0
            cells[duration + len(_BOUNDS) + 1] += seconds


class Metrics:
    """A worker's instruments, one for each family; any thread may use them, and none of them waits or raises."""

    def __init__(self, seats: Seats | None = None, number: int = 0) -> None:
        self.seats = seats or metrics_seats(1)
        cells, lock = self.seats.seat(number), threading.Lock()
        self.seats.clear(number, _GAUGES)

        def made(family: Family) -> Instrument:
            return Instrument(family, cells, lock)

        self.requests = Requests(cells, lock)
        self.problems = made(known.PROBLEMS)
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
