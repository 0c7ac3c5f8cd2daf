"""What sandboxes that know nothing of each other may spend together: never more than the bound, whatever is asked."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.model import QuotaRule, RateRule
from gateway.tenants import shares
from gateway.tenants.ledger import QuotaExceeded, Reservation, Reserved
from gateway.tenants.published.contents import Lease, Share
from gateway.tenants.rate import Taken, TryLater
from gateway.tenants.shares import SharedOut

QUOTA = QuotaRule(bytes=10**6, objects=10**6)


@given(
    instances=st.integers(1, 8),
    count=st.integers(1, 8),
    burst=st.integers(1, 40),
    asked=st.lists(st.tuples(st.integers(0, 7), st.floats(0, 3)), max_size=120),
)
def test_a_rate_is_kept_within_its_bound(
    instances: int, count: int, burst: int, asked: list[tuple[int, float]]
) -> None:
    """Each sandbox its part of the burst, a token at least, and its part of what comes in the time."""
    rule, share = RateRule(per_second=2.0, burst=burst), Share(instances=instances)
    sandboxes, now, admitted = [SharedOut(lambda: 0.0) for _ in range(count)], 0.0, 0
    for place, pause in asked:
        now += pause
        outcome = sandboxes[place % count].rates(share).take("acme", rule, now)
        admitted += isinstance(outcome, Taken)

    assert admitted <= count * (max(1, burst // instances) + 2.0 / instances * now + 1e-6)


@given(
    instances=st.integers(1, 8),
    count=st.integers(1, 8),
    lent=st.integers(0, 500),
    asked=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 60)), max_size=120),
)
def test_a_lease_is_kept_within_its_bound(instances: int, count: int, lent: int, asked: list[tuple[int, int]]) -> None:
    """Each sandbox its part, and with as many as were meant no byte more than was lent."""
    share = Share(instances=instances, lease=Lease(id="l", bytes=lent, objects=lent, until=9.0))
    sandboxes, spent, objects = [SharedOut(lambda: 0.0) for _ in range(count)], 0, 0
    for number, (place, size) in enumerate(asked):
        wanted = Reservation(id=str(number), tenant="acme", key=f"acme/{number}", bytes=size, expires_at=9.0)
        if isinstance(sandboxes[place % count].ledger(share).reserve(wanted, QUOTA), Reserved):
            spent, objects = spent + size, objects + 1

    assert max(spent, objects) <= count * (lent // instances)


def test_what_is_left_is_said_of_the_sandbox_s_part() -> None:
    """So that the answer's headers don't promise what others hold."""
    share = Share(instances=2, lease=Lease(id="l", bytes=100, objects=None, until=9.0))
    wanted = Reservation(id="r", tenant="acme", key="acme/a", bytes=30, expires_at=9.0)
    ledger = SharedOut(lambda: 0.0).ledger(share)

    first, second = ledger.reserve(wanted, QUOTA), ledger.reserve(wanted, QUOTA)

    assert isinstance(first, Reserved)
    assert isinstance(second, QuotaExceeded)
    assert (second.what, second.due_at) == ("bytes", 9.0)
    assert [10**6 - each.usage.reserved_bytes for each in (first, second)] == [20, 20]


def test_what_can_not_be_remembered_is_refused() -> None:
    """Buckets that are full again are forgotten, the others never."""
    spent, rule = SharedOut(lambda: 0.0), RateRule(per_second=1.0, burst=2, per="subject")
    buckets = spent.rates(Share(instances=1))

    for number in range(shares.MOST):
        assert isinstance(buckets.take(f"b{number}", rule, 100.0), Taken)
    assert isinstance(buckets.take("new", rule, 100.0), TryLater)
    assert isinstance(buckets.take("b1", rule, 100.0), Taken)
    assert isinstance(buckets.take("new", rule, 103.0), Taken)
    assert buckets.level("new", rule, 103.0).left == 1
