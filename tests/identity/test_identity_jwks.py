"""When keys are believed, when an issuer is asked, and who waits: time is moved by hand, nothing sleeps."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier, Event

import pytest

from gateway.identity import JwksCache, JwksSource, JwksTimes, NoFetcher
from gateway.identity.errors import (
    FetchError,
    JwksNotAvailableInCacheError,
    JwksUnavailableError,
    JwtBaseError,
    KidNotFoundInJwksError,
    ParameterValidationError,
    WaitPeriodNotYetEndedJwkError,
)
from gateway.identity.jwks import BACKOFF
from gateway.identity.testing import Signer, jwks

SOURCE = JwksSource("https://issuer.example", "https://issuer.example/jwks")
TIMES = JwksTimes(max_age=300, prefetch_age=240, stale_if_error=3600, cooldown=10, deadline=3)


class Issuer:
    """A fetcher that answers with some keys, or fails; it counts."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = signers
        self.fails = False
        self.fetched = 0
        self.before: Callable[[], None] = lambda: None

    def fetch(self, uri: str, deadline: float) -> bytes:
        """The keys."""
        del deadline
        self.fetched += 1
        self.before()
        if self.fails:
            raise FetchError(uri, "down")
        return json.dumps(jwks(*self.signers)).encode()


class Clock:
    """The suite's clock, as these tests use it."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer(rsa_key: Signer, ec_key: Signer) -> Issuer:
    """It publishes `rsa` and `ec`."""
    return Issuer(rsa_key, ec_key)


@pytest.fixture
def time() -> Clock:
    """Moved by assignment."""
    return Clock()


@pytest.fixture
def cache(issuer: Issuer, time: Clock) -> JwksCache:
    """A cache that fetches while its caller looks on."""
    return JwksCache(issuer, times=TIMES, clock=time, spawn=lambda work: work())


def outcome(call: Callable[[], object]) -> str:
    """The class of this room's error, or `found`."""
    try:
        call()
    except JwtBaseError as error:
        return type(error).__name__
    return "found"


def test_keys_are_fetched_once_and_then_found(cache: JwksCache, issuer: Issuer) -> None:
    """A hit asks nobody."""
    found = {cache.get_jwk(SOURCE, kid).kid for kid in ("rsa", "ec", "rsa")}

    assert (found, issuer.fetched) == ({"rsa", "ec"}, 1)
    assert cache.get_cached_jwk(SOURCE, "rsa") is cache.get_jwk(SOURCE, "rsa")


def test_a_withdrawn_key_is_believed_for_the_maximum_age_at_most(
    cache: JwksCache, issuer: Issuer, time: Clock, ec_key: Signer
) -> None:
    """Whether or not anybody asked in between."""
    cache.get_jwk(SOURCE, "rsa")
    issuer.signers = (ec_key,)
    time.now += 300

    assert outcome(lambda: cache.get_jwk(SOURCE, "rsa")) == "KidNotFoundInJwksError"
    assert issuer.fetched == 2


def test_keys_are_refreshed_in_the_background_before_they_are_too_old(
    issuer: Issuer, time: Clock, ec_key: Signer
) -> None:
    """From the prefetch age on, one request begins a fetch and none waits for it."""
    work: list[Callable[[], None]] = []
    cache = JwksCache(issuer, times=TIMES, clock=time, spawn=work.append)
    cache.add_jwks(SOURCE, jwks(*issuer.signers))
    issuer.signers = (ec_key,)
    time.now += 240

    assert [cache.get_jwk(SOURCE, "rsa").kid for _ in range(5)] == ["rsa"] * 5
    assert len(work) == 1
    work[0]()
    assert cache.get_cached_jwk(SOURCE, "rsa") is None
    assert issuer.fetched == 1


def test_an_unknown_kid_costs_one_fetch_a_cooldown(cache: JwksCache, issuer: Issuer, time: Clock) -> None:
    """And good tokens are verified all the while."""
    cache.get_jwk(SOURCE, "rsa")
    outcomes = [outcome(lambda kid=kid: cache.get_jwk(SOURCE, f"random-{kid}")) for kid in range(100)]  # type: ignore[misc]

    assert outcomes == ["KidNotFoundInJwksError"] + ["WaitPeriodNotYetEndedJwkError"] * 99
    assert (issuer.fetched, cache.get_jwk(SOURCE, "ec").kid) == (2, "ec")
    time.now += 10
    assert outcome(lambda: cache.get_jwk(SOURCE, "another")) == "KidNotFoundInJwksError"
    assert issuer.fetched == 3


def test_a_rotated_key_is_found_at_once(cache: JwksCache, issuer: Issuer, ed_key: Signer) -> None:
    """No cool-down starts before somebody asked in vain; PyJWKClient refuses a new key for up to 30 s here."""
    cache.get_jwk(SOURCE, "rsa")
    issuer.signers = (*issuer.signers, ed_key)

    assert cache.get_jwk(SOURCE, "ed").kid == "ed"
    assert issuer.fetched == 2


def test_a_rotation_during_a_flood_is_seen_after_the_cooldown(
    cache: JwksCache, issuer: Issuer, time: Clock, ed_key: Signer
) -> None:
    """The flood delays a new key by the cool-down, no longer."""
    cache.get_jwk(SOURCE, "rsa")
    outcome(lambda: cache.get_jwk(SOURCE, "random"))
    issuer.signers = (*issuer.signers, ed_key)

    assert outcome(lambda: cache.get_jwk(SOURCE, "ed")) == "WaitPeriodNotYetEndedJwkError"
    time.now += 10
    assert outcome(lambda: cache.get_jwk(SOURCE, "ed")) == "found"


def test_a_key_replaced_under_its_kid_is_the_new_one(cache: JwksCache, issuer: Issuer, ec_key: Signer) -> None:
    """Parsed keys are kept by thumbprint: the old key is gone, and an unchanged one keeps its form."""
    old, same = cache.get_jwk(SOURCE, "rsa"), cache.get_jwk(SOURCE, "ec")
    issuer.signers = (Signer("rsa", "ES256", {**ec_key.jwk, "kid": "rsa"}, ec_key.sign_bytes), ec_key)
    cache.get_jwks(SOURCE)

    assert cache.get_jwk(SOURCE, "rsa").thumbprint != old.thumbprint
    assert cache.get_jwk(SOURCE, "ec") is same


def test_failed_fetches_back_off(cache: JwksCache, issuer: Issuer, time: Clock) -> None:
    """Nothing cached and the issuer down: one attempt, then 1, 2, 4, … 30 s without any."""
    issuer.fails = True
    attempts = []
    for _ in range(120):
        before = issuer.fetched
        assert outcome(lambda: cache.get_jwk(SOURCE, "rsa")) == "JwksUnavailableError"
        attempts += [time.now] * (issuer.fetched - before)
        time.now += 1

    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert gaps[:6] == list(BACKOFF)


def test_the_wait_until_the_next_attempt_is_said(cache: JwksCache, issuer: Issuer, time: Clock) -> None:
    """`retry_after` is what is left of the back-off."""
    issuer.fails = True
    outcome(lambda: cache.get_jwk(SOURCE, "rsa"))
    time.now += 1
    outcome(lambda: cache.get_jwk(SOURCE, "rsa"))
    time.now += 0.5

    with pytest.raises(JwksUnavailableError) as caught:
        cache.get_jwk(SOURCE, "rsa")
    assert caught.value.retry_after == 1.5


def test_keys_outlive_their_issuer_for_a_bounded_time(cache: JwksCache, issuer: Issuer, time: Clock) -> None:
    """Stale while error: good tokens are good for `stale_if_error` after the maximum age, and no longer."""
    cache.get_jwk(SOURCE, "rsa")
    issuer.fails = True
    start = time.now
    verdicts = {}
    for age in (250, 299, 301, 1000, 3899, 3900, 4000):
        time.now = start + age
        verdicts[age] = outcome(lambda: cache.get_jwk(SOURCE, "rsa"))

    assert verdicts == dict.fromkeys((250, 299, 301, 1000, 3899), "found") | dict.fromkeys(
        (3900, 4000), "JwksUnavailableError"
    )


def test_an_unknown_kid_while_the_issuer_is_down_is_unavailable(cache: JwksCache, issuer: Issuer) -> None:
    """It may be a new key: nobody can say that the token is bad."""
    cache.get_jwk(SOURCE, "rsa")
    issuer.fails = True

    assert outcome(lambda: cache.get_jwk(SOURCE, "new")) == "JwksUnavailableError"
    assert outcome(lambda: cache.get_jwk(SOURCE, "rsa")) == "found"


def test_a_clock_that_was_set_back_makes_keys_old(cache: JwksCache, issuer: Issuer, time: Clock) -> None:
    """A fetch in the future says nothing of how old the keys are."""
    cache.get_jwk(SOURCE, "rsa")
    time.now -= 600

    assert cache.get_cached_jwk(SOURCE, "rsa") is None
    assert cache.get_jwk(SOURCE, "rsa").kid == "rsa"
    assert issuer.fetched == 2


def test_many_threads_share_one_fetch(issuer: Issuer, time: Clock) -> None:
    """Single flight: sixteen threads miss at once, one request is made."""
    cache = JwksCache(issuer, times=TIMES, clock=time)
    barrier = Barrier(16)

    def miss(_: int) -> str:
        barrier.wait(5)
        return cache.get_jwk(SOURCE, "rsa").kid

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(miss, range(16))) == ["rsa"] * 16
    assert issuer.fetched == 1


def test_an_event_loop_is_not_blocked_by_a_fetch(issuer: Issuer, time: Clock) -> None:
    """Other tasks run while the keys are under way, and all who wait share the one fetch."""
    arrived = Event()
    issuer.before = lambda: (arrived.wait(5), None)[1]
    cache = JwksCache(issuer, times=TIMES, clock=time)

    async def main() -> tuple[list[str], bool]:
        waiting = [asyncio.create_task(cache.get_jwk_async(SOURCE, kid)) for kid in ("rsa", "ec", "rsa")]
        await asyncio.sleep(0)
        pending = not any(task.done() for task in waiting)
        arrived.set()
        return [key.kid for key in await asyncio.gather(*waiting)], pending

    assert asyncio.run(main()) == (["rsa", "ec", "rsa"], True)
    assert issuer.fetched == 1


def test_a_waiter_that_is_cancelled_leaves_the_fetch_to_the_others(issuer: Issuer, time: Clock) -> None:
    """A client that goes away takes nobody's keys with it."""
    arrived = Event()
    issuer.before = lambda: (arrived.wait(5), None)[1]
    cache = JwksCache(issuer, times=TIMES, clock=time)

    async def main() -> str:
        first = asyncio.create_task(cache.get_jwk_async(SOURCE, "rsa"))
        second = asyncio.create_task(cache.get_jwk_async(SOURCE, "rsa"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        arrived.set()
        return (await second).kid

    assert asyncio.run(main()) == "rsa"


def test_a_fetch_that_never_ends_is_given_up(issuer: Issuer, time: Clock) -> None:
    """A resolver that hangs, or a process that was frozen in the middle, does not hold the keys for ever."""
    lost: list[Callable[[], None]] = []
    cache = JwksCache(issuer, times=JwksTimes(deadline=0.001), clock=time, spawn=lost.append)
    assert outcome(lambda: cache.get_jwk(SOURCE, "rsa")) == "JwksUnavailableError"
    time.now += 60
    outcome(lambda: cache.get_jwk(SOURCE, "rsa"))
    time.now += 60
    outcome(lambda: cache.get_jwk(SOURCE, "rsa"))

    assert len(lost) == 2
    lost[0]()
    assert cache.get_cached_jwk(SOURCE, "rsa") is None
    lost[1]()
    assert cache.get_cached_jwk(SOURCE, "rsa") is not None


def test_a_fetcher_that_breaks_is_an_issuer_that_is_down(
    cache: JwksCache, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing foreign escapes, and what it was is in the log."""

    def broken() -> None:
        raise RuntimeError("a bug")

    issuer.before = broken

    assert outcome(lambda: cache.get_jwk(SOURCE, "rsa")) == "JwksUnavailableError"
    assert "a bug" in caplog.text


def test_sources_are_bounded(issuer: Issuer, time: Clock) -> None:
    """The source with the oldest keys makes room."""
    cache = JwksCache(issuer, times=TIMES, clock=time, spawn=lambda work: work(), max_sources=3)
    sources = [JwksSource(None, f"https://issuer.example/{number}") for number in range(5)]
    for source in sources:
        cache.get_jwk(source, "rsa")
        time.now += 1

    kept = [cache.get_cached_jwk(source, "rsa") is not None for source in sources]
    assert kept == [False, False, True, True, True]


def test_fetches_under_way_are_bounded(issuer: Issuer, time: Clock) -> None:
    """Slow issuers can't take all threads of a process."""
    lost: list[Callable[[], None]] = []
    cache = JwksCache(issuer, times=JwksTimes(deadline=0.001), clock=time, spawn=lost.append, max_flights=2)
    for number in range(4):
        outcome(lambda number=number: cache.get_jwk(JwksSource(None, f"https://{number}.example"), "rsa"))  # type: ignore[misc]

    assert len(lost) == 2


def test_without_io_only_the_cache_speaks(cache: JwksCache, issuer: Issuer) -> None:
    """`verify_sync`'s way to keys never asks anybody."""
    assert outcome(lambda: cache.get_jwk_without_io(SOURCE, "rsa")) == "JwksNotAvailableInCacheError"
    cache.add_jwks(SOURCE, jwks(*issuer.signers))

    assert cache.get_jwk_without_io(SOURCE, "rsa").kid == "rsa"
    assert outcome(lambda: cache.get_jwk_without_io(SOURCE, "x")) == "KidNotFoundInJwksError"
    assert issuer.fetched == 0


def test_loaded_keys_may_never_expire(issuer: Issuer, time: Clock) -> None:
    """A cache that is filled by hand and can't fetch: for an edge, or offline."""
    forever = JwksTimes(max_age=float("inf"), prefetch_age=float("inf"))
    cache = JwksCache(NoFetcher(), times=forever, clock=time)
    cache.add_jwks(SOURCE, jwks(*issuer.signers))
    time.now += 10 * 365 * 86_400

    assert cache.get_jwk(SOURCE, "rsa").kid == "rsa"


def test_hydrate_succeeds_where_one_issuer_does(cache: JwksCache, issuer: Issuer) -> None:
    """Cognito answers 403 for the form of an issuer that a pool has not (aws-jwt-verify 279)."""
    other = JwksSource("https://issuer.example")
    cache.hydrate([SOURCE, other])

    assert cache.get_jwk(SOURCE, "rsa").kid == "rsa"
    issuer.fails = True
    assert outcome(lambda: cache.hydrate([other])) == "JwksUnavailableError"
    assert outcome(lambda: asyncio.run(cache.hydrate_async([other]))) == "JwksUnavailableError"


def test_a_source_names_an_issuer_or_an_address() -> None:
    """Neither is nobody's keys."""
    with pytest.raises(ParameterValidationError):
        JwksSource(None)


def test_every_kind_of_refusal_here_is_of_the_hierarchy() -> None:
    """What the tests above name."""
    named = (JwksUnavailableError, KidNotFoundInJwksError, WaitPeriodNotYetEndedJwkError, JwksNotAvailableInCacheError)

    assert all(issubclass(kind, JwtBaseError) for kind in named)
