"""How an event loop writes to SQLite: a thread of its own, and one commit for all that wait.

A write on the loop's own thread is quick while no other process writes; when one does, SQLite's busy wait would stop
the loop for a millisecond and more. So writes go to one thread, which takes all calls that wait, runs each as a part
of one transaction, commits once, and wakes each loop once. Nobody is answered before the commit.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.sqlite.database import Database

MOST_WAITING: Final = 10_000
"""Calls that may wait; more are told at once that the store does not answer."""

MOST_AT_ONCE: Final = 256
"""Calls of one transaction, so that another process gets its turn."""

Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting:
    """A call, who waits for it, and what came of it."""

    call: Callable[[], Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None

    def run(self, database: Database) -> None:
        """Run it as a part of the transaction; what it raises is its caller's alone."""
        try:
            with database.writing():
                self.result = self.call()
        except Exception as error:  # noqa: BLE001 - whatever a call raises belongs to whoever awaits it
            self.error = error

    def resolve(self) -> None:
        """Answer, in the loop's thread; nobody may be waiting any more."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupCommit:
    """An `Aside` for the stores of one `Database`: `await aside(lambda: ledger.reserve(…))`.

    Several verbs in one call are one step: all or none. Ends with `close`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def __call__(self, call: Callable[[], Result]) -> Result:
        """What `call` answers, after the commit; raises what it raises, and `StoreUnavailableError`."""
        if self._queue.qsize() >= MOST_WAITING or not self._thread.is_alive():
            raise StoreUnavailableError("the store has too much to do")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._queue.put(_Waiting(call, future, loop))
        return await future

    def close(self) -> None:
        """Finish what waits, then end the thread; what came too late is told so."""
        self._queue.put(None)
        self._thread.join()
        for late in self._more():
            if late is not None:
                late.error = StoreUnavailableError("the store was closed")
                _tell(late.loop, [late])

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first, *self._more()]
            self._commit([each for each in batch if each is not None])
            if None in batch:
                return

    def _more(self) -> "list[_Waiting | None]":
        more: list[_Waiting | None] = []
        while len(more) < MOST_AT_ONCE:
            try:
                more.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return more

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            with self._database.writing():
                for each in batch:
                    each.run(self._database)
        except StoreUnavailableError as error:
            for each in batch:
                each.error = error
        for loop in {each.loop for each in batch}:
            _tell(loop, [each for each in batch if each.loop is loop])


def _tell(loop: asyncio.AbstractEventLoop, answered: list[_Waiting]) -> None:
    def resolve() -> None:
        for each in answered:
            each.resolve()

    try:
        loop.call_soon_threadsafe(resolve)
    except RuntimeError:  # the loop was closed meanwhile, and nobody waits
        return
