"""Deadlines of a connection: one lazy timer, and how long a slow body may go on.

`Pace` is pure arithmetic on moments (seconds of the loop's clock); `Alarm` is the only thing here that schedules.
"""

import asyncio
from collections.abc import Callable

from gateway.server._limits import HttpLimits


class Pace:
    """When a body is too late: silent for `body_idle`, or slower than `body_min_rate` after `body_grace`.

    Every byte that arrives buys `1 / body_min_rate` seconds. Time in which the gateway itself does not read is the
    gateway's, not the client's: between `pause` and `resume` the clock stands still.
    """

    __slots__ = ("_idle", "_last", "_paid_until", "_paused_at", "_seconds_a_byte")

    def __init__(self, limits: HttpLimits, now: float) -> None:
        self._idle = limits.body_idle
        self._seconds_a_byte = 1 / limits.body_min_rate
        self._paid_until = now + limits.body_grace
        self._last = now
        self._paused_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """The moment at which the body is late if nothing more comes; None while paused."""
        return None if self._paused_at is not None else min(self._last + self._idle, self._paid_until)

    def received(self, size: int, now: float) -> None:
        """Bytes of the body arrived."""
        self._last = now
        self._paid_until += size * self._seconds_a_byte

    def pause(self, now: float) -> None:
        """The gateway stops reading."""
        if self._paused_at is None:
            self._paused_at = now

    def resume(self, now: float) -> None:
        """The gateway reads on."""
        if self._paused_at is not None:
            self._paid_until += now - self._paused_at
            self._last = now
            self._paused_at = None


class Alarm:
    """Calls `ring` once its moment has come.

    Moving the moment later costs nothing: the timer that is already running looks again when it fires, so that
    a deadline that moves with every packet does not fill the loop with cancelled timers.
    """

    __slots__ = ("_at", "_loop", "_ring", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, moment: float | None) -> None:
        """Ring at `moment` of the loop's clock and at no other; None: not at all."""
        self._at = moment
        if moment is None or (self._timer is not None and self._timer_at <= moment):
            return
        self._schedule(moment)

    def cancel(self) -> None:
        """Never ring, and let go of the timer."""
        self._at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = moment
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._at is None:
            return
        # The loop may fire a timer up to its clock's resolution early: that is on time.
        if self._at > self._timer_at:
            self._schedule(self._at)
            return
        self._at = None
        self._ring()
