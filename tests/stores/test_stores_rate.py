"""The contract of `RateBuckets`, against a token bucket that is written down the plain way."""

import multiprocessing
import threading
import uuid
from fractions import Fraction
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.policy.model import RateRule
from gateway.tenants.rate import Taken, TryLater, bucket_of
from gateway.tenants.stores import Stores
from tests.stores.places import Place

NOW = 1_800_000_000.0


def _takes(stores: Stores, rule: RateRule, times: list[float], bucket: str = "acme") -> list[bool]:
    return [isinstance(stores.rates.take(bucket, rule, NOW + at), Taken) for at in times]


@pytest.mark.parametrize(
    ("rule", "times", "admitted"),
    [
        (RateRule(per_second=1, burst=1), [0, 0, 0.5, 1, 1.5, 2], [True, False, False, True, False, True]),
        (RateRule(per_second=1, burst=3), [0, 0, 0, 0, 1, 1], [True, True, True, False, True, False]),
        (RateRule(per_second=10, burst=1), [0, 0.05, 0.1], [True, False, True]),
        (RateRule(per_second=0.5, burst=1), [0, 1.5, 2], [True, False, True]),
        (RateRule(per_second=1, burst=2), [0, 0, 3600, 3600, 3600], [True, True, True, True, False]),
        (RateRule(per_second=1, burst=2), [0, 0, -10, -10, -10, 1], [True, True, False, False, False, True]),
    ],
)
def test_tokens_are_given_as_the_rule_says(
    stores: Stores, rule: RateRule, times: list[float], admitted: list[bool]
) -> None:
    """A burst at most, then as they come; a clock that goes back gives none."""
    assert _takes(stores, rule, times) == admitted


def test_an_answer_says_what_is_left_and_when_to_come_again(stores: Stores) -> None:
    """Tokens, seconds to a full bucket, seconds to the next token."""
    rule = RateRule(per_second=2, burst=3)
    answers = [stores.rates.take("acme", rule, NOW) for _ in range(4)]
    assert answers == [
        Taken(left=2, full_in=0.5),
        Taken(left=1, full_in=1.0),
        Taken(left=0, full_in=1.5),
        TryLater(seconds=0.5),
    ]
    assert stores.rates.level("acme", rule, NOW + 0.5) == Taken(left=1, full_in=1.0)
    assert stores.rates.level("other", rule, NOW) == Taken(left=3, full_in=0.0)


def test_waiting_as_long_as_was_said_is_enough(stores: Stores) -> None:
    """And not a microsecond less."""
    rule = RateRule(per_second=7, burst=1)
    stores.rates.take("acme", rule, NOW)
    later = stores.rates.take("acme", rule, NOW)
    assert isinstance(later, TryLater)
    assert _takes(stores, rule, [later.seconds - 1e-5, later.seconds + 1e-6]) == [False, True]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    per_second=st.sampled_from([1, 2, 5, 10]),
    burst=st.integers(1, 5),
    steps=st.lists(st.integers(0, 400), max_size=30),
)
def test_buckets_give_what_a_plain_token_bucket_gives(
    stores: Stores, per_second: int, burst: int, steps: list[int]
) -> None:
    """Refill what the time gives, up to the burst; take one if there is one. Steps are in milliseconds."""
    tokens, at, expected, times = Fraction(burst), 0, [], []
    for step in steps:
        at += step
        tokens = min(Fraction(burst), tokens + Fraction(step * per_second, 1000))
        expected.append(tokens >= 1)
        tokens -= tokens >= 1
        times.append(at)
    rule = RateRule(per_second=per_second, burst=burst)
    bucket = uuid.uuid4().hex
    # Whole milliseconds since the epoch, so that the clock's own rounding decides nothing.
    answers = [stores.rates.take(bucket, rule, at / 1000) for at in times]
    assert [isinstance(answer, Taken) for answer in answers] == expected


RULE = RateRule(per_second=10, burst=20)
TICKS = 101
"""Ten seconds, both ends included, a tenth of a second each: one new token a tick."""


def _offer(place: Place, tick: Barrier, told: Connection) -> None:
    """Two takes a tick, at the same moved time in every process."""
    stores = place.open()
    admitted = 0
    for number in range(TICKS):
        tick.wait(60)
        admitted += sum(_takes(stores, RULE, [number / 10] * 2))
    told.send(admitted)


def test_of_many_times_the_load_exactly_the_budget_is_admitted(place: Place) -> None:
    """Four processes offer eight times the rate for ten seconds: the burst and ten seconds' tokens get through."""
    spawn = multiprocessing.get_context("spawn")
    tick = spawn.Barrier(4)
    ends = [spawn.Pipe(duplex=False) for _ in range(4)]
    workers = [spawn.Process(target=_offer, args=(place, tick, sender)) for _, sender in ends]
    for worker in workers:
        worker.start()
    admitted = sum(receiver.recv() for receiver, _ in ends)
    for worker in workers:
        worker.join()
    assert admitted == 20 + 100


def test_a_token_is_never_given_twice(place: Place) -> None:
    """Sixteen at once for five tokens."""
    stores = place.open()
    answers: list[bool] = []
    rule = RateRule(per_second=0.001, burst=5)
    threads = [threading.Thread(target=lambda: answers.extend(_takes(stores, rule, [0.0]))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answers) == 5


def test_a_rule_that_changes_applies_to_the_bucket_as_it_is(stores: Stores) -> None:
    """A smaller burst makes whoever took more wait; it never gives extra."""
    _takes(stores, RateRule(per_second=1, burst=10), [0] * 10)
    assert _takes(stores, RateRule(per_second=1, burst=2), [0, 8, 9]) == [False, False, True]


def test_buckets_are_a_tenants_or_a_subjects() -> None:
    """Subjects of other issuers and tenants have their own, whatever they are called."""
    tenant, subject = (RateRule(per_second=1, burst=1, per=per) for per in ("tenant", "subject"))
    assert bucket_of(tenant, "acme", "i", "s") == bucket_of(tenant, "acme", "j", "t")
    names = [("acme", "i", "s"), ("acme", "i", "t"), ("acme", "j", "s"), ("acme", "is", ""), ("globex", "i", "s")]
    assert len({bucket_of(subject, *name) for name in names}) == len(names)
