"""Who tells the metrics what: adaptors around what counts nothing by itself, and a look at the process now and then."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.identity.fetch import Fetcher
from gateway.journal import Trail
from gateway.metrics import Metrics
from gateway.storage.upstream import Observe
from gateway.tenants.audit import AuditRecord
from gateway.tenants.trail import TrailState

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at what is not counted but read."""

_CLASSES: Final = ("none", "none", "2xx", "3xx", "4xx", "5xx", "none", "none", "none", "none")
"""Of a status, by its first digit; 0 is none."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class CountedTrail:
    """A trail whose lines are counted by action, outcome and code."""

    _trail: Trail
    _metrics: Metrics

    def ready(self) -> bool:
        """Whether decisions may be made now."""
        return self._trail.ready()

    def add(self, record: AuditRecord) -> None:
        """Keep a record."""
        self._metrics.decisions.add(record.action, record.outcome, record.rule or "")
        self._trail.add(record)

    def count(self, code: str) -> None:
        """Count a refusal of somebody who is not known."""
        self._metrics.decisions.add("call", "refused", code)
        self._trail.count(code)


@dataclass(frozen=True, slots=True)
class CountedFetcher:
    """A fetcher of issuers' documents whose fetches are counted and timed."""

    _fetcher: Fetcher
    _metrics: Metrics

    def fetch(self, uri: str, deadline: float) -> bytes:
        """The document, or `FetchError`."""
        began, result = time.perf_counter(), "failed"
        try:
            document = self._fetcher.fetch(uri, deadline)
            result = "ok"
            return document
        finally:
            self._metrics.jwks.add(result)
            self._metrics.jwks_seconds.observe(time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class CountedFront:
    """What the HTTP front tells of itself (`gateway.server.http1.Observer`)."""

    _metrics: Metrics

    def connections(self, change: int) -> None:
        """Connections came or went."""
        self._metrics.connections.add(amount=change)

    def refused(self, why: str) -> None:
        """A connection or a request was ended without the application."""
        self._metrics.front.add(why)


def s3_observer(metrics: Metrics) -> Observe:
    """Counts requests to S3 and their answers."""

    def observe(method: str, status: int, seconds: float | None) -> None:
        metrics.s3_requests.add(method, _CLASSES[status // 100])
        if seconds is not None:
            metrics.s3_seconds.observe(seconds, method)

    return observe


async def keep_looking(metrics: Metrics, trail: Callable[[], TrailState], *, every: float = LOOK_EVERY) -> None:
    """Read what is not counted, for ever; the loop's lag is how late it was called."""
    loop = asyncio.get_running_loop()
    metrics.starts.add()
    metrics.workers.set(1.0)
    spent = 0.0
    while True:
        spent = _look(metrics, trail(), spent)
        due = loop.time() + every
        await asyncio.sleep(every)
        metrics.lag.set(max(0.0, loop.time() - due))


def _look(metrics: Metrics, trail: TrailState, spent: float) -> float:
    """One look; the processor time that the process has had until now, of which `spent` was counted before."""
    metrics.audit_waiting.set(trail.waiting)
    metrics.audit_lost.set(trail.lost)
    now = time.process_time()
    metrics.cpu.add(amount=now - spent)
    with suppress(OSError):  # proc(5) is Linux's
        metrics.memory.set(int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE)
        metrics.descriptors.set(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - names alone
    return now
