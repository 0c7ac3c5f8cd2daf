"""The cache: fresh, stale while the store is silent, one question for all, bounded; a change here is at once."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.apikeys import ApiKeySource, mint_api_key
from gateway.identity.authenticate import Directory
from gateway.identity.errors import SourceUnavailableError
from gateway.tenants.aside import Threads
from gateway.tenants.cache import ERROR_PAUSE, ApiKeyCache, Cache, CacheRules, PolicyCache
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.policies import Change, PolicyVersion
from gateway.tenants.protocol import IssuerDirectory, PolicySource
from gateway.tenants.stores import Stores, open_sqlite

RULES = CacheRules(lifetime=30, stale_limit=60, most=3, most_absent=2)
ISSUER = "https://id.example.com"
CHANGE = Change(at=1.0, by="ops")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Answers with its name and how often it was asked, or not at all."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent = False
        self.absent = False

    def __call__(self, name: str, _last: str | None) -> str | None:
        self.asked.append(name)
        if self.silent:
            raise StoreUnavailableError("silent")
        return None if self.absent else f"{name}{len(self.asked)}"


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is moved."""
    return Clock()


@pytest.fixture
def source() -> Source:
    """A store of texts."""
    return Source()


@pytest.fixture
def cache(source: Source, clock: Clock) -> Cache[str]:
    """A cache of texts."""
    return Cache(source, rules=RULES, clock=clock)


def test_an_answer_is_good_for_its_lifetime(cache: Cache[str], clock: Clock) -> None:
    """To the moment it ends."""
    answers = []
    for seconds in (0, 29.9, 30, 59.9, 60):
        clock.now = 1000.0 + seconds
        answers.append(cache.get("a"))
    assert answers == ["a1", "a1", "a2", "a2", "a3"]


def test_that_there_is_nothing_is_an_answer(cache: Cache[str], source: Source, clock: Clock) -> None:
    """Kept as long as any, and replaced by what comes."""
    source.absent = True
    assert [cache.get("a"), cache.get("a"), len(source.asked)] == [None, None, 1]
    source.absent = False
    clock.now += 30
    assert cache.get("a") == "a2"


def test_a_silent_store_is_asked_once_in_a_pause(cache: Cache[str], source: Source, clock: Clock) -> None:
    """The last answer serves meanwhile, and the next answer ends it."""
    cache.get("a")
    source.silent = True
    clock.now += 30
    assert [cache.get("a") for _ in range(5)] == ["a1"] * 5
    assert len(source.asked) == 2
    clock.now += ERROR_PAUSE
    source.silent = False
    assert cache.get("a") == "a3"


def test_a_stale_answer_serves_to_its_limit(cache: Cache[str], source: Source, clock: Clock) -> None:
    """Then the error is the answer."""
    cache.get("a")
    source.silent = True
    clock.now += 89.9
    assert cache.get("a") == "a1"
    clock.now += 0.1
    with pytest.raises(StoreUnavailableError):
        cache.get("a")


def test_what_was_never_answered_fails(cache: Cache[str], source: Source) -> None:
    """There is nothing to serve."""
    source.silent = True
    with pytest.raises(StoreUnavailableError):
        cache.get("a")


def test_a_lifetime_of_nothing_always_asks(source: Source, clock: Clock) -> None:
    """And still serves the last answer while the store is silent."""
    cache = Cache(source, rules=CacheRules(lifetime=0), clock=clock)
    assert [cache.get("a") for _ in range(3)] == ["a1", "a2", "a3"]
    source.silent = True
    assert cache.get("a") == "a3"


def test_answers_are_bounded_and_strangers_do_not_push_out_tenants(cache: Cache[str], source: Source) -> None:
    """What does not exist has its own bound."""
    for name in "abc":
        cache.get(name)
    source.absent = True
    for name in "vwxyz":
        cache.get(name)
    source.asked.clear()
    for name in "abcyzx":
        cache.get(name)
    assert source.asked == ["x"]


def test_what_is_forgotten_is_asked_again(cache: Cache[str], source: Source) -> None:
    """And a silent store then has no old answer to be served."""
    cache.get("a")
    cache.forget("a")
    assert cache.get("a") == "a2"
    cache.forget("a")
    source.silent = True
    with pytest.raises(StoreUnavailableError):
        cache.get("a")


class Gate:
    """A store that answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, name: str, _last: str | None) -> str | None:
        self.asked += 1
        number = self.asked
        self.entered.release()
        self.open.wait(10)
        return f"{name}{number}"


def test_threads_that_want_the_same_ask_once(clock: Clock) -> None:
    """All get the one answer."""
    gate = Gate()
    cache = Cache(gate, rules=RULES, clock=clock)
    answers: list[str | None] = []
    threads = [threading.Thread(target=lambda: answers.append(cache.get("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.entered.acquire()
    gate.open.set()
    for thread in threads:
        thread.join()
    assert answers == ["a1"] * 8


def test_tasks_that_want_the_same_ask_once(clock: Clock) -> None:
    """One thread for all of them, and a hit needs none; who gives up takes the answer from nobody."""
    gate = Gate()
    cache = Cache(gate, rules=RULES, clock=clock)
    aside = Threads(1)

    async def run() -> list[Any]:
        tasks = [asyncio.ensure_future(cache.fetch("a", aside)) for _ in range(50)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        gate.open.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(run())
    aside.close()
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == ["a1"] * 49
    assert gate.asked == 1


def test_an_answer_that_was_under_way_when_it_changed_is_not_kept(clock: Clock) -> None:
    """The next caller asks anew, also while the first still waits."""
    gate = Gate()
    cache = Cache(gate, rules=RULES, clock=clock)
    thread = threading.Thread(target=lambda: cache.get("a"))
    thread.start()
    gate.entered.acquire()
    cache.forget("a")
    gate.open.set()
    answers = [cache.get("a"), cache.get("a")]
    thread.join()
    assert answers == ["a2", "a2"]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Stores on disk."""
    return open_sqlite(tmp_path / "stores.db")


def _made(stores: Stores, tenant: str = "acme", **members: Any) -> PolicyVersion:
    document = {"version": 1, "tenant": tenant, **members}
    last = stores.policies.get(tenant)
    answer = (
        stores.policies.replace(tenant, last.etag, document, CHANGE)
        if last
        else stores.policies.create(tenant, document, CHANGE)
    )
    assert isinstance(answer, PolicyVersion)
    return answer


def _issuers(**members: Any) -> list[dict[str, Any]]:
    return [{"issuer": ISSUER, "audience": ["files"], **members}]


def _status(policies: PolicySource, tenant: str = "acme") -> str | None:
    policy = policies.get(tenant)
    return None if policy is None else policy.status


def test_suspending_is_at_once_in_this_process_and_later_in_others(stores: Stores, clock: Clock) -> None:
    """Others follow within the lifetime."""
    _made(stores)
    here, there = (PolicyCache(stores.policies, clock=clock, rules=RULES) for _ in range(2))
    assert [_status(here), _status(there)] == ["active", "active"]
    here.changed(_made(stores, status="suspended"))
    assert [_status(here), _status(there)] == ["suspended", "active"]
    clock.now += 30
    assert _status(there) == "suspended"


def test_a_lifetime_of_nothing_is_at_once_everywhere(stores: Stores, clock: Clock) -> None:
    """And parses a document only when it changed."""
    _made(stores)
    policies = PolicyCache(stores.policies, clock=clock, rules=CacheRules(lifetime=0))
    first = policies.get("acme")
    assert policies.get("acme") is first
    _made(stores, status="suspended")
    assert _status(policies) == "suspended"
    found = policies.in_force("acme")
    assert found is not None
    assert found.version == 2


def test_a_deleted_tenant_does_not_exist(stores: Stores, clock: Clock) -> None:
    """From the moment that this process is told."""
    made = _made(stores)
    policies = PolicyCache(stores.policies, clock=clock)
    assert _status(policies) == "active"
    gone = stores.policies.delete("acme", made.etag, CHANGE)
    assert isinstance(gone, PolicyVersion)
    policies.changed(gone)
    assert policies.get("acme") is None


def test_a_document_that_cannot_be_read_is_no_policy(stores: Stores, clock: Clock) -> None:
    """Somebody is told, and the tenant does not exist here."""
    told: list[PolicyVersion] = []
    made = _made(stores, invented="by a newer version")
    policies = PolicyCache(stores.policies, clock=clock, unreadable=told.append)
    assert policies.get("acme") is None
    assert told == [made]


def test_believers_are_found_with_their_rules(stores: Stores, clock: Clock) -> None:
    """As a folder of documents would say; a change is seen at once."""
    _made(stores, issuers=_issuers(tenant_claim="org"))
    _made(stores, "globex", issuers=_issuers(tenant_claim="team"))
    policies = PolicyCache(stores.policies, clock=clock)
    directory: IssuerDirectory = policies
    also: Directory = policies
    found = [(tenant, rule.tenant_claim) for tenant, rule in directory.issuers(ISSUER)]
    assert found == [("acme", "org"), ("globex", "team")]
    assert also.issuers("https://nobody.example") == ()
    policies.changed(_made(stores, "globex"))
    assert [tenant for tenant, _ in directory.issuers(ISSUER)] == ["acme"]


def test_prepared_answers_come_from_memory(stores: Stores, clock: Clock) -> None:
    """Policies, issuers and keys can be asked for beside the loop, so that what follows never waits."""
    _made(stores, issuers=_issuers())
    minted = mint_api_key(tenant="acme", name="k", scopes=("files:write",), now=1.0)
    stores.keys.create(minted.record)
    policies, keys = PolicyCache(stores.policies, clock=clock), ApiKeyCache(stores.keys, clock=clock)
    aside = Threads(2)

    async def run() -> None:
        await policies.prepare("acme", aside)
        await policies.prepare_issuer(ISSUER, aside)
        await keys.prepare(minted.record.id, aside)

    asyncio.run(run())
    aside.close()
    stores.keys.revoke("acme", minted.record.id)
    assert _status(policies) == "active"
    assert [tenant for tenant, _ in policies.issuers(ISSUER)] == ["acme"]
    assert keys.api_key(minted.record.id) == minted.record


def test_a_key_is_cached_until_it_is_used_revoked_or_old(stores: Stores, clock: Clock) -> None:
    """Its use is written once and seen at once."""
    minted = mint_api_key(tenant="acme", name="k", scopes=("files:write",), now=1.0)
    stores.keys.create(minted.record)
    cache = ApiKeyCache(stores.keys, clock=clock)
    source: ApiKeySource = cache
    assert source.api_key(minted.record.id) == minted.record
    source.api_key_used(minted.record.id, 500.0)
    used = source.api_key(minted.record.id)
    assert used is not None
    assert used.last_used_at == 500.0
    stores.keys.revoke("acme", minted.record.id)
    assert source.api_key(minted.record.id) is not None
    cache.changed(minted.record.id)
    assert source.api_key(minted.record.id) is None


def test_a_silent_store_of_keys_is_said_in_the_authenticators_words(clock: Clock) -> None:
    """So that admission fails closed."""

    class Silent:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            raise SourceUnavailableError("silent")

    cache = ApiKeyCache(Silent(), clock=clock)
    with pytest.raises(SourceUnavailableError):
        cache.api_key("a" * 16)
