"""How well a rate holds at an edge of many sandboxes: the budget divided, and leased in shares. A simulation.

    .venv/bin/python benchmarks/edge_leases.py [--svg docs/decisions/0904-leases.svg]

A tenant may do 200 uploads a second (burst 200) and is offered three times as much, for a minute, through sandboxes of
which the busiest gets most (Zipf's law). "Divided": each sandbox has its part of the rate. "Leased": a sandbox takes
some tokens from the shared bucket at once, spends them, and loses what is left after two seconds; while the bucket is
empty it asks again after 50 ms. What is said: admitted against the budget, and updates of the shared bucket an upload.
"""

import argparse
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

RATE: Final = 200.0
BURST: Final = 200.0
OFFERED: Final = 3.0
SECONDS: Final = 60.0
STEP: Final = 0.005
LEASE_SECONDS: Final = 2.0
PAUSE: Final = 0.05
SANDBOXES: Final = (5, 20, 100, 400)
SHARES: Final = (1, 5, 20, 80)


@dataclass(slots=True)
class Bucket:
    """A token bucket; `updates` counts the questions."""

    rate: float
    burst: float
    level: float
    at: float = 0.0
    updates: int = 0

    def take(self, wanted: float, now: float) -> float:
        """All that is wanted, or nothing."""
        self.updates += 1
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < wanted:
            return 0.0
        self.level -= wanted
        return wanted


class Sandbox(Protocol):
    """Decides about one upload."""

    def admits(self, now: float) -> bool:
        """Whether it may happen now."""
        ...


@dataclass(slots=True)
class Divided:
    """A part of the rate for each, whoever is busy."""

    own: Bucket

    def admits(self, now: float) -> bool:
        """By its own part."""
        return self.own.take(1.0, now) > 0


@dataclass(slots=True)
class Leased:
    """Tokens taken from the shared bucket, some at a time."""

    shared: Bucket
    share: int
    left: float = 0.0
    until: float = field(default=-math.inf)
    ask_at: float = 0.0

    def admits(self, now: float) -> bool:
        """By what it has taken, or takes now."""
        if self.left < 1 or now >= self.until:
            if now < self.ask_at:
                return False
            self.left, self.until = self.shared.take(self.share, now), now + LEASE_SECONDS
            if self.left < 1:
                self.ask_at = now + PAUSE
                return False
        self.left -= 1
        return True


def simulate(sandboxes: list[Sandbox], chance: random.Random) -> int:
    """Uploads that were admitted in a minute of skewed load."""
    weights = [1 / (place + 1) for place in range(len(sandboxes))]
    scale = RATE * OFFERED * STEP / sum(weights)
    admitted = 0
    for step in range(round(SECONDS / STEP)):
        now = step * STEP
        for sandbox, weight in zip(sandboxes, weights, strict=True):
            admitted += sum(sandbox.admits(now) for _ in range(poisson(weight * scale, chance)))
    return admitted


def poisson(mean: float, chance: random.Random) -> int:
    """A Poisson variate (Knuth)."""
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def rows(seed: int = 1) -> list[tuple[str, list[tuple[float, float]]]]:
    """For each way, and each number of sandboxes: admitted against the budget, and updates an admitted upload."""
    budget = BURST + RATE * SECONDS
    result: list[tuple[str, list[tuple[float, float]]]] = []
    divided: list[tuple[float, float]] = []
    for count in SANDBOXES:
        parts: list[Sandbox] = [Divided(Bucket(RATE / count, max(1, BURST / count), 1.0)) for _ in range(count)]
        divided.append((simulate(parts, random.Random(seed)) / budget, 0.0))
    result.append(("divided", divided))
    for share in SHARES:
        leased: list[tuple[float, float]] = []
        for count in SANDBOXES:
            shared = Bucket(RATE, BURST, BURST)
            admitted = simulate([Leased(shared, share) for _ in range(count)], random.Random(seed))
            leased.append((admitted / budget, shared.updates / admitted))
        result.append((f"leases of {share}", leased))
    return result


def svg(table: list[tuple[str, list[tuple[float, float]]]]) -> str:
    """A bar for each way and number of sandboxes, against the line of the budget."""
    width, height, left = 720, 300, 60
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height + 60}" font-family="sans-serif">']
    lines.append('<rect width="100%" height="100%" fill="white"/>')
    group = (width - left) / len(table)
    for place, (name, values) in enumerate(table):
        for bar, (share, _) in enumerate(values):
            x, tall = left + place * group + bar * group / 5, share * 220
            shade = 75 - 15 * bar
            lines.append(
                f'<rect x="{x:.0f}" y="{height - tall:.0f}" width="{group / 6:.0f}" height="{tall:.0f}" '
                f'fill="hsl(210 60% {shade}%)"><title>{SANDBOXES[bar]} sandboxes: {share:.1%}</title></rect>'
            )
        lines.append(f'<text x="{left + place * group:.0f}" y="{height + 18}" font-size="13">{name}</text>')
    lines.append(f'<line x1="{left}" x2="{width}" y1="{height - 220}" y2="{height - 220}" stroke="crimson"/>')
    lines.append(f'<text x="4" y="{height - 216}" font-size="13">budget</text>')
    named = ", ".join(map(str, SANDBOXES))
    lines.append(f'<text x="{left}" y="{height + 42}" font-size="13">bars: {named} sandboxes; offered: 3 times</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    table = rows()
    print(
        "| admitted against the budget (updates an upload) | " + " | ".join(f"{n} sandboxes" for n in SANDBOXES) + " |"
    )
    print("| --- |" + " --: |" * len(SANDBOXES))
    for name, values in table:
        print(f"| {name} | " + " | ".join(f"{share:.1%} ({updates:.2f})" for share, updates in values) + " |")
    if options.svg:
        options.svg.write_text(svg(table))


if __name__ == "__main__":
    main()
