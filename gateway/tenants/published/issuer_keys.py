"""Issuers' keys as the publisher knows them: fetched beside it, again and again, so that the edge never has to.

Fetches go through the same bounded fetcher as the servers' (no private address, one deadline), a few at a time, and
nobody waits for one: what is not known yet is published as not known, and told when it comes. Keys that can't be
fetched again stay good for a while; then they are not known any more.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from gateway.identity.discovery import load_text
from gateway.identity.encoding import parse_json
from gateway.identity.errors import JwtBaseError
from gateway.identity.fetch import DEADLINE, Fetcher
from gateway.identity.keyset import parse_jwks
from gateway.identity.source import JwksSource
from gateway.tenants.published.contents import Jwks, public_keys

_LOG: Final = logging.getLogger(__name__)

BACKOFF: Final = (5.0, 15.0, 60.0, 300.0)
"""Seconds without a new attempt after the first, second, … failed fetch in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTimes:
    """Seconds: between two fetches, and how much longer keys are good that can't be fetched again."""

    every: float = 300.0
    stale_limit: float = 3600.0


@dataclass(slots=True)
class _Known:
    keys: Jwks | None = None
    fetched_at: float = 0.0
    due_at: float = 0.0
    failures: int = 0
    flying: bool = False


class IssuerKeys:
    """Keys by source; `changed` is called, from any thread, with a source whose keys are others than before.

    `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        clock: Callable[[], float],
        changed: Callable[[JwksSource], None],
        times: KeyTimes | None = None,
        workers: int = 4,
    ) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._changed = changed
        self._times = times or KeyTimes()
        self._known: dict[JwksSource, _Known] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="issuer-keys")

    def get(self, source: JwksSource) -> Jwks | None:
        """What is known of the source's keys; a source that was never asked for is fetched from now on."""
        with self._lock:
            known = self._known.setdefault(source, _Known())
        self._fetch_if_due(source, known)
        return known.keys

    def remember(self, source: JwksSource, keys: Jwks, at: float) -> None:
        """Take keys that were published at `at` by an earlier process, unless something newer is known."""
        with self._lock:
            known = self._known.setdefault(source, _Known())
            if known.keys is None and known.fetched_at < at:
                known.keys, known.fetched_at = keys, at

    def look_after(self, wanted: Iterable[JwksSource]) -> None:
        """Begin the fetches that are due, and forget every source that is not among the wanted."""
        sources = set(wanted)
        with self._lock:
            for source in [source for source in self._known if source not in sources]:
                del self._known[source]
            known = list(self._known.items())
        for source, entry in known:
            self._fetch_if_due(source, entry)

    @property
    def is_fetching(self) -> bool:
        """Whether an answer is waited for."""
        with self._lock:
            return any(known.flying for known in self._known.values())

    def close(self) -> None:
        """Begin no fetch any more; one under way is left alone."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch_if_due(self, source: JwksSource, known: _Known) -> None:
        with self._lock:
            if known.flying or 0 <= self._clock() < known.due_at:
                return
            known.flying = True
        try:
            self._pool.submit(self._fetch, source, known)
        except RuntimeError:  # closed meanwhile
            known.flying = False

    def _fetch(self, source: JwksSource, known: _Known) -> None:
        before = known.keys
        try:
            known.keys = self._asked(source)
        except JwtBaseError as error:
            _LOG.warning("keys of %s for the edge: %s", source.issuer, error)
            self._failed(known)
        else:
            now = self._clock()
            known.fetched_at, known.due_at, known.failures = now, now + self._times.every, 0
        finally:
            known.flying = False
        if known.keys != before:
            self._changed(source)

    def _failed(self, known: _Known) -> None:
        now = self._clock()
        known.due_at = now + BACKOFF[min(known.failures, len(BACKOFF) - 1)]
        known.failures += 1
        if not 0 <= now - known.fetched_at < self._times.every + self._times.stale_limit:
            known.keys = None

    def _asked(self, source: JwksSource) -> Jwks:
        """The source's usable keys as JWKs, sorted so that another order is no change; raises identity's errors."""
        try:
            jwks = parse_json(load_text(self._fetcher, source, DEADLINE, self._clock))
        except (ValueError, RecursionError):
            raise JwtBaseError("JWKS is not valid JSON") from None
        usable = parse_jwks(jwks).keys
        listed = [key for key in jwks["keys"] if isinstance(key, dict) and key.get("kid") in usable]
        return public_keys(sorted(listed, key=lambda key: str(key["kid"])))
