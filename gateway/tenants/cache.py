"""What a store said, for a while: policies, believers of issuers and API keys on the hot path.

One rule for all three: an answer is good for its lifetime; then the store is asked again, by one caller for all that
wait; if it does not answer, what it last said is good for a limited time more, and is asked for once in a pause, not
once a request; after that the error is the answer, and admission fails closed. That something does not exist is an
answer too. Answers that exist and answers that do not are bounded apart, because strangers can ask for the second.

A hit is a dictionary look-up. A lifetime of 0 asks the store every time, for stores that are as near as memory.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

from gateway.identity.apikeys import ApiKeyRecord
from gateway.identity.errors import SourceUnavailableError
from gateway.policy.document import parse
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.tenants.aside import Aside
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.keys import ApiKeyStore
from gateway.tenants.policies import PolicyStore, PolicyVersion

Answer = TypeVar("Answer")

Told = Callable[[str], None]
"""Told of each look at the store, from whatever thread made it: `answered`, `failed`, or `old`, where the store was
silent and what it last said was used."""

ERROR_PAUSE: Final = 1.0
"""Seconds for which a store that did not answer is not asked for the same thing again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    """Seconds and counts.

    `lifetime`: how long an answer is good; a change is in force everywhere after it. `stale_limit`: how much longer
    it is good while the store does not answer. `most`, `most_absent`: answers kept that exist, and that do not.
    """

    lifetime: float = 30.0
    stale_limit: float = 300.0
    most: int = 100_000
    most_absent: int = 10_000


@dataclass(slots=True)
class _Kept(Generic[Answer]):
    """An answer (None: does not exist), until when it is fresh, and until when it may serve if the store is silent."""

    answer: Answer | None
    fresh_until: float
    stale_until: float


@dataclass(slots=True)
class _Asking(Generic[Answer]):
    """One question under way; whoever wants the same waits for it."""

    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    error: StoreUnavailableError | None = None
    outdated: bool = False


def _nobody(_result: str) -> None:
    """Hear nothing of it."""


class Cache(Generic[Answer]):
    """Answers of `ask` by name. For threads and, by `fetch`, for event loops.

    `ask` gets the name and the last answer, which it may give again; it raises `StoreUnavailableError`. `clock` is
    any monotonic one. `told` hears what became of each look at the store.
    """

    def __init__(
        self,
        ask: Callable[[str, Answer | None], Answer | None],
        *,
        rules: CacheRules,
        clock: Callable[[], float],
        told: Told = _nobody,
    ) -> None:
        self._ask = ask
        self._told = told
        self._rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._there: OrderedDict[str, _Kept[Answer]] = OrderedDict()
        self._absent: OrderedDict[str, _Kept[Answer]] = OrderedDict()
        self._asking: dict[str, _Asking[Answer]] = {}
        self._fetching: dict[tuple[int, str], asyncio.Task[Answer | None]] = {}

    def get(self, name: str) -> Answer | None:
        """The answer; where it is not fresh, this thread asks or waits for who does."""
        kept = self._kept(name)
        if kept is not None and self._clock() < kept.fresh_until:
            return kept.answer
        return self._asked(name)

    async def fetch(self, name: str, aside: Aside) -> Answer | None:
        """The answer; where it is not fresh, the store is asked beside the event loop."""
        kept = self._kept(name)
        if kept is not None and self._clock() < kept.fresh_until:
            return kept.answer
        place = (id(asyncio.get_running_loop()), name)
        fetching = self._fetching.get(place)
        if fetching is None:
            fetching = self._fetching[place] = asyncio.ensure_future(_beside(aside, lambda: self._asked(name)))
            fetching.add_done_callback(lambda done: self._fetched(place, done))
        return await asyncio.shield(fetching)  # whoever gives up takes the answer from nobody else

    def forget(self, name: str) -> None:
        """Ask again at the next call; what is being answered at this moment is not kept."""
        with self._lock:
            self._there.pop(name, None)
            self._absent.pop(name, None)
            if under_way := self._asking.pop(name, None):
                under_way.outdated = True
            for place in [place for place in self._fetching if place[1] == name]:
                del self._fetching[place]

    def forget_all(self) -> None:
        """Forget every answer."""
        with self._lock:
            names = {*self._there, *self._absent, *self._asking}
        for name in names:
            self.forget(name)

    def _fetched(self, place: tuple[int, str], done: "asyncio.Task[Answer | None]") -> None:
        with self._lock:
            if self._fetching.get(place) is done:
                del self._fetching[place]
        if not done.cancelled():
            done.exception()  # seen, also if nobody waits any more

    def _kept(self, name: str) -> _Kept[Answer] | None:
        return self._there.get(name) or self._absent.get(name)

    def _asked(self, name: str) -> Answer | None:
        with self._lock:
            asking = self._asking.get(name)
            mine = asking is None
            if asking is None:
                asking = self._asking[name] = _Asking()
        if not mine:
            asking.done.wait()
        else:
            self._answer(name, asking)
        if asking.error is not None:
            raise asking.error
        return asking.answer

    def _answer(self, name: str, asking: _Asking[Answer]) -> None:
        kept = self._kept(name)
        began = self._clock()
        try:
            asking.answer = self._ask(name, kept.answer if kept else None)
        except StoreUnavailableError as error:
            self._not_answered(kept, asking, error)
            self._told("old" if asking.error is None else "failed")
        except BaseException:
            asking.error = StoreUnavailableError("the store's answer can't be used")
            raise
        else:
            self._keep(name, asking, began)
            self._told("answered")
        finally:
            with self._lock:
                if self._asking.get(name) is asking:
                    del self._asking[name]
            asking.done.set()

    def _not_answered(self, kept: _Kept[Answer] | None, asking: _Asking[Answer], error: StoreUnavailableError) -> None:
        now = self._clock()
        if kept is None or now >= kept.stale_until or asking.outdated:
            asking.error = error
            return
        asking.answer = kept.answer
        kept.fresh_until = min(now + ERROR_PAUSE, kept.stale_until)

    def _keep(self, name: str, asking: _Asking[Answer], began: float) -> None:
        fresh_until = began + self._rules.lifetime
        kept = _Kept(asking.answer, fresh_until, fresh_until + self._rules.stale_limit)
        into, out_of, most = self._there, self._absent, self._rules.most
        if asking.answer is None:
            into, out_of, most = self._absent, self._there, self._rules.most_absent
        with self._lock:
            if asking.outdated:
                return
            out_of.pop(name, None)
            into[name] = kept
            into.move_to_end(name)
            while len(into) > most:
                into.popitem(last=False)


async def _beside(aside: Aside, call: Callable[[], Answer | None]) -> Answer | None:
    return await aside(call)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyInForce:
    """A policy and which version of the tenant's document it is."""

    policy: Policy
    version: int
    etag: str


class PolicyCache:
    """A `PolicySource` and an `IssuerDirectory` over a `PolicyStore`.

    A document that can't be parsed (a newer version wrote it) is no policy: its tenant does not exist here, and
    `unreadable` is told of it, as `told` is of each look at the store. Raises `StoreUnavailableError`.
    """

    def __init__(
        self,
        store: PolicyStore,
        *,
        clock: Callable[[], float],
        rules: CacheRules | None = None,
        allow_private_issuers: bool = False,
        unreadable: Callable[[PolicyVersion], Any] | None = None,
        told: Told = _nobody,
    ) -> None:
        self._store = store
        self._allow_private_issuers = allow_private_issuers
        self._unreadable = unreadable
        rules = rules or CacheRules()
        self._policies: Cache[PolicyInForce] = Cache(self._ask_policy, rules=rules, clock=clock, told=told)
        self._believers: Cache[tuple[str, ...]] = Cache(self._ask_believers, rules=rules, clock=clock, told=told)

    def get(self, tenant: str) -> Policy | None:
        """The policy in force."""
        found = self._policies.get(tenant)
        return None if found is None else found.policy

    def in_force(self, tenant: str) -> PolicyInForce | None:
        """The policy in force and its version."""
        return self._policies.get(tenant)

    async def prepare(self, tenant: str, aside: Aside) -> None:
        """Have `get` answer from memory; a miss is asked for beside the event loop."""
        await self._policies.fetch(tenant, aside)

    async def prepare_issuer(self, issuer: str, aside: Aside) -> None:
        """Have `issuers` answer from memory."""
        for tenant in await self._believers.fetch(issuer, aside) or ():
            await self._policies.fetch(tenant, aside)

    def issuers(self, issuer: str) -> tuple[tuple[TenantId, IssuerRule], ...]:
        """The tenants that name exactly this issuer, each with its rule."""
        return tuple(
            (policy.tenant, rule)
            for tenant in self._believers.get(issuer) or ()
            if (policy := self.get(tenant)) is not None
            for rule in policy.issuers
            if rule.issuer == issuer
        )

    def changed(self, version: PolicyVersion) -> None:
        """A change was made here: nothing older is used from now on in this process, also where a look is under way."""
        self._policies.forget(version.tenant)
        self._believers.forget_all()

    def _ask_policy(self, tenant: str, last: PolicyInForce | None) -> PolicyInForce | None:
        version = self._store.get(tenant)
        if version is None or version.text is None:
            return None
        if last is not None and last.etag == version.etag:
            return last
        policy = parse(version.document, allow_private_issuers=self._allow_private_issuers)
        if not isinstance(policy, Policy) or policy.tenant != tenant:
            if self._unreadable is not None:
                self._unreadable(version)
            return None
        policy = replace(policy, revision=version.version)
        return PolicyInForce(policy=policy, version=version.version, etag=version.etag)

    def _ask_believers(self, issuer: str, _last: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return self._store.believers(issuer) or None


class ApiKeyCache:
    """An `ApiKeySource` over an `ApiKeyStore`; raises `SourceUnavailableError`."""

    def __init__(self, store: ApiKeyStore, *, clock: Callable[[], float], rules: CacheRules | None = None) -> None:
        self._store = store
        self._records: Cache[ApiKeyRecord] = Cache(self._ask_record, rules=rules or CacheRules(), clock=clock)

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record of this id."""
        try:
            return self._records.get(key_id)
        except StoreUnavailableError as error:
            raise SourceUnavailableError("The store of API keys does not answer", error.retry_after) from error

    async def prepare(self, key_id: str, aside: Aside) -> None:
        """Have `api_key` answer from memory; raises `StoreUnavailableError`."""
        await self._records.fetch(key_id, aside)

    def api_key_used(self, key_id: str, at: float) -> None:
        """Keep the use in the store; the record is asked for again, or each request would report its use."""
        self._store.api_key_used(key_id, at)
        self._records.forget(key_id)

    def changed(self, key_id: str) -> None:
        """The key was made or revoked here."""
        self._records.forget(key_id)

    def _ask_record(self, key_id: str, _last: ApiKeyRecord | None) -> ApiKeyRecord | None:
        try:
            return self._store.api_key(key_id)
        except SourceUnavailableError as error:
            raise StoreUnavailableError(str(error), error.retry_after) from error
