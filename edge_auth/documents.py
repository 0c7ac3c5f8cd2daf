"""Published documents as one sandbox holds them: fetched when needed, believed for a while, never older than before.

    what is kept                             S3 answers well       S3 does not, or with what is not believed
    --------------------------------------   -------------------   -----------------------------------------
    younger than `lifetime`                  used, nothing asked   used, nothing asked
    older, and `stale_limit` is not over     replaced              used; asked again after a pause
    older still, or nothing, or its time     replaced              `StoreUnavailableError`; asked again after
    (`not_after`) is over                                          a pause

"Not believed": no valid signature of a key of the ring, another name, a time that is over or to come, a lower version
than one that was believed, something other than its place says, or no object where there was one before (a tenant that
ends has a document that says so). Who asks waits for its own time at most; the fetch goes on beside it and serves the
next. Everything is bounded: names, bytes, seconds.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from gateway.storage.small import ObjectError, SmallObject
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.published.signing import MAX_SKEW, Document, DocumentError, Ring, check_time, unseal

_LOG: Final = logging.getLogger(__name__)

Value = TypeVar("Value")

MOST_BYTES: Final = 5 * 1_048_576
"""Of sealed documents that are kept; parsed they take four times as much (`benchmarks/edge_memory.py`), and a sandbox
has 128 MB for everything. The newest one is kept, whatever its size."""

LEAST: Final = 512
"""Bytes that a document counts for at least, and so does a name that has none."""

MOST_NAMES: Final = 10_000
"""Names that are kept or remembered; a token has to be valid before a name of a tenant's is asked for."""

ATTEMPTS: Final = 2


class Objects(Protocol):
    """Where documents are (`gateway.storage.small.SmallObjects`)."""

    def get(self, key: str, *, within: float) -> SmallObject | None:
        """The object, None where there is none; raises `OSError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds: `lifetime` of a document without a look, `stale_limit` more if S3 is silent, `pause` after a failure.

    `attempt` bounds one GET.
    """

    lifetime: float = 30.0
    stale_limit: float = 300.0
    pause: float = 1.0
    attempt: float = 2.0


class Elapsed:
    """Seconds that went by, each step by whichever of two clocks says more: one may be set back, the other frozen."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._last = (wall(), monotonic())
        self._total = 0.0

    def __call__(self) -> float:
        """Seconds since this object was made; never less than before."""
        now = (self._wall(), self._monotonic())
        self._total += max(now[0] - self._last[0], now[1] - self._last[1], 0.0)
        self._last = now
        return self._total


@dataclass(slots=True)
class _Kept:
    """What was read (None: there is no such object), and when it may be used."""

    value: Any
    size: int
    not_before: float
    not_after: float
    fresh_until: float
    stale_until: float

    def is_good(self, now: float) -> bool:
        """Whether its own time allows it: neither over nor, by a clock that was set back, to come."""
        return self.not_before <= now < self.not_after


@dataclass(slots=True)
class _Flight:
    """A fetch under way; whoever wants the same waits for it."""

    done: threading.Event = field(default_factory=threading.Event)


class Documents:
    """Documents under `prefix`, for threads that each have a deadline by `monotonic`.

    `clock` gives seconds since the epoch. A value that `read` makes of a document is shared by all who ask.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        prefix: str,
        ring: Ring,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        times: Times | None = None,
    ) -> None:
        self._objects = objects
        self._prefix = prefix
        self._ring = ring
        self._clock = clock
        self._monotonic = monotonic
        self._elapsed = Elapsed(clock, monotonic)
        self._times = times or Times()
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._flights: dict[str, _Flight] = {}
        self._floors: dict[str, int] = {}
        self._retry_at: dict[str, float] = {}
        self._bytes = 0

    def get(self, name: str, read: Callable[[Document], Value], *, until: float) -> Value | None:
        """What `read` makes of the document, None where there is none; raises `StoreUnavailableError`."""
        kept = self._kept.get(name)
        if kept is not None and self._elapsed() < kept.fresh_until and kept.is_good(self._clock()):
            value: Value | None = kept.value
            return value
        self._refresh(name, read, until)
        kept = self._kept.get(name)
        if kept is None or self._elapsed() >= kept.stale_until or not kept.is_good(self._clock()):
            raise StoreUnavailableError("the document can't be had now", retry_after=self._times.pause)
        answer: Value | None = kept.value
        return answer

    def _refresh(self, name: str, read: Callable[[Document], Any], until: float) -> None:
        """Have the document fetched, unless that failed a moment ago, and wait for it while there is time."""
        with self._lock:
            if self._elapsed() < self._retry_at.get(name, 0.0):
                return
            flight = self._flights.get(name)
            if flight is None:
                flight = self._flights[name] = _Flight()
                beside = threading.Thread(target=self._fly, args=(name, read, flight), daemon=True)
                beside.start()
        flight.done.wait(max(0.0, until - self._monotonic()))

    def _fly(self, name: str, read: Callable[[Document], Any], flight: _Flight) -> None:
        began = self._elapsed()
        try:
            self._keep(name, began, *self._fetched(name, read))
        except (OSError, DocumentError) as error:
            _LOG.warning("The document %s: %s", name, error)
            self._failed(name)
        except Exception:  # noqa: BLE001 - whoever waits must be told, and the next try may go well
            _LOG.exception("The document %s", name)
            self._failed(name)
        finally:
            with self._lock:
                del self._flights[name]
            flight.done.set()

    def _fetched(self, name: str, read: Callable[[Document], Any]) -> tuple[Document | None, Any, int]:
        found = self._object(name)
        if found is None:
            if name in self._floors:
                raise DocumentError("it was there before and is gone")
            return None, None, 0
        document = unseal(found.body, name, self._ring)
        check_time(document, self._clock())
        if document.version < self._floors.get(name, document.version):
            raise DocumentError("it is older than one that was here before")
        return document, read(document), len(found.body)

    def _object(self, name: str) -> SmallObject | None:
        """Once more where S3 itself has a fault or throttles (`500`, `503`)."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._objects.get(self._prefix + name, within=self._times.attempt)
            except ObjectError as error:
                if error.status < 500 or not left:
                    raise
        return None

    def _keep(self, name: str, began: float, document: Document | None, value: Any, size: int) -> None:
        fresh_until = began + self._times.lifetime
        kept = _Kept(
            value=value,
            size=max(size, LEAST),
            not_before=float("-inf") if document is None else document.issued_at - MAX_SKEW,
            not_after=float("inf") if document is None else document.not_after,
            fresh_until=fresh_until,
            stale_until=fresh_until + self._times.stale_limit,
        )
        with self._lock:
            self._drop(name)
            self._kept[name] = kept
            self._bytes += kept.size
            self._retry_at.pop(name, None)
            if document is not None:
                self._floors[name] = document.version
            while len(self._kept) > 1 and (self._bytes > MOST_BYTES or len(self._kept) > MOST_NAMES):
                self._drop(next(iter(self._kept)))
            while len(self._floors) > MOST_NAMES:
                del self._floors[next(iter(self._floors))]

    def _drop(self, name: str) -> None:
        dropped = self._kept.pop(name, None)
        self._bytes -= 0 if dropped is None else dropped.size

    def _failed(self, name: str) -> None:
        with self._lock:
            if len(self._retry_at) >= MOST_NAMES:
                self._retry_at.clear()
            self._retry_at[name] = self._elapsed() + self._times.pause
