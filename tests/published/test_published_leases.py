"""Leases of quotas for the edge: reserved once, published, replaced in time, and ended by what S3 holds."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.policy.model import QuotaRule
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.expiry import settle_due
from gateway.tenants.ledger import Reservation
from gateway.tenants.published.contents import Share, published_share
from gateway.tenants.published.leasing import LeaseRules, Leasing, looking
from tests.published.conftest import World, settle

RULES = LeaseRules(instances=4, lifetime=7200.0)
QUOTA = {"bytes": 1000, "objects": None}


def leasing(world: World) -> Leasing:
    return Leasing(world.stores.ledger, RULES, clock=world.clock)


def shared(world: World) -> Share:
    """What acme's document gives now."""
    document = world.s3.document("tenants/acme")
    assert document is not None
    share = published_share(document.content)
    assert share is not None
    return share


def reserved(world: World) -> int:
    return world.stores.ledger.usage("acme").reserved_bytes


def test_a_rate_takes_no_reservation(world: World) -> None:
    """Each sandbox gets its part of it, and nothing is lent."""
    world.tenant("acme", rate={"per_second": 5, "burst": 10, "per": "tenant"})
    settle(world.publisher(sharing=leasing(world)))

    assert shared(world) == Share(instances=4)
    assert world.stores.ledger.usage("acme").reserved_objects == 0


def test_a_lease_is_reserved_before_it_is_published(world: World) -> None:
    """A fourth of what is left, for as long as the slowest transfer of a part of it may last."""
    world.tenant("acme", quota=QUOTA)
    kept = Reservation(id="r", tenant="acme", key="acme/a", bytes=200, expires_at=world.clock() + 9e6)
    world.stores.ledger.reserve(kept, QuotaRule())
    settle(world.publisher(sharing=leasing(world)))

    lease = shared(world).lease
    assert lease is not None
    assert (lease.bytes, lease.objects, lease.until) == (200, None, world.clock() + 7200)
    assert reserved(world) == 400
    (due,) = world.stores.ledger.due(lease.until + 1000, limit=9)
    assert (due.id, due.key, due.expires_at > lease.until + 900) == (lease.id, "acme/", True)


def test_a_change_of_the_tenant_keeps_its_lease(world: World) -> None:
    """And so does a publisher that begins anew."""
    world.tenant("acme", quota=QUOTA)
    first = world.publisher(sharing=leasing(world))
    settle(first)
    before = shared(world)
    world.tenant("acme", quota=QUOTA, status="suspended")
    first.tenant_changed("acme")
    settle(first)
    settle(world.publisher(sharing=leasing(world)))

    assert shared(world) == before
    assert reserved(world) == 250


def test_a_lease_is_replaced_when_half_of_its_time_is_over(world: World) -> None:
    """Both are reserved until the first one's time is over, too."""
    world.tenant("acme", quota=QUOTA)
    publisher = world.publisher(sharing=leasing(world))
    settle(publisher)
    before = shared(world).lease
    world.clock.now += 3700
    settle(publisher)

    after = shared(world).lease
    assert before is not None
    assert after is not None
    assert (before.id == after.id, after.bytes, reserved(world)) == (False, 187, 250 + 187)


def test_of_several_publishers_one_lease_is_published_and_no_other_kept(world: World) -> None:
    """Whoever comes second gives back what it had reserved."""
    world.tenant("acme", quota=QUOTA)
    first, second = (world.publisher(sharing=leasing(world)) for _ in range(2))
    settle(first)
    second.step()
    world.clock.now += 3700
    for publisher in (first, second, first, second):
        settle(publisher)

    lease = shared(world).lease
    assert lease is not None
    assert sorted(each.bytes for each in world.stores.ledger.due(9e9, limit=9)) == [187, 250]


def test_a_lease_that_was_made_in_vain_is_given_back(world: World) -> None:
    """Another publisher's document was there first."""
    made = leasing(world)
    world.tenant("acme", quota=QUOTA)
    settle(world.publisher(sharing=leasing(world)))
    policy = world.publisher()._states.get("acme").policy
    made.share(policy)
    assert reserved(world) == 250 + 187

    document = world.s3.document("tenants/acme")
    assert document is not None
    made.remember("acme", document.content)

    assert reserved(world) == 250
    assert made.share(policy) == shared(world)


def test_a_full_quota_is_leased_as_nothing(world: World) -> None:
    """And a quota that is smaller than what is held."""
    world.tenant("acme", quota={"bytes": 10, "objects": 5})
    kept = Reservation(id="r", tenant="acme", key="acme/a", bytes=20, expires_at=world.clock() + 9e6)
    world.stores.ledger.reserve(kept, QuotaRule())
    settle(world.publisher(sharing=leasing(world)))

    lease = shared(world).lease
    assert lease is not None
    assert (lease.bytes, lease.objects) == (0, 0)


def test_a_lease_ends_by_a_listing_and_not_without(world: World) -> None:
    """What was uploaded under it is counted before its room is given back."""
    world.tenant("acme", quota=QUOTA)
    settle(world.publisher(sharing=leasing(world)))
    later, ledger = world.clock() + 9000, world.stores.ledger

    async def at_once(call: Callable[[], Any]) -> Any:
        return call()

    async def size(_key: str) -> int | None:
        raise AssertionError("a lease is no object")

    async def listed(tenant: str) -> None:
        ledger.correct(tenant, "acme/a", 70, later)

    def ended(look: Callable[[str], Any]) -> int:
        return asyncio.run(settle_due(ledger, look, at_once, clock=lambda: later))

    with pytest.raises(OSError, match="listing"):
        ended(looking(size, None))
    assert reserved(world) == 250
    assert ended(looking(size, listed)) == 1
    assert (ledger.usage("acme").bytes, reserved(world)) == (70, 0)


def test_a_ledger_that_does_not_answer_publishes_nothing(world: World) -> None:
    """The document stays as it is, and the next try may go well."""
    world.tenant("acme", quota=QUOTA)

    class Silent(Leasing):
        def share(self, policy: Any) -> Share | None:
            del policy
            raise StoreUnavailableError("the store does not answer")

    publisher = world.publisher(sharing=Silent(world.stores.ledger, RULES, clock=world.clock))
    publisher.step()

    assert publisher.is_behind
    assert world.s3.document("tenants/acme") is None
