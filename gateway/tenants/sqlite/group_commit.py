"""How an event loop writes to SQLite: one transaction and one commit for all calls that wait, on the loop's own thread.

A hand-over to a thread and back costs more than what an upload writes: both threads want the interpreter at every
statement. So the calls that came in one turn of the loop are run at the end of it, right there, but only if that can't
make the loop wait: if another connection has the write lock, they try again a little later, with those that came
meanwhile, and after some tries go to a thread that waits as SQLite does, by sleeping. The disk is waited for by that
thread, too: it brings the log into the file (`Database.checkpoint`), and the first commit behind that, which syncs the
log's new beginning, is its own. A batch that stopped the loop all the same (a disk that holds writers up) sends all
that follow to the thread for a while. Nobody is answered before the commit.
"""

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.sqlite.batch import Waiting, fail, run, run_together
from gateway.tenants.sqlite.database import Database, StoreLockedError

MOST_WAITING: Final = 10_000
"""Calls that may wait; more are told at once that the store does not answer."""

MOST_AT_ONCE: Final = 64
"""Calls of one transaction, so that the loop and other processes get their turn: a millisecond or two."""

TRIES: Final = 10
"""How often the write lock is tried for before the thread waits for it."""

RETRY: Final = 0.001
"""Seconds between two tries."""

STOPPED: Final = 0.05
"""Seconds of a batch after which the loop was stopped by more than its statements, or by the processor's other work."""

REST: Final = 0.25
"""Seconds for which the thread then does the work; twice as long each time that the next try is stopped, too."""

LONGEST_REST: Final = 8.0
"""Seconds of a rest, at most."""

CHECKPOINT: Final = 1_000
"""Calls (each a page of the log, about) after which the log is brought into the file."""

LONG_LOG: Final = 8
"""Checkpoints in a row that did not get to the log's end, after which writers wait for one that does."""

Result = TypeVar("Result")

Clock = Callable[[], float]


class GroupCommit:
    """An `Aside` for the stores of one `Database`: `await aside(lambda: ledger.reserve(…))`.

    Several verbs in one call are one step: all or none. A call may be run again if it or another one raised, when all
    it had changed in the stores was undone. It is for short work; what takes long would stop the loop. `clock` is any
    monotonic one. Ends with `close`.
    """

    def __init__(self, database: Database, *, clock: Clock = time.monotonic) -> None:
        self._writer = _Writer(database)
        self._database = database
        self._clock = clock
        self._line: _Line | None = None

    async def __call__(self, call: Callable[[], Result]) -> Result:
        """What `call` answers, after the commit; raises what it raises, and `StoreUnavailableError`."""
        loop = asyncio.get_running_loop()
        line = self._line
        if line is None or line.loop is not loop:
            line = self._line = _Line(loop, self._database, self._writer, self._clock)
        future: asyncio.Future[Result] = loop.create_future()
        line.add(Waiting(call, future))
        return await future

    def close(self) -> None:
        """Finish what waits, then end the thread; what comes later is told so."""
        self._writer.close()


class _Line:
    """The calls of one event loop in the order they came; all but `finish` is for the loop's thread."""

    __slots__ = ("_clock", "_database", "_rest", "_resting", "_scheduled", "_tries", "_waiting", "_writer", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, database: Database, writer: "_Writer", clock: Clock) -> None:
        self.loop = loop
        self._database = database
        self._writer = writer
        self._clock = clock
        self._waiting: deque[Waiting] = deque()
        self._scheduled = False
        self._tries = 0
        self._rest = REST
        self._resting = 0.0

    def add(self, waiting: Waiting) -> None:
        """Run the call soon; raises `StoreUnavailableError` where too many wait, or nobody works any more."""
        if self._writer.closed or len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailableError("the store has too much to do, or was closed")
        self._waiting.append(waiting)
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        """The end of a turn of the loop: what came in it is written."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        began = self._clock()
        if self._writer.first or began < self._resting:
            self._hand_over(batch)
            return
        try:
            done = run_together(self._database, batch, wait=False)
        except StoreLockedError:
            self._try_again(batch)
            return
        except StoreUnavailableError as error:
            fail(batch, error)
            done = True
        if not done:
            self._hand_over(batch)
            return
        self._was_stopped(began)
        self._writer.wrote(len(batch))
        self._answered(batch)

    def _was_stopped(self, began: float) -> None:
        """Leave the next ones to the thread, if this one took too long; for longer, if the last rest was just now."""
        now = self._clock()
        if now - began > STOPPED:
            again = began - self._resting < self._rest
            self._rest = min(self._rest * 2, LONGEST_REST) if again else REST
            self._resting = now + self._rest

    def _try_again(self, batch: list[Waiting]) -> None:
        self._tries += 1
        if self._tries >= TRIES:
            self._hand_over(batch)
            return
        self._waiting.extendleft(reversed(batch))
        self.loop.call_later(RETRY, self._turn)

    def _hand_over(self, batch: list[Waiting]) -> None:
        """To the thread, and until it answers, others wait; here where it has ended, for this process ends, too."""
        if not self._writer.take(_Batch(calls=batch, line=self)):
            run(self._database, batch)
            self._answered(batch)

    def finish(self, batch: list[Waiting]) -> None:
        """In the writer's thread: the calls were run."""
        try:
            self.loop.call_soon_threadsafe(self._answered, batch)
        except RuntimeError:  # the loop was closed meanwhile, and nobody waits
            return

    def _answered(self, batch: list[Waiting]) -> None:
        self._tries = 0
        for each in batch:
            each.resolve()
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            self.loop.call_soon(self._turn)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Calls that the thread is to run, and whose they are."""

    calls: list[Waiting]
    line: _Line


class _Writer:
    """The thread that waits: for other writers and for the disk.

    `first` says that the next commit has to be its own, `closed` that it takes no work any more.
    """

    def __init__(self, database: Database) -> None:
        self.first = False
        self.closed = False
        self._database = database
        self._since = self._behind = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Batch | Literal[True] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def wrote(self, calls: int) -> None:
        """So many were committed by the loop."""
        self._since += calls + 1
        if self._since >= CHECKPOINT:
            self._queue.put(True)
            self._since = 0

    def take(self, batch: _Batch) -> bool:
        """Run these; False where it takes no work any more."""
        with self._lock:
            if not self.closed:
                self._queue.put(batch)
            return not self.closed

    def close(self) -> None:
        """Finish what was taken, and end."""
        with self._lock:
            self.closed = True
            self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if isinstance(job, _Batch):
                run(self._database, job.calls)
                self.first = False
                job.line.finish(job.calls)
            else:
                self._checkpoint()

    def _checkpoint(self) -> None:
        """A failure is no one's: the log stays longer, and the next try is near."""
        try:
            whole = self._database.checkpoint(restart=self._behind >= LONG_LOG)
        except StoreUnavailableError:
            return
        self._behind = 0 if whole else self._behind + 1
        self.first = whole
