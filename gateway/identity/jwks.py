"""The cache of issuers' keys: when keys may be believed, when an issuer may be asked, who waits for the answer.

    age of what is cached         kid is there                       kid is not there
    ---------------------------   --------------------------------   -----------------------------------------
    under `prefetch_age`          used                               one fetch a `cooldown`, the asker waits
    under `max_age`               used; one fetch, nobody waits      the same
    under `+ stale_if_error`      the first asker waits for a fetch; only while fetches fail it is still used,
                                  with a new attempt in the background whenever the back-off allows
    older, or nothing cached      one fetch, the asker waits; `JwksUnavailableError` while fetches fail

A key that the issuer withdrew is so believed for `max_age` at most, and for `stale_if_error` more only while the
issuer can't be reached. A hit takes no lock, starts nothing and waits for nothing. A fetch runs in a thread of its
own, because resolving a name can't be interrupted; all who need it wait for the same one, in threads or in an event
loop, and none longer than its deadline.

The clock is the wall clock, and an age below zero is as old as can be: after the clock was set back, or a frozen
process woke up, keys are fetched again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any, Final

from gateway.identity.discovery import load
from gateway.identity.errors import (
    FetchError,
    JwksNotAvailableInCacheError,
    JwksUnavailableError,
    JwtBaseError,
    WaitPeriodNotYetEndedJwkError,
)
from gateway.identity.fetch import DEADLINE, Fetcher, HttpsFetcher
from gateway.identity.keys import SigningKey
from gateway.identity.keyset import KeySet, parse_jwks
from gateway.identity.source import JwksSource

_LOG: Final = logging.getLogger(__name__)

BACKOFF: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds without a new attempt after the first, second, … failed fetch in a row."""

_WANTED_LIMIT: Final = 64

Spawn = Callable[[Callable[[], None]], None]
"""Runs a function beside its caller."""


def in_thread(work: Callable[[], None]) -> None:
    """Run it in a thread that keeps no process alive."""
    Thread(target=work, daemon=True, name="jwks-fetch").start()


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksTimes:
    """How long keys are believed and issuers left alone; seconds.

    `max_age` infinite means never to expire, for keys that were loaded and can't be fetched.
    """

    max_age: float = 300.0
    prefetch_age: float = 240.0
    stale_if_error: float = 3600.0
    cooldown: float = 10.0
    deadline: float = DEADLINE


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A key set and the time it was asked for: what is published later can't be in it."""

    keys: KeySet
    at: float


@dataclass(slots=True, eq=False)
class _Flight:
    """A fetch under way, the `kid`s it was begun for, and what its end tells those who wait."""

    started: float
    wanted: set[str] = field(default_factory=set)
    landed: "Future[None]" = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class _Entry:
    """What is known of one source. `snapshot` is replaced whole, so reading it needs no lock."""

    snapshot: _Snapshot | None = None
    flight: _Flight | None = None
    failures: int = 0
    failed_at: float = 0.0
    missed_at: float | None = None


def _within(start: float, length: float, now: float) -> bool:
    return 0 <= now - start < length


class JwksCache:
    """Keys by source and `kid`, fetched when they are needed and no oftener than they may be.

    `max_sources` bounds memory, `max_flights` threads; `spawn` runs a fetch beside its caller.
    """

    def __init__(
        self,
        fetcher: Fetcher | None = None,
        *,
        times: JwksTimes | None = None,
        clock: Callable[[], float] = time.time,
        spawn: Spawn = in_thread,
        max_sources: int = 1024,
        max_flights: int = 64,
    ) -> None:
        self._fetcher = fetcher or HttpsFetcher()
        self._times = times or JwksTimes()
        self._clock = clock
        self._spawn = spawn
        self._max_sources = max_sources
        self._free_flights = max_flights
        self._entries: dict[JwksSource, _Entry] = {}
        self._lock = Lock()

    def get_cached_jwk(self, source: JwksSource, kid: str) -> SigningKey | None:
        """The key, where that takes no I/O and nothing is due; None says to use `get_jwk`."""
        entry = self._entries.get(source)
        if entry is None or entry.snapshot is None:
            return None
        if 0 <= self._clock() - entry.snapshot.at < self._times.prefetch_age:
            return entry.snapshot.keys.keys.get(kid)
        return None

    def get_jwk_without_io(self, source: JwksSource, kid: str) -> SigningKey:
        """The key where what is cached may still be believed, or an error; nothing is ever fetched."""
        entry = self._entries.get(source)
        if entry is None or entry.snapshot is None or not self._believed(entry, self._clock()):
            raise JwksNotAvailableInCacheError("The issuer's keys are not in the cache, use verify or cache_jwks")
        return entry.snapshot.keys.find(kid)

    def believes(self, source: JwksSource) -> bool:
        """Whether there are keys of this source that may still be believed; nothing is ever fetched."""
        entry = self._entries.get(source)
        return entry is not None and self._believed(entry, self._clock())

    def get_jwk(self, source: JwksSource, kid: str) -> SigningKey:
        """The key, fetched if need be; blocks for a fetch at most. Raises this room's errors."""
        found = self._ask(source, kid)
        if isinstance(found, SigningKey):
            return found
        self._wait(found)
        return self._answer(source, kid)

    async def get_jwk_async(self, source: JwksSource, kid: str) -> SigningKey:
        """As `get_jwk`, from an event loop, which it does not block."""
        found = self._ask(source, kid)
        if isinstance(found, SigningKey):
            return found
        await self._wait_async(found)
        return self._answer(source, kid)

    def hydrate(self, sources: Iterable[JwksSource]) -> None:
        """Fetch the keys of all of these now, side by side; raises where not one could be had."""
        flights = self._begin_all(sources)
        errors = [self._outcome(source, flight) for source, flight in flights]
        if errors and None not in errors:
            raise errors[0] or JwksUnavailableError("No issuer's keys could be fetched")

    async def hydrate_async(self, sources: Iterable[JwksSource]) -> None:
        """As `hydrate`, from an event loop."""
        flights = self._begin_all(sources)
        for _, flight in flights:
            with suppress(JwksUnavailableError):
                await self._wait_async(flight)
        errors = [self._outcome(source, None) for source, _ in flights]
        if errors and None not in errors:
            raise errors[0] or JwksUnavailableError("No issuer's keys could be fetched")

    def get_jwks(self, source: JwksSource) -> KeySet:
        """Fetch the keys now, whatever is cached, unless a fetch is under way; raises where that fails."""
        self.hydrate((source,))
        return self._believed_keys(source)

    def add_jwks(self, source: JwksSource, jwks: Mapping[str, Any] | KeySet) -> KeySet:
        """Put keys in place of the source's, as if fetched now; raises `JwksValidationError`."""
        keys = jwks if isinstance(jwks, KeySet) else parse_jwks(jwks)
        with self._lock:
            self._store(self._entry(source), keys, self._clock())
        return keys

    def _entry(self, source: JwksSource) -> _Entry:
        entry = self._entries.get(source)
        if entry is None:
            if len(self._entries) >= self._max_sources:
                self._evict()
            entry = self._entries[source] = _Entry()
        return entry

    def _evict(self) -> None:
        """Forget the source whose keys are oldest; one with a fetch under way stays."""
        idle = [(e.snapshot.at if e.snapshot else 0.0, s) for s, e in self._entries.items() if e.flight is None]
        if not idle:
            raise JwksUnavailableError("Too many issuers at once")
        del self._entries[min(idle, key=lambda pair: pair[0])[1]]

    def _believed(self, entry: _Entry, now: float) -> bool:
        if entry.snapshot is None:
            return False
        grace = self._times.stale_if_error if entry.failures else 0.0
        return _within(entry.snapshot.at, self._times.max_age + grace, now)

    def _ask(self, source: JwksSource, kid: str) -> SigningKey | _Flight:
        """The key, or the fetch to wait for; begins one where the table above says so."""
        now = self._clock()
        with self._lock:
            entry = self._entry(source)
            self._bury(entry, now)
            key = entry.snapshot.keys.keys.get(kid) if entry.snapshot and self._believed(entry, now) else None
            if key and (entry.flight or not self._may_refresh(entry, now)):
                return key
            if entry.flight is None:
                self._check_may_ask(entry, now)
                flight = self._take_off(entry, now)
            elif key is None:
                flight = entry.flight
                self._want(flight, kid)
                return flight
            if key is None:
                self._want(flight, kid)
        self._launch(source, entry, flight)
        return key or flight

    def _may_refresh(self, entry: _Entry, now: float) -> bool:
        return self._due(entry, now) and not self._backing_off(entry, now) and self._free_flights > 0

    def _due(self, entry: _Entry, now: float) -> bool:
        return entry.snapshot is None or not _within(entry.snapshot.at, self._times.prefetch_age, now)

    def _backing_off(self, entry: _Entry, now: float) -> float:
        """Seconds until another attempt may be made; 0 for now."""
        if not entry.failures:
            return 0.0
        length = BACKOFF[min(entry.failures, len(BACKOFF)) - 1]
        return length - (now - entry.failed_at) if _within(entry.failed_at, length, now) else 0.0

    def _check_may_ask(self, entry: _Entry, now: float) -> None:
        wait = self._backing_off(entry, now)
        if wait > 0:
            raise JwksUnavailableError("The issuer's keys could not be fetched", retry_after=wait)
        fresh = entry.snapshot is not None and not self._due(entry, now)
        if fresh and entry.missed_at is not None and _within(entry.missed_at, self._times.cooldown, now):
            raise WaitPeriodNotYetEndedJwkError("A kid was not among the issuer's keys; not asking again yet")

    def _want(self, flight: _Flight, kid: str) -> None:
        if len(flight.wanted) < _WANTED_LIMIT:
            flight.wanted.add(kid)

    def _bury(self, entry: _Entry, now: float) -> None:
        """A fetch that outlived its deadline (a resolver that hangs, a frozen process) counts as failed."""
        if entry.flight and not _within(entry.flight.started, 2 * self._times.deadline, now):
            self._failed(entry, now)
            entry.flight = None

    def _failed(self, entry: _Entry, now: float) -> None:
        entry.failures += 1
        entry.failed_at = now

    def _take_off(self, entry: _Entry, now: float) -> _Flight:
        if self._free_flights <= 0:
            raise JwksUnavailableError("Too many fetches at once")
        self._free_flights -= 1
        entry.flight = _Flight(now)
        return entry.flight

    def _begin_all(self, sources: Iterable[JwksSource]) -> list[tuple[JwksSource, _Flight]]:
        return [(source, self._begin_unless_flying(source)) for source in sources]

    def _begin_unless_flying(self, source: JwksSource) -> _Flight:
        now = self._clock()
        with self._lock:
            entry = self._entry(source)
            self._bury(entry, now)
            if entry.flight:
                return entry.flight
            flight = self._take_off(entry, now)
        self._launch(source, entry, flight)
        return flight

    def _outcome(self, source: JwksSource, flight: _Flight | None) -> JwksUnavailableError | None:
        """Why there are no keys to be believed after a fetch; None where there are."""
        try:
            if flight:
                self._wait(flight)
            self._believed_keys(source)
        except JwksUnavailableError as error:
            return error
        return None

    def _launch(self, source: JwksSource, entry: _Entry, flight: _Flight) -> None:
        flight.landed.set_running_or_notify_cancel()

        def fly() -> None:
            keys: KeySet | None = None
            try:
                keys = load(self._fetcher, source, self._times.deadline, self._clock)
            except JwtBaseError as error:
                _LOG.warning("keys of %s: %s", source.issuer, error)
            except Exception:  # noqa: BLE001 - a fetcher may be anybody's; whoever waits must be told all the same
                _LOG.exception("keys of %s", source.issuer)
            finally:
                self._land(entry, flight, keys)
                flight.landed.set_result(None)
            for reason in keys.skipped if keys else ():
                _LOG.warning("keys of %s: skipped %s", source.issuer, reason)

        self._spawn(fly)

    def _land(self, entry: _Entry, flight: _Flight, keys: KeySet | None) -> None:
        now = self._clock()
        with self._lock:
            self._free_flights += 1
            if entry.flight is not flight:
                return
            entry.flight = None
            if keys is None:
                self._failed(entry, now)
                return
            self._store(entry, keys, flight.started)
            entry.missed_at = now if any(kid not in keys.keys for kid in flight.wanted) else None

    def _store(self, entry: _Entry, keys: KeySet, at: float) -> None:
        """Keys that are still the same keep their parsed form, and what was precomputed in it."""
        old = entry.snapshot.keys.keys if entry.snapshot else {}
        kept = {kid: _same_or_new(old.get(kid), key) for kid, key in keys.keys.items()}
        entry.snapshot = _Snapshot(KeySet(kept, keys.skipped), at)
        entry.failures = 0

    def _wait(self, flight: _Flight) -> None:
        try:
            flight.landed.result(timeout=self._patience)
        except TimeoutError:
            raise JwksUnavailableError("The issuer's keys were not there in time") from None

    async def _wait_async(self, flight: _Flight) -> None:
        import asyncio  # noqa: PLC0415 - whoever has no event loop need not pay for it

        landed: asyncio.Future[None] = asyncio.wrap_future(flight.landed)
        try:
            await asyncio.wait_for(asyncio.shield(landed), self._patience)
        except TimeoutError:
            raise JwksUnavailableError("The issuer's keys were not there in time") from None

    @property
    def _patience(self) -> float:
        """Real seconds: a little over the fetch's own deadline, whatever hangs in it."""
        return self._times.deadline + 0.5

    def _answer(self, source: JwksSource, kid: str) -> SigningKey:
        keys = self._believed_keys(source)
        if kid not in keys.keys and self._entries[source].failures:
            # It may be a new key: as long as the issuer can't be asked, nobody can say that the token is bad.
            raise JwksUnavailableError("The issuer's keys could not be fetched")
        return keys.find(kid)

    def _believed_keys(self, source: JwksSource) -> KeySet:
        now = self._clock()
        entry = self._entries.get(source)
        if entry is None or entry.snapshot is None or not self._believed(entry, now):
            wait = self._backing_off(entry, now) if entry else 1.0
            raise JwksUnavailableError("The issuer's keys could not be fetched", retry_after=wait)
        return entry.snapshot.keys


def _same_or_new(old: SigningKey | None, new: SigningKey) -> SigningKey:
    return old if old and old.thumbprint == new.thumbprint and old.alg == new.alg else new


class NoFetcher:
    """For caches that are filled by hand: whatever is asked for can't be had."""

    def fetch(self, uri: str, deadline: float) -> bytes:
        """Always `FetchError`."""
        del deadline
        raise FetchError(uri, "this cache does not fetch")
