"""Keeps the embedded S3 running: one thread that starts, watches and stops it, as long as the demo lives.

The child is bound to the thread that started it (see `child`), so starting, restarting and stopping all happen in one
thread that outlives it, and the event loop never waits for a process.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.errors import DemoError

_LOG: Final = logging.getLogger(__name__)

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at the child."""

MOST_FAILURES: Final = 5
"""Failed restarts in a row after which the demo gives up."""


class SupervisedS3:
    """An embedded S3 that comes back on the same port when it dies; an async context manager."""

    def __init__(self, store: EmbeddedS3) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-s3")
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the store; raises DemoError where it can't."""
        await self._in_thread(self.store.start)
        self._watch = asyncio.create_task(self._keep_alive())

    async def stop(self) -> None:
        """Stop watching, then the store."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._in_thread(self.store.stop)
        self._thread.shutdown()

    async def failed(self) -> DemoError:
        """Wait until the store can't be kept running, and say why."""
        if self._watch is None:
            raise RuntimeError("The store is not started.")
        try:
            await asyncio.shield(self._watch)
        except DemoError as error:
            return error
        raise RuntimeError("A watch has no other end.")

    async def _keep_alive(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if self.store.alive:
                failures = 0
                continue
            _LOG.warning("The embedded S3 ended; starting it again.")
            try:
                await self._in_thread(self._restart)
            except (DemoError, OSError) as error:  # an OSError: it died while it was asked to set its bucket up
                _LOG.warning("The embedded S3 did not start again: %s", error)
                failures += 1
                if failures == MOST_FAILURES:
                    raise DemoError(f"The embedded S3 does not come back. {error}") from error

    def _restart(self) -> None:
        self.store.stop()
        self.store.start()

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)
