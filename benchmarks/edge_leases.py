"""How well shares hold a tenant at an edge of many sandboxes: the function's own code, under skewed load. A simulation.

    .venv/bin/python benchmarks/edge_leases.py [--svg docs/decisions/0904-shares.svg]

A tenant may do 200 uploads a second (burst 200) and is offered three times as much for a minute, through sandboxes that
are asked alike, or the busiest most (Zipf's law). Its document was made for half as many sandboxes as there are, as
many, or twice as many. What decides is `gateway.tenants.shares` as it ships, on a clock of its own. What is said:
admitted against the budget of rate and burst; and spent of a lease of a quota, offered three times over.
"""

import argparse
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.policy.model import QuotaRule, RateRule
from gateway.tenants.ledger import Reservation, Reserved
from gateway.tenants.published.contents import Lease, Share
from gateway.tenants.rate import Taken
from gateway.tenants.shares import SharedOut

RULE: Final = RateRule(per_second=200.0, burst=200)
SECONDS: Final = 60.0
OFFERED: Final = 3.0
SANDBOXES: Final = (5, 20, 100, 400)
MEANT: Final = {"made for half": 0.5, "made for as many": 1.0, "made for twice": 2.0}
LEASE: Final = 1 << 34
QUOTA: Final = QuotaRule(bytes=1 << 40, objects=None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Parts of one: of the rate's budget that was admitted, of the lease that was spent."""

    rate: float
    lease: float


def arrivals(count: int, skew: float, chance: random.Random) -> list[tuple[float, int]]:
    """When, and at which sandbox: a Poisson process whose sandboxes have weights by Zipf's law."""
    weights = [1 / (place + 1) ** skew for place in range(count)]
    times, now = [], 0.0
    while now < SECONDS:
        times.append(now)
        now += chance.expovariate(RULE.per_second * OFFERED)
    return list(zip(times, chance.choices(range(count), weights, k=len(times)), strict=True))


def simulate(count: int, share: Share, skew: float, seed: int = 1) -> Outcome:
    """A minute of load on so many sandboxes that have this share."""
    now = [0.0]
    sandboxes = [SharedOut(lambda: now[0]) for _ in range(count)]
    events = arrivals(count, skew, random.Random(seed))
    size = round(OFFERED * LEASE / len(events))
    admitted = spent = 0
    for number, (at, place) in enumerate(events):
        now[0] = at
        admitted += isinstance(sandboxes[place].rates(share).take("acme", RULE, at), Taken)
        wanted = Reservation(id=str(number), tenant="acme", key=f"acme/{number}", bytes=size, expires_at=at)
        spent += isinstance(sandboxes[place].ledger(share).reserve(wanted, QUOTA), Reserved)
    return Outcome(admitted / (RULE.burst + RULE.per_second * SECONDS), spent * size / LEASE)


def rows() -> list[tuple[str, list[Outcome]]]:
    """For each way, and each number of sandboxes."""
    result = []
    for load, skew in (("alike", 0.0), ("Zipf", 1.0)):
        for meant, factor in MEANT.items():
            outcomes = []
            for count in SANDBOXES:
                lease = Lease(id="l", bytes=LEASE, objects=None, until=SECONDS + 1)
                outcomes.append(simulate(count, Share(instances=math.ceil(count * factor), lease=lease), skew))
            result.append((f"{load}, {meant}", outcomes))
    return result


def svg(table: list[tuple[str, list[Outcome]]]) -> str:
    """A bar for each way and number of sandboxes, against the line of the budget."""
    width, height, left, scale = 900, 360, 60, 150
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 60}" font-family="sans-serif">']
    lines.append('<rect width="100%" height="100%" fill="white"/>')
    group = (width - left) / len(table)
    for place, (name, outcomes) in enumerate(table):
        for bar, outcome in enumerate(outcomes):
            x, tall = left + place * group + bar * group / 5, outcome.rate * scale
            lines.append(
                f'<rect x="{x:.0f}" y="{height - tall:.0f}" width="{group / 6:.0f}" height="{tall:.0f}" '
                f'fill="hsl(210 60% {75 - 15 * bar}%)"><title>{SANDBOXES[bar]} sandboxes: {outcome.rate:.1%}</title>'
                "</rect>"
            )
        lines.append(f'<text x="{left + place * group:.0f}" y="{height + 18}" font-size="11">{name}</text>')
    for most, said, colour in ((1, "budget", "crimson"), (2, "bound", "gray")):
        y = height - most * scale
        lines.append(f'<line x1="{left}" x2="{width}" y1="{y}" y2="{y}" stroke="{colour}"/>')
        lines.append(f'<text x="4" y="{y + 4}" font-size="13">{said}</text>')
    named = ", ".join(map(str, SANDBOXES))
    lines.append(f'<text x="{left}" y="{height + 42}" font-size="13">bars: {named} sandboxes; offered: 3 times</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    table = rows()
    print("| rate admitted (lease spent) | " + " | ".join(f"{n} sandboxes" for n in SANDBOXES) + " |")
    print("| --- |" + " --: |" * len(SANDBOXES))
    for name, outcomes in table:
        print(f"| {name} | " + " | ".join(f"{each.rate:.1%} ({each.lease:.1%})" for each in outcomes) + " |")
    if options.svg:
        options.svg.write_text(svg(table))


if __name__ == "__main__":
    main()
