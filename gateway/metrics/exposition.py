"""The figures as Prometheus reads them: its text format 0.0.4 ("Exposition formats"), all workers in one answer."""

from collections.abc import Iterator
from typing import Final

from gateway.metrics.board import OFFSETS
from gateway.metrics.families import FAMILIES, Family, Kind
from gateway.seats import Seats

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ALWAYS: Final = 16
"""Counters and gauges of at most so many series are told with their zeros; of the others only what has begun."""


def exposition(seats: Seats) -> bytes:
    """Every family, the workers' cells taken together."""
    lines = (line for family in FAMILIES for line in _family(family, seats))
    return ("\n".join(lines) + "\n").encode()


def _family(family: Family, seats: Seats) -> Iterator[str]:
    yield f"# HELP {family.full_name} {family.help}"
    yield f"# TYPE {family.full_name} {family.kind}"
    few = family.cells <= _ALWAYS
    for number, values in enumerate(family.series()):
        first = OFFSETS[family.name] + number * family.width
        cells = [_together(family, seats, first + cell) for cell in range(family.width)]
        if few or any(cells):
            yield from _series(family, dict(zip(family.labels, values, strict=True)), cells)


def _together(family: Family, seats: Seats, cell: int) -> float:
    values = seats.values(cell)
    return max(values) if family.most else sum(values)


def _series(family: Family, labels: dict[str, str], cells: list[float]) -> Iterator[str]:
    name = family.full_name
    if family.kind is not Kind.HISTOGRAM:
        yield f"{name}{_labels(labels)} {_number(cells[0])}"
        return
    count = 0.0
    for bound, cell in zip((*map(_number, family.bounds), "+Inf"), cells, strict=False):
        count += cell
        yield f"{name}_bucket{_labels({**labels, 'le': bound})} {_number(count)}"
    yield f"{name}_sum{_labels(labels)} {_number(cells[-1])}"
    yield f"{name}_count{_labels(labels)} {_number(count)}"


def _labels(labels: dict[str, str]) -> str:
    """In braces; the values are of closed lists and have nothing to escape."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
