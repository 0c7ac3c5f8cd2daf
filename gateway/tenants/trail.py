"""The way of records into the audit, off the hot path: a bounded buffer, written in batches, one chain a writer.

A record is in the buffer before its decision is acted on, and in the store some hundredths of a second later; a process
that is killed in between loses what it had not written, and the chain stays whole, because a batch is written or not.
On one machine all worker processes write one chain, since SQLite lets them write one after the other; over a network
each instance has a chain of its own, whose beginning and end are lines of the main one.

What is not written down must not happen unseen: while the store does not take records, `ready` says so and decisions
are refused (`WhenFull.REFUSE`), or records are lost, and the next line that is written says how many (`WhenFull.DROP`).
"""

import asyncio
import contextlib
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

from gateway.tenants.aside import Aside
from gateway.tenants.audit import MAIN, AuditLog, AuditRecord, Head
from gateway.tenants.evidence import BEGIN, END

_LOG: Final = logging.getLogger(__name__)

BATCH: Final = 49
"""Records of one append, which takes 50 and is all or nothing (`AuditLog.append`); one says what was lost before."""


class WhenFull(StrEnum):
    """What happens while records can't be kept: decisions are refused, or records are lost and counted."""

    REFUSE = "refuse"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailRules:
    """`most`: records that may wait. `linger`: seconds that the first of a batch waits for more of them.

    `pause`: seconds between two tries at a store that does not answer. `summary`: seconds between two lines about
    those who were refused before they were known.
    """

    when_full: WhenFull = WhenFull.REFUSE
    most: int = 10_000
    linger: float = 0.05
    pause: float = 0.5
    summary: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailState:
    """Records since the start: `written`, `lost`, and those that wait now; whether the store `answers`."""

    waiting: int
    written: int
    lost: int
    answers: bool


class AuditTrail:
    """A `gateway.journal.Trail` while it is entered; `clock` gives seconds since the epoch.

    An async context manager of the event loop that `aside` is used on; leaving it writes what waits.
    """

    def __init__(
        self,
        log: AuditLog,
        aside: Aside,
        *,
        clock: Callable[[], float],
        chain: str = MAIN,
        rules: TrailRules | None = None,
    ) -> None:
        self._log = log
        self._aside = aside
        self._clock = clock
        self._chain = chain
        self._rules = rules or TrailRules()
        room = 2 if self._rules.when_full is WhenFull.REFUSE else 1  # what was under way when `ready` said no
        self._most = room * self._rules.most
        self._waiting: deque[AuditRecord] = deque()
        self._writing: list[AuditRecord] = []
        self._telling: list[AuditRecord] = []
        self._lock = threading.Lock()
        self._strangers: Counter[str] = Counter()
        self._summarised = clock()
        self._lost = self._lost_told = self._written = 0
        self._answers = self._closing = False
        self._begun = chain == MAIN
        self._head = Head()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    # What the hot path calls, from any thread.

    def ready(self) -> bool:
        """Whether decisions may be made now."""
        return self._rules.when_full is WhenFull.DROP or (self._answers and len(self._waiting) < self._rules.most)

    def add(self, record: AuditRecord) -> None:
        """Keep a record; where there is no room it is lost, and counted."""
        if len(self._waiting) >= self._most:
            with self._lock:
                self._lost += 1
            return
        self._waiting.append(record)
        self._wake()

    def count(self, code: str) -> None:
        """Count somebody who was refused unknown."""
        with self._lock:
            self._strangers[code] += 1

    def state(self) -> TrailState:
        """How it goes."""
        waiting = len(self._waiting) + len(self._writing)
        return TrailState(waiting=waiting, written=self._written, lost=self._lost, answers=self._answers)

    def _wake(self) -> None:
        if self._loop is not None and not self._wanted.is_set():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody writes any more
                self._loop.call_soon_threadsafe(self._wanted.set)

    # The writer.

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if not await self.flush():
            self._wanted.set()
        self._worker = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wanted.set()
        if self._worker is not None:
            await self._worker  # not cancelled: a batch that was handed over would be written again
        if await self.flush(summary=True) and self._chain != MAIN:
            await self._written_by(lambda: self._mark(END, f"{self._head.seq}:{self._head.hash}"))
        self._answers = False
        if waiting := self.state().waiting:
            _LOG.error("%d records of the audit were not written: the store does not answer", waiting)

    async def flush(self, *, summary: bool = False) -> bool:
        """Write what waits, now; whether all of it was written. `summary`: also how many strangers were refused."""
        async with self._work:
            if summary:
                self._summarise()
            while self._writing or self._waiting or not self._answers:
                if not await self._step():
                    return False
            return True

    async def _step(self) -> bool:
        """Write one batch; whether it was written."""
        if not (self._writing or self._telling) and self._lost > self._lost_told:
            self._telling = [self._about("audit", "lost", count=self._lost - self._lost_told)]
            self._lost_told = self._lost
        while self._waiting and len(self._writing) < BATCH:
            self._writing.append(self._waiting.popleft())
        if not await self._written_by(self._append):
            return False  # what may have been written comes again as it is, so that the store can tell
        self._written += len(self._writing)
        self._writing.clear()
        self._telling.clear()
        if not self._begun and self._head.seq:
            self._begun = await self._written_by(lambda: self._mark(BEGIN))
        return True

    async def _run(self) -> None:
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rules.summary):
                    await self._wanted.wait()
            await asyncio.sleep(self._rules.linger)
            self._wanted.clear()
            due = self._clock() - self._summarised >= self._rules.summary
            if not await self.flush(summary=due):
                await asyncio.sleep(self._rules.pause)
                self._wanted.set()

    async def _written_by(self, verb: Callable[[], None]) -> bool:
        """Whether the store did it; what it answers opens and closes the gate."""
        try:
            await self._aside(verb)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody but the writer would open the gate again
            if self._answers:
                unexpected = None if isinstance(error, OSError) else error
                _LOG.error("The audit can't be written: %s", error, exc_info=unexpected)
            self._answers = False
            return False
        self._answers = True
        return True

    def _append(self) -> None:
        """Beside the loop: the batch behind the chain's last line; an empty one asks whether the store answers."""
        self._head = self._log.append([*self._telling, *self._writing], chain=self._chain)

    def _mark(self, action: str, reason: str | None = None) -> None:
        """A line of the main chain about this one, so that it can't disappear as a whole."""
        self._log.append([self._about(action, "changed", key=self._chain, reason=reason)])

    def _summarise(self) -> None:
        with self._lock:
            strangers, self._strangers = self._strangers, Counter()
        self._summarised = self._clock()
        self._waiting.extend(
            self._about("call", "refused", rule=code, count=count) for code, count in sorted(strangers.items())
        )

    def _about(self, action: str, outcome: str, **known: Any) -> AuditRecord:
        return AuditRecord(at=self._clock(), request_id=None, action=action, outcome=outcome, **known)
