"""Several processes that answer: started, watched, started again, told to stop, and ended if they don't.

The supervisor runs in one thread without an event loop, so that it may fork at any time: a worker that dies is replaced
by a fork of a process that has all libraries in memory and nothing else going on. It owns the listening sockets and
closes them last, so that connections which wait for a worker that died are taken by the next.

    SIGTERM, SIGINT   every worker is told to stop (SIGTERM); a second SIGINT, or patience that is over, ends them
    SIGHUP            every worker is told to read its certificate again (SIGHUP)
    SIGCHLD           a worker ended: it is started again, at once the first time, later when it keeps ending
"""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.server.lifeline import tied

_LOG: Final = logging.getLogger(__name__)

Work = Callable[[int, Callable[[], None]], int]
"""What worker number n does, from 0, until SIGTERM; it calls the function once it serves. Its exit status."""

PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a worker is started again that ended once, twice, … in a row soon after it was started."""

SOON: Final = 10.0
"""Seconds; a worker that lived longer has not failed in a row."""

FAILED: Final = 1
"""Exit status where the workers can't start."""

_WATCHED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True, kw_only=True)
class _Seat:
    """One worker's place: its number, its process while it has one, and how it fared."""

    number: int
    pid: int | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = 0.0
    ready: bool = False
    pipe: int | None = None


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Keeps `count` workers at `work`; `run` returns when all have ended, with the exit status.

    `on_ready` is told once, when every worker serves. After the word to stop, `release` (which closes the sockets) is
    called when `release_after` seconds are over, and workers that are still there after `patience` are killed.
    `on_end` is told the number of each worker that ended, before another has its place.
    """

    work: Work
    count: int
    on_ready: Callable[[], None]
    release: Callable[[], None]
    release_after: float
    patience: float
    on_end: Callable[[int], None] = lambda _number: None
    clock: Callable[[], float] = time.monotonic
    _seats: list[_Seat] = field(default_factory=list, init=False)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector, init=False)
    _told: bool = field(default=False, init=False)
    _was_ready: bool = field(default=False, init=False)
    _stopping_since: float | None = field(default=None, init=False)
    _status: int = field(default=0, init=False)

    def run(self) -> int:
        """Work until told to stop."""
        self._seats = [_Seat(number=number) for number in range(self.count)]
        with _signals() as wakeup:
            self._selector.register(wakeup, selectors.EVENT_READ)
            while self._stopping_since is None or any(seat.pid is not None for seat in self._seats):
                self._start_due()
                for key, _ in self._selector.select(self._until_next()):
                    if key.fileobj is wakeup:
                        self._heard(wakeup.recv(4_096))
                    else:
                        self._serves(key.data)
                self._end_late()
        self._release()
        self._selector.close()
        return self._status

    # Starting.

    def _start_due(self) -> None:
        now = self.clock()
        for seat in self._seats:
            if seat.pid is None and self._stopping_since is None and seat.start_at <= now:
                self._start(seat)

    def _start(self, seat: _Seat) -> None:
        reading, writing = os.pipe()
        tie = tied(signal.SIGTERM)
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal between the fork and the child's own handlers would be told to the parent.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        pid = os.fork()
        if pid == 0:
            _become(tie, lambda: self._works(seat.number, reading, writing), blocked)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(writing)
        seat.pid, seat.pipe, seat.started, seat.ready = pid, reading, self.clock(), False
        self._selector.register(reading, selectors.EVENT_READ, seat)

    def _works(self, number: int, reading: int, writing: int) -> int:
        """In the child."""
        self._selector.close()
        os.close(reading)

        def ready() -> None:
            os.write(writing, b"1")
            os.close(writing)

        return self.work(number, ready)

    def _serves(self, seat: _Seat) -> None:
        """Its pipe can be read: it serves, or it ended."""
        if seat.pipe is not None:
            seat.ready = bool(os.read(seat.pipe, 1))
            self._forget_pipe(seat)
        if not self._was_ready and all(each.ready for each in self._seats):
            self._was_ready = True
            self.on_ready()

    def _forget_pipe(self, seat: _Seat) -> None:
        if seat.pipe is not None:
            self._selector.unregister(seat.pipe)
            os.close(seat.pipe)
            seat.pipe = None

    # Signals.

    def _heard(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGHUP:
                self._tell(signal.SIGHUP)
            elif number == signal.SIGINT and self._stopping_since is not None:
                self._tell(signal.SIGKILL)
            else:
                self._stop()

    def _tell(self, number: signal.Signals) -> None:
        for seat in self._seats:
            if seat.pid is not None:
                os.kill(seat.pid, number)

    def _reap(self) -> None:
        for seat in self._seats:
            if seat.pid is None:
                continue
            pid, status = os.waitpid(seat.pid, os.WNOHANG)
            if pid:
                self._ended(seat, os.waitstatus_to_exitcode(status))

    def _ended(self, seat: _Seat, status: int) -> None:
        now, pid = self.clock(), seat.pid
        seat.pid = None
        self.on_end(seat.number)
        served = seat.ready
        self._forget_pipe(seat)
        if self._stopping_since is not None:
            self._status = self._status or (FAILED if status > 0 else 0)
            return
        if not self._was_ready and not served and status > 0:
            _LOG.error("worker %d can't start (status %d)", seat.number, status)
            self._status = FAILED
            self._stop()
            return
        if now - seat.started >= SOON:
            seat.failures = 0
        pause = PAUSES[min(seat.failures, len(PAUSES) - 1)]
        seat.failures += 1
        seat.start_at = now + pause
        _LOG.warning("worker %d (process %s) ended with status %d: again in %g s", seat.number, pid, status, pause)

    # Stopping.

    def _stop(self) -> None:
        if self._stopping_since is None:
            self._stopping_since = self.clock()
            self._tell(signal.SIGTERM)

    def _end_late(self) -> None:
        """What is due after the word to stop."""
        if self._stopping_since is None:
            return
        waited = self.clock() - self._stopping_since
        if waited >= self.release_after:
            self._release()
        if waited >= self.patience:
            self._tell(signal.SIGKILL)

    def _release(self) -> None:
        if not self._told:
            self._told = True
            self.release()

    def _until_next(self) -> float | None:
        """Seconds until something is due without a signal; None: nothing is."""
        now = self.clock()
        if self._stopping_since is not None:
            due = [self._stopping_since + self.patience]
            due += [] if self._told else [self._stopping_since + self.release_after]
        else:
            due = [seat.start_at for seat in self._seats if seat.pid is None]
        return max(0.0, min(due) - now) if due else None


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that reads each watched signal's number as a byte; handlers are put back at the end."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before: Mapping[signal.Signals, Any] = {number: signal.signal(number, _heard_elsewhere) for number in _WATCHED}
    wakeup = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        reading.close()
        writing.close()


def _heard_elsewhere(_number: int, _frame: object) -> None:
    """The byte on the socket is what counts."""


def _become(tie: Callable[[], None], works: Callable[[], int], mask: Iterable[int]) -> None:
    """Be the child, to its end; never returns."""
    status = 70  # EX_SOFTWARE (sysexits.h)
    try:
        signal.set_wakeup_fd(-1)
        for number in _WATCHED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all; the supervisor says what next
        tie()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = works()
    except BaseException:  # noqa: BLE001 - there is nobody above: whatever it was is said, and the process ends
        _LOG.exception("a worker failed")
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
