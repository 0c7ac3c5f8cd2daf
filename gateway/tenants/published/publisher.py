"""Keeps the edge's documents as the stores are: soon after every change, and before any of them is over.

A change is told by whoever made it and is in S3 as soon as S3 takes it; one that was made elsewhere, or that a crash
kept from being told, is found by looking at the stores. Order, so that a crash between any two writes opens nothing:

- what takes something away (a deletion, a suspension) before what gives;
- a tenant's document before the index that leads to it. The index alone grants nothing.

The index is written only after every tenant has been seen, and again after another publisher wrote it, so that none is
left out by a publisher that has not heard of it. Several publishers may run; `writer` keeps them from each other's way.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.identity.fetch import Fetcher
from gateway.identity.rules import jwks_source
from gateway.identity.source import JwksSource
from gateway.policy.model import IssuerRule
from gateway.tenants.published.contents import (
    ROOT,
    IndexPart,
    Jwks,
    part_content,
    part_name,
    part_of,
    published_keys,
    read_part,
    root_content,
    tenant_content,
    tenant_name,
)
from gateway.tenants.published.index import Listed, names_of, parts_with
from gateway.tenants.published.issuer_keys import IssuerKeys, KeyTimes
from gateway.tenants.published.leasing import NothingShared, Sharing
from gateway.tenants.published.signing import DocumentError
from gateway.tenants.published.source import TenantState, TenantStates
from gateway.tenants.published.writer import DocumentWriter, Outcome

_LOG: Final = logging.getLogger(__name__)

BACKOFF: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds without a new attempt after the first, second, … failure in a row."""

MOST_CONFLICTS: Final = 8
"""Attempts at one tenant's document while others write it, too."""

BATCH: Final = 64
"""Tenants between two looks at what else came in, so that a suspension does not wait for all who came before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSettings:
    """`parts`: of the index. `look_every`: seconds between two looks at the stores. `tick`: the longest idle time."""

    parts: int = 16
    look_every: float = 60.0
    tick: float = 5.0


class Publisher:
    """Writes the documents. `run` is its thread's; the methods that tell of a change may be called from any.

    `shared` are the operator's issuers for tenants; operators' own are no business of the edge's.
    """

    def __init__(
        self,
        states: TenantStates,
        writer: DocumentWriter,
        *,
        shared: Sequence[IssuerRule],
        fetcher: Fetcher,
        clock: Callable[[], float],
        settings: PublisherSettings | None = None,
        key_times: KeyTimes | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self._sharing = sharing or NothingShared()
        self._states = states
        self._writer = writer
        self._shared = tuple(shared)
        self._clock = clock
        self._settings = settings or PublisherSettings()
        self._issuer_keys = IssuerKeys(fetcher, clock=clock, changed=self._issuer_changed, times=key_times)
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._dirty: dict[str, None] = {}
        self._dirty_keys: dict[str, None] = {}
        self._owners: dict[str, str] = {}
        self._listed: dict[str, Listed] = {}
        self._marks: dict[str, object] = {}
        self._parts_due: set[int] = set()
        self._root_due = True
        self._looked_at: float | None = None
        self._failures = 0

    def tenant_changed(self, tenant: str) -> None:
        """The tenant's policy or one of its keys is another now."""
        with self._lock:
            self._dirty[tenant] = None
        self._wake.set()

    def key_changed(self, key_id: str) -> None:
        """The API key was made or revoked."""
        with self._lock:
            self._dirty_keys[key_id] = None
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set; whoever sets it calls `nudge` too."""
        while not stop.is_set():
            self._wake.wait(self.step())
            self._wake.clear()
        self._issuer_keys.close()

    def nudge(self) -> None:
        """End the present wait."""
        self._wake.set()

    def step(self) -> float:
        """Do what is due now; returns the seconds until something may be due if nobody tells of a change."""
        try:
            self._publish()
        except OSError as error:
            return self._failed(f"{error}")
        except Exception:  # noqa: BLE001 - without this thread every document would soon be over
            _LOG.exception("The edge's documents can't be written")
            return self._failed("a defect")
        self._failures = 0
        return self._settings.tick

    def _failed(self, why: str) -> float:
        wait = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        _LOG.warning("The edge's documents wait %s s: %s", wait, why)
        return wait

    @property
    def is_behind(self) -> bool:
        """Whether something waits to be written."""
        with self._lock:
            return bool(self._dirty or self._dirty_keys or self._parts_due or self._root_due or self._looked_at is None)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be written, and no issuer's answer is waited for."""
        return not (self.is_behind or self._issuer_keys.is_fetching)

    def _publish(self) -> None:
        if self._look_due():
            self._look()
        self._tenants()
        self._parts()
        self._root()
        self._issuer_keys.look_after(self._sources())

    # Looking at the stores

    def _look_due(self) -> bool:
        if self._looked_at is None:
            return True
        return not 0 <= self._clock() - self._looked_at < self._settings.look_every

    def _look(self) -> None:
        """Find the tenants that changed without a word, those whose documents grow old, and those that are gone."""
        began = self._clock()
        published = self._published_before() if self._looked_at is None else ()
        marks = dict(self._states.marks())
        changed = [tenant for tenant, mark in marks.items() if self._marks.get(tenant) != mark]
        old = [each for each in marks if self._writer.is_due(tenant_name(each)) or self._sharing.is_due(each)]
        gone = [tenant for tenant in (*published, *self._listed) if tenant not in marks]
        with self._lock:
            self._dirty.update(dict.fromkeys((*gone, *changed, *old)))
        self._marks = marks
        self._looked_at = began

    def _published_before(self) -> tuple[str, ...]:
        """The tenants that the index in S3 lists, from before this process began."""
        parts = (self._part_in_s3(number) for number in range(self._settings.parts))
        return tuple(tenant for part in parts for tenant in part.tenants)

    def _part_in_s3(self, number: int) -> IndexPart:
        document = self._writer.look(part_name(number, self._settings.parts))
        self._parts_due.add(number)
        try:
            return IndexPart() if document is None else read_part(document.content)
        except DocumentError:
            return IndexPart()

    # Writing

    def _tenants(self) -> None:
        while True:
            self._owners_of_keys()
            with self._lock:
                batch = list(self._dirty)[:BATCH]
            if not batch:
                return
            states = sorted((self._states.get(tenant) for tenant in batch), key=lambda state: state.uploads)
            for state in states:
                with self._lock:
                    self._dirty.pop(state.tenant, None)
                try:
                    self._tenant(state.tenant)
                except OSError:
                    self.tenant_changed(state.tenant)
                    raise

    def _owners_of_keys(self) -> None:
        """Turn keys that changed into the tenants whose they are, or were."""
        with self._lock:
            keys = list(self._dirty_keys)
        for key in keys:
            owner = self._owners.get(key) or self._states.owner(key)
            with self._lock:
                self._dirty_keys.pop(key, None)
                if owner is not None:
                    self._dirty[owner] = None

    def _look_at(self, name: str) -> Mapping[str, Any]:
        """Look at a document before it is written, and take over the issuers' keys that are in its content."""
        document = self._writer.look(name)
        if document is None:
            return {}
        for source, keys in published_keys(document.content).items():
            self._issuer_keys.remember(source, keys, document.issued_at)
        return document.content

    def _tenant(self, tenant: str) -> None:
        name = tenant_name(tenant)
        for _ in range(MOST_CONFLICTS):
            if not self._writer.is_known(name):
                self._sharing.remember(tenant, self._look_at(name))
            state = self._states.get(tenant)  # after the look: see `writer`
            keys = self._keys_for(state)
            share = self._sharing.share(state.policy)
            content = tenant_content(state.policy, state.version, keys, state.api_keys, share)
            if self._writer.attempt(name, content) is not Outcome.CONFLICT:
                break
        else:
            raise OSError(f"others keep writing {name}")
        self._sharing.published(tenant)
        self._list(state)
        if keys != self._keys_for(state):  # they came before the tenant was listed among those they concern
            self.tenant_changed(tenant)
        if state.policy is None:
            self._writer.forget(name)

    def _keys_for(self, state: TenantState) -> dict[JwksSource, Jwks | None]:
        """What is known now of the keys of the tenant's own issuers."""
        issuers = () if state.policy is None else state.policy.issuers
        return {source: self._issuer_keys.get(source) for source in map(jwks_source, issuers)}

    def _list(self, state: TenantState) -> None:
        """Take the tenant into the index as it was just written."""
        before = self._listed.get(state.tenant)
        after = None
        if state.policy is not None:
            after = Listed(
                issuers=frozenset(rule.issuer for rule in state.policy.issuers),
                api_keys=frozenset(record.id for record in state.api_keys),
                sources=frozenset(map(jwks_source, state.policy.issuers)),
            )
        with self._lock:
            if after is None:
                self._listed.pop(state.tenant, None)
            else:
                self._listed[state.tenant] = after
        for key in () if before is None else before.api_keys:
            self._owners.pop(key, None)
        self._owners.update(dict.fromkeys(() if after is None else after.api_keys, state.tenant))
        if before != after:
            self._parts_due |= {self._part_of(text) for text in names_of(state.tenant, before, after)}

    def _part_of(self, text: str) -> int:
        return part_of(text, self._settings.parts)

    def _parts(self) -> None:
        """Write the parts that are due; one that somebody else wrote waits until the stores were looked at again."""
        names = {number: part_name(number, self._settings.parts) for number in range(self._settings.parts)}
        due = self._parts_due | {number for number, name in names.items() if self._writer.is_due(name)}
        contents = parts_with(self._listed, due, self._settings.parts)
        for number in sorted(due):
            if not self._writer.is_known(names[number]):
                self._writer.look(names[number])
                self._looked_at = None if self._looked_at is None else float("-inf")
                continue
            if self._writer.attempt(names[number], part_content(contents[number])) is Outcome.CONFLICT:
                self._parts_due.add(number)
                continue
            self._parts_due.discard(number)
        if self._parts_due:
            self.nudge()

    def _root(self) -> None:
        if not (self._root_due or self._writer.is_due(ROOT)):
            return
        if not self._writer.is_known(ROOT):
            self._look_at(ROOT)
        self._root_due = False  # before the keys are asked for, so that what comes meanwhile is not lost
        keys = {source: self._issuer_keys.get(source) for source in map(jwks_source, self._shared)}
        try:
            outcome = self._writer.attempt(ROOT, root_content(self._shared, keys, self._settings.parts))
        except OSError:
            self._root_due = True
            raise
        if outcome is Outcome.CONFLICT:
            self._root_due = True
            self.nudge()

    # Issuers

    def _sources(self) -> set[JwksSource]:
        own = {source for listed in self._listed.values() for source in listed.sources}
        return own | set(map(jwks_source, self._shared))

    def _issuer_changed(self, source: JwksSource) -> None:
        """An issuer's keys are others now, or known for the first time (a thread of `IssuerKeys` tells)."""
        with self._lock:
            self._root_due = self._root_due or source in set(map(jwks_source, self._shared))
            concerned = [tenant for tenant, listed in self._listed.items() if source in listed.sources]
            self._dirty.update(dict.fromkeys(concerned))
        self._wake.set()
