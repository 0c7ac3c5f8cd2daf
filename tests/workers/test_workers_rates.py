"""A tenant's rate over several workers: what is admitted is what the one bucket gave, token for token."""

import asyncio
import time
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.policy.model import RateRule
from gateway.tenants.rate import SECOND, Taken
from tests.workers.running import Gateway
from tests.workers.standing import TYPE, Standing

RATE = {"per_second": 20, "burst": 200, "per": "tenant"}


@dataclass(slots=True)
class Offered:
    """What came of a load: when each admitted request was answered, and when each refused one was sent."""

    admitted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


async def offer(url: str, token: str, *, per_second: float, seconds: float) -> Offered:
    """Requests at even times, whatever becomes of those before; each asks for a URL."""
    seen = Offered()
    headers = {"authorization": f"Bearer {token}", "content-length": "1", **TYPE}

    async def one(http: httpx.AsyncClient, number: int) -> None:
        sent = time.time()
        answer = await http.put(f"{url}/presigned/{number}", content=b"x", headers=headers)
        if answer.status_code == 307:
            seen.admitted.append(time.time())
        else:
            assert answer.json()["type"].endswith(":rate-limited"), answer.text
            seen.refused.append(sent)

    # As many connections as it takes to have some at every worker.
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
    async with httpx.AsyncClient(verify=False, limits=limits, timeout=60) as http:
        began, tasks = time.monotonic(), []
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
            tasks.append(asyncio.ensure_future(one(http, number)))
        await asyncio.gather(*tasks)
    return seen


def _empty(standing: Standing, tenant: str, rule: RateRule) -> tuple[float, int]:
    """Take all tokens at one moment: that moment, and when the bucket is full again (nanoseconds)."""
    now = time.time()
    with standing.stores() as stores:
        taken = [stores.rates.take(tenant, rule, now) for _ in range(rule.burst)]
    assert all(isinstance(each, Taken) for each in taken)
    return now, round(now * SECOND) + rule.burst * round(SECOND / rule.per_second)


def _full_at(standing: Standing, tenant: str, rule: RateRule) -> int:
    with standing.stores() as stores:
        now = time.time()
        return round((now + stores.rates.level(tenant, rule, now).full_in) * SECOND)


def test_five_times_the_rate_is_admitted_once(four_workers: tuple[Gateway, Standing]) -> None:
    """From an empty bucket, four workers admit what has flowed into it since then: no token less and none twice.

    Nothing here depends on how fast the machine is: what flowed in is counted on the bucket's own clock.
    """
    gateway, standing = four_workers
    rule = RateRule(per_second=20, burst=200, per="tenant")
    token = standing.tenant("paced", rate=RATE)
    emptied, full = _empty(standing, "paced", rule)

    seen = asyncio.run(offer(gateway.url, token, per_second=100, seconds=2))
    grown = _full_at(standing, "paced", rule) - full
    over = time.time()

    assert abs(grown - len(seen.admitted) * SECOND / rule.per_second) < 10_000  # float seconds hold microseconds
    assert len(seen.admitted) <= rule.per_second * (over - emptied)
    assert len(seen.admitted) >= rule.per_second * (max(seen.refused, default=emptied) - emptied) - 1


@pytest.mark.long
def test_five_times_the_rate_for_ten_seconds_stays_within_two_percent(four_workers: tuple[Gateway, Standing]) -> None:
    """The default rate, 50 a second and 100 at once, offered 250 a second; counted from first to last admission."""
    gateway, standing = four_workers
    token = standing.tenant("default", rate={"per_second": 50, "burst": 100, "per": "tenant"})

    seen = asyncio.run(offer(gateway.url, token, per_second=250, seconds=10))
    window = max(seen.admitted) - min(seen.admitted)
    budget = 100 + 50 * window
    print(f"offered 2500 in 10 s, admitted {len(seen.admitted)} in {window:.2f} s, budget {budget:.1f}")

    assert abs(len(seen.admitted) - budget) <= 0.02 * budget
