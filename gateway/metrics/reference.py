"""The reference page of the metrics, made from their table: `python -m gateway.metrics.reference > metrics.md`."""

import sys
from typing import Final

from gateway.metrics.families import FAMILIES, Family, Kind

_MANY: Final = 30
"""A label with more values is not listed out."""

_HEAD: Final = """# Metrics

`GET /metrics` says them in Prometheus' text format (0.0.4), those of all workers of a machine in one answer, whichever
worker gives it: counters and gauges are added up, and what a worker counted outlives it. Who may ask is a setting
([`operations.metrics`](settings.md#operations)): operators by their token, everybody, a listener apart, or nobody; in
the demo everybody. [How to watch the gateway](../how-to/watch.md) has alerts.

No label names a tenant, a caller or a file, and every label takes its values from a closed list, so that no client
can add a series. What a tenant has and does is told by [the admin API](admin-api.md) and
[the audit](../how-to/audit.md). Series that may be many are there once they have begun.

| metric | kind | labels | |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The page, in Markdown."""
    return _HEAD + "".join(map(_line, FAMILIES))


def _line(family: Family) -> str:
    labels = "<br>".join(_label(name, values) for name, values in family.labels.items())
    kind = f"{family.kind}, to {family.bounds[-1]:g} s" if family.kind is Kind.HISTOGRAM else str(family.kind)
    return f"| `{family.full_name}` | {kind} | {labels} | {family.help} |\n"


def _label(name: str, values: tuple[str, ...]) -> str:
    said = ", ".join(f"`{value}`" for value in values if value)
    return f"`{name}`: {said}" if len(values) <= _MANY else f"`{name}`: a [problem's](problems.md) code"


if __name__ == "__main__":
    sys.stdout.write(page())
