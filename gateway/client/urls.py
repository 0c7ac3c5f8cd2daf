"""URLs of parts, asked for in batches before they are needed and again before they end."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.client.answers import Signed, Urls
from gateway.client.api import Gateway

_BATCH: Final = 200
"""Parts that are signed in one call."""

_MARGIN: Final = 30.0
"""Seconds before its end at which a URL is no longer begun with; S3 looks at the time when a request begins."""


class PartUrls:
    """The URLs of one upload; `left` are the parts that will be asked for."""

    def __init__(
        self, *, gateway: Gateway, upload_id: str, left: frozenset[int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gateway = gateway
        self._upload_id = upload_id
        self._left = left
        self._clock = clock
        self._urls: dict[int, Signed] = {}
        self._until = 0.0
        self._lock = asyncio.Lock()

    def offer(self, fresh: Urls) -> None:
        """Take what a plan, or fresh signing, lists."""
        self._until = fresh.deadline - min(_MARGIN, (fresh.deadline - self._clock()) / 4)
        self._urls.update(fresh.parts)

    def drop(self) -> None:
        """Nothing that was signed is good any more: S3 moved, or refuses."""
        self._until = 0.0

    async def get(self, number: int, checksum: str | None) -> Signed:
        """A URL to begin with now; with a checksum one that has it in its signature."""
        if checksum is not None:
            return (await self._gateway.urls(self._upload_id, [number], {number: checksum})).parts[number]
        async with self._lock:
            if self._clock() >= self._until:
                self._urls.clear()
            if number not in self._urls:
                self.offer(await self._gateway.urls(self._upload_id, self._batch(number), {}))
            return self._urls[number]

    def _batch(self, number: int) -> list[int]:
        return [number, *sorted(each for each in self._left if each > number)][:_BATCH]
