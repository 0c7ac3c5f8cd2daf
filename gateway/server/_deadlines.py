"""How long a slow body may go on: arithmetic on moments (seconds of the loop's clock), which schedules nothing."""

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
