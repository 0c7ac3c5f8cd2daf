"""When something is tried again, and after how long: exponential back-off with full jitter, and `Retry-After`.

AWS Architecture Blog, "Exponential Backoff And Jitter"; RFC 9110 section 10.2.3.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

_FIRST: Final = 0.5
_LONGEST: Final = 20.0
_DOUBLINGS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one call is tried again: `limit` seconds from its first failure. Clock and chance are parameters."""

    limit: float
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def began(self) -> "Tries":
        """The tries of one call."""
        return Tries(patience=self)


@dataclass(slots=True, kw_only=True)
class Tries:
    """The failures of one call so far."""

    patience: Patience
    failures: int = 0
    since: float | None = None

    async def again(self, retry_after: int | None = None) -> bool:
        """Wait, and say whether to try again; at once False where the wait would outlast the patience."""
        now = self.patience.clock()
        self.since = now if self.since is None else self.since
        pause = self._pause(retry_after)
        if now + pause > self.since + self.patience.limit:
            return False
        self.failures += 1
        await self.patience.sleep(pause)
        return True

    def _pause(self, retry_after: int | None) -> float:
        most = _LONGEST if self.failures > _DOUBLINGS else _FIRST * 2.0**self.failures
        return (retry_after or 0) + self.patience.chance() * most
