"""The demo's gateway in several processes: a supervisor and its workers, as `upload-gateway serve` runs them.

The supervisor is forked before the demo has a thread or an event loop. It imports what a gateway needs while the S3
starts, waits on a pipe for a line that says where everything is, and answers with one that says that all workers serve,
or why not.
"""

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gateway.local.errors import DemoError
from gateway.server.lifeline import tied
from gateway.server.listening import close_all

_LOG: Final = logging.getLogger(__name__)

GRACE: Final = 10.0
"""Seconds that uploads under way are given when the demo stops."""


@dataclass(slots=True, kw_only=True)
class Crew:
    """The supervisor's process, and the pipes to it and from it."""

    pid: int
    _to: int
    _from: int
    _ended: asyncio.Future[int] | None = None

    @classmethod
    def forked(cls, data: Path, listeners: Sequence[socket.socket]) -> Self:
        """Fork the supervisor of as many workers as there are sockets, which are its own from now on."""
        hearing, to = os.pipe()
        answers, answering = os.pipe()
        tie = tied(signal.SIGTERM)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                tie()
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C while it starts is the demo's affair
                os.close(to)
                os.close(answers)
                status = _supervise(data, listeners, hearing, answering)
            except BaseException:  # noqa: BLE001 - the end of this process: whatever it was is said
                _LOG.exception("the supervisor failed")
            finally:
                os._exit(status)
        os.close(hearing)
        os.close(answering)
        close_all(listeners)
        return cls(pid=pid, _to=to, _from=answers)

    async def start(self, place: dict[str, Any]) -> None:
        """Have the workers serve, and return when all of them do; a `DemoError` says why they can't."""
        self._ended = asyncio.ensure_future(asyncio.to_thread(_status_of, self.pid))
        with suppress(BrokenPipeError):  # it ended, and the next line tells
            os.write(self._to, json.dumps(place).encode() + b"\n")
        said = await asyncio.to_thread(_line, self._from)
        if said != {"ready": True}:
            raise DemoError(str(said.get("error", "The workers can't start: what they said is above.")))

    async def failed(self) -> DemoError:
        """Wait until the supervisor is gone, which it is only when something is wrong."""
        if self._ended is None:
            raise RuntimeError("The crew is not started.")
        status = await asyncio.shield(self._ended)
        return DemoError(f"The gateway's workers ended with status {status}.")

    async def stop(self) -> None:
        """Have the workers finish what is under way, and end."""
        os.close(self._to)
        if self._ended is None:
            self._ended = asyncio.ensure_future(asyncio.to_thread(_status_of, self.pid))
        if not self._ended.done():
            os.kill(self.pid, signal.SIGTERM)
        await self._ended
        os.close(self._from)


def _status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _line(descriptor: int) -> dict[str, Any]:
    """One line of JSON from a pipe; empty where it ended before one came."""
    text = b""
    while not text.endswith(b"\n"):
        piece = os.read(descriptor, 65_536)
        if not piece:
            return {}
        text += piece
    said: dict[str, Any] = json.loads(text)
    return said


def _supervise(data: Path, listeners: Sequence[socket.socket], hearing: int, answering: int) -> int:
    """In the supervisor's process."""
    from gateway.local import wiring  # noqa: PLC0415 - slow to import, and the demo itself goes on meanwhile
    from gateway.metrics import Metrics  # noqa: PLC0415
    from gateway.server.shared import SharedMemory  # noqa: PLC0415
    from gateway.server.worker import Draining, Service  # noqa: PLC0415
    from gateway.server.workers import Supervisor  # noqa: PLC0415

    said = _line(hearing)
    if not said:  # the demo could not start
        return 0

    def answer(told: dict[str, Any]) -> None:
        os.write(answering, json.dumps(told).encode() + b"\n")

    try:
        wiring.prepared(data)
        place = wiring.found(data, said)
    except DemoError as error:
        answer({"error": str(error)})
        return 1

    shared = SharedMemory.of(len(listeners))

    def work(number: int, ready: Callable[[], None]) -> int:
        close_all(listeners, but=number)
        metrics = Metrics(shared.metrics, number)

        def opened(draining: Draining) -> Any:
            return wiring.gateway(place, sweeps=number == 0, draining=draining, metrics=metrics)

        return Service(open=opened, metrics=metrics, grace=GRACE).serve(listeners[number], ready)

    return Supervisor(
        work=work,
        count=len(listeners),
        on_ready=lambda: answer({"ready": True}),
        release=lambda: close_all(listeners),
        on_end=shared.vacated,
        release_after=0.0,
        patience=GRACE + 5.0,
    ).run()
