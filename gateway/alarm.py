"""A deadline that moves often and is met seldom: one lazy timer of the event loop."""

import asyncio
from collections.abc import Callable


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
