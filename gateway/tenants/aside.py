"""How a store's synchronous verbs are called from an event loop, said once for all stores.

SQLite: `gateway.tenants.sqlite.GroupCommit` for the short verbs of requests; a read takes microseconds and may be
called as it is. A store over a network, and whatever takes long: `Threads`.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Aside(Protocol):
    """Runs a call without stopping the event loop: `await aside(lambda: ledger.reserve(reservation, quota))`.

    A call may be run again after what it changed in the stores was undone, so it changes nothing else that would not
    bear that.
    """

    async def __call__(self, call: Callable[[], Result]) -> Result:
        """What `call` answers; raises what it raises."""
        ...


class Threads:
    """An `Aside` of at most `workers` threads, for calls that wait for a network."""

    def __init__(self, workers: int = 32) -> None:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - who only names the protocol starts without

        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="store")

    async def __call__(self, call: Callable[[], Result]) -> Result:
        """What `call` answers."""
        import asyncio  # noqa: PLC0415 - as above

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Wait for the calls under way, then end the threads."""
        self._pool.shutdown()
