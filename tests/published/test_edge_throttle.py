"""Rates and quotas at the edge: by the gateway's table exactly, by shares within their bounds, or not at all."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_auth.throttle import ByTable
from gateway.policy.model import QuotaRule, RateRule
from gateway.tenants.expiry import settle_due
from gateway.tenants.ledger import Reservation, StoredObject
from gateway.tenants.published.contents import Lease, Share
from tests.published.edge import START, Bucket, Edge
from tests.stores.places import DynamoPlace

GRANTED = (200, "/acme/a%20b.png")
LIMITED = (429, "rate-limited")
FULL = (429, "quota-exceeded")
SLOW = RateRule(per_second=0.001, burst=2, per="tenant")


def asked(edge: Edge, times: int, token: Callable[[], str] | None = None) -> list[int]:
    """The statuses of so many uploads of five bytes."""
    return [edge.ask(None if token is None else token())[0] for _ in range(times)]


# By the gateway's table


@pytest.fixture
def place(dynamodb_endpoint: str) -> DynamoPlace:
    made = DynamoPlace(dynamodb_endpoint, f"edge-{uuid.uuid4().hex}")
    made.table().create()
    return made


ByTableMade = Callable[[str, str], Edge]


@pytest.fixture
def by_table() -> Iterator[ByTableMade]:
    """Functions that ask a table at an endpoint, with a minute for each decision."""
    made: list[Edge] = []

    def make(endpoint: str, name: str) -> Edge:
        throttle = {"kind": "shared", "table": name, "region": "eu-central-1", "endpoint": endpoint}
        edge = Edge(throttle=throttle, budget=60.0)
        edge.publish()
        made.append(edge)
        return edge

    yield make
    for edge in made:
        assert isinstance(edge.throttles, ByTable)
        edge.throttles.close()


@pytest.mark.xdist_group("dynamodb")
def test_a_rate_holds_over_all_sandboxes_and_servers(place: DynamoPlace, by_table: ByTableMade) -> None:
    """Two functions and a server take from one bucket."""
    first, second = (by_table(place.endpoint, place.name) for _ in range(2))
    for edge in (first, second):
        edge.limit(rate=RateRule(per_second=0.001, burst=5, per="tenant"))
    place.open().rates.take("acme", RateRule(per_second=0.001, burst=5, per="tenant"), START)

    assert [each.ask() for each in (first, second) * 3] == [GRANTED] * 4 + [LIMITED] * 2
    (retry,) = second.answer["headers"]["retry-after"]
    assert int(retry["value"]) > 900


@pytest.mark.xdist_group("dynamodb")
def test_a_rate_of_each_subject_is_its_own(place: DynamoPlace, by_table: ByTableMade) -> None:
    """One who asks too much takes nothing from others."""
    edge = by_table(place.endpoint, place.name)
    edge.limit(rate=RateRule(per_second=0.001, burst=2, per="subject"))

    assert asked(edge, 3, lambda: edge.token(sub="ann")) == [200, 200, 429]
    assert asked(edge, 1, lambda: edge.token(sub="bob")) == [200]


@pytest.mark.xdist_group("dynamodb")
def test_a_quota_is_reserved_in_the_gateway_s_ledger_and_settled_by_what_s3_holds(
    place: DynamoPlace, by_table: ByTableMade
) -> None:
    """As for a presigned URL: nobody sees S3's answer, so a sweeper looks when the time is over."""
    edge, ledger = by_table(place.endpoint, place.name), place.open().ledger
    edge.limit(quota=QuotaRule(bytes=12, objects=None))

    assert [edge.ask() for _ in range(3)] == [GRANTED, GRANTED, FULL]
    kept = ledger.due(START + 86_400, limit=10)
    assert [(each.key, each.bytes) for each in kept] == [("acme/a b.png", 5)] * 2
    assert all(START < each.expires_at < START + 3600 for each in kept)

    async def look(_key: str) -> int | None:
        return 4

    async def at_once(call: Callable[[], Any]) -> Any:
        return call()

    assert asyncio.run(settle_due(ledger, look, at_once, clock=lambda: START + 3600)) == 2
    assert (ledger.usage("acme").bytes, ledger.usage("acme").reserved_bytes) == (4, 0)
    assert edge.ask() == GRANTED


@pytest.mark.xdist_group("dynamodb")
def test_what_others_hold_counts(place: DynamoPlace, by_table: ByTableMade) -> None:
    """A plan's reservation and an object that a proxy stored."""
    edge, ledger = by_table(place.endpoint, place.name), place.open().ledger
    edge.limit(quota=QuotaRule(bytes=None, objects=3))
    for number in range(2):
        kept = Reservation(id=f"r{number}", tenant="acme", key=f"acme/{number}", bytes=1, expires_at=START + 60)
        ledger.reserve(kept, QuotaRule())
    ledger.settle("acme", "r0", StoredObject(key="acme/0", bytes=1, seen_at=START))

    assert [edge.ask() for _ in range(2)] == [GRANTED, FULL]


@pytest.mark.xdist_group("dynamodb")
def test_a_tenant_without_limits_costs_no_question(place: DynamoPlace, by_table: ByTableMade) -> None:
    """Its usage is found by comparing with S3."""
    edge = by_table(place.endpoint, "there-is-no-such-table")

    assert edge.ask() == GRANTED
    edge.limit(rate=SLOW)
    edge.advance(31)
    assert edge.ask() == (503, "storage-unavailable")
    assert place.open().ledger.usage("acme").reserved_objects == 0


def test_a_table_that_does_not_answer_lets_nobody_in(by_table: ByTableMade) -> None:
    """Within the function's time, and with a time to try again."""
    edge = by_table("http://127.0.0.1:9", "t")
    edge.limit(quota=QuotaRule(bytes=100, objects=None))

    assert edge.ask() == (503, "storage-unavailable")
    assert "retry-after" in edge.answer["headers"]


# By shares


def sandboxes(count: int, share: Share | None, **limits: Any) -> list[Edge]:
    """Functions that know nothing of each other and read the same documents."""
    bucket = Bucket()
    made = [Edge(bucket=bucket, throttle={"kind": "leased"}) for _ in range(count)]
    made[0].publish()
    made[0].limit(share, **limits)
    return made


def leased(size: int | None, count: int | None = None, *, instances: int = 4, named: str = "l") -> Share:
    return Share(instances=instances, lease=Lease(id=named, bytes=size, objects=count, until=START + 600))


def test_each_sandbox_has_its_part_of_a_rate() -> None:
    """With as many as were meant all together have the rate; a burst of less than one each is one each."""
    rate = RateRule(per_second=0.4, burst=20, per="tenant")
    functions = sandboxes(4, Share(instances=4), rate=rate)
    few = sandboxes(1, Share(instances=100), rate=rate)[0]

    assert [asked(each, 7) for each in functions] == [[200] * 5 + [429] * 2] * 4
    for each in functions:
        each.advance(10)
    assert [asked(each, 2) for each in functions] == [[200, 429]] * 4  # a tenth of a token a second
    assert asked(few, 2) == [200, 429]


def test_a_part_of_a_subject_s_rate() -> None:
    """Each subject has a bucket of its own."""
    (edge,) = sandboxes(1, Share(instances=2), rate=RateRule(per_second=0.001, burst=4, per="subject"))

    assert asked(edge, 3, lambda: edge.token(sub="ann")) == [200, 200, 429]
    assert asked(edge, 3, lambda: edge.token(sub="bob")) == [200, 200, 429]


@pytest.mark.parametrize(("share", "granted"), [(leased(80), 4), (leased(None, 12), 3), (leased(80, 4), 1)])
def test_each_sandbox_has_its_part_of_a_lease(share: Share, granted: int) -> None:
    """And gives nothing back; a newer lease begins anew."""
    quota = QuotaRule(
        bytes=None if share.lease is None or share.lease.bytes is None else 1000,
        objects=None if share.lease is None or share.lease.objects is None else 1000,
    )
    functions = sandboxes(3, share, quota=quota)

    assert [asked(each, 6) for each in functions] == [[200] * granted + [429] * (6 - granted)] * 3
    assert functions[0].answer["headers"]["retry-after"][0]["value"] == "600"
    assert share.lease is not None
    newer = leased(share.lease.bytes, share.lease.objects, named="m")
    functions[0].limit(newer, version=3, quota=quota)
    functions[0].advance(31)
    assert asked(functions[0], 6) == [200] * granted + [429] * (6 - granted)


def test_what_is_too_large_for_a_part_is_refused() -> None:
    """Another backend has room for it."""
    (edge,) = sandboxes(1, leased(16), quota=QuotaRule(bytes=1000, objects=None))

    assert edge.ask() == FULL


def test_a_lease_that_is_over_lets_nobody_in() -> None:
    """Its room may be given away already."""
    (edge,) = sandboxes(1, leased(1000), quota=QuotaRule(bytes=1000, objects=None))
    assert edge.ask() == GRANTED
    edge.advance(601)

    assert edge.ask() == (503, "storage-unavailable")


@pytest.mark.parametrize(
    ("kind", "share", "limits"),
    [
        ("refuse", Share(instances=1), {"rate": SLOW}),
        ("leased", None, {"rate": SLOW}),
        ("leased", Share(instances=1), {"quota": QuotaRule(bytes=None, objects=9)}),
    ],
)
def test_what_nobody_could_hold_is_refused(kind: str, share: Share | None, limits: dict[str, Any]) -> None:
    """By a function that was told to, and without a share."""
    edge = Edge(throttle={"kind": kind})
    edge.publish()
    edge.limit(share, **limits)

    assert edge.ask() == (403, "backend-not-allowed")


def test_other_tenants_need_no_share() -> None:
    """Nobody counts them here."""
    assert sandboxes(1, None)[0].ask() == GRANTED
