"""What one worker does: serve an application on a socket until it is told to stop, then let go in order.

SIGTERM   `/readyz` says 503; after `delay` no new connections; uploads under way have `grace` to finish
SIGHUP    the certificate is read again
"""

import asyncio
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from gateway.asgi.switches import apart
from gateway.asgi.wire import Application
from gateway.metrics import Metrics
from gateway.server.http1 import HttpLimits, Server, new_event_loop
from gateway.server.metering import CountedFront
from gateway.server.tls import TlsFiles

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Draining:
    """Whether the process has been told to stop; what `/readyz` asks."""

    begun: bool = False

    def __call__(self) -> bool:
        """Whether it has."""
        return self.begun


Open = Callable[[Draining], AbstractAsyncContextManager[Application]]
"""Opens the application in the process that serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How an application is served. `delay` and `grace` are seconds, as above; `metrics` is where connections count."""

    open: Open
    metrics: Metrics = field(default_factory=Metrics)
    limits: HttpLimits = field(default_factory=HttpLimits)
    tls: TlsFiles | None = None
    delay: float = 0.0
    grace: float = 10.0

    def serve(
        self, listener: socket.socket, ready: Callable[[], None], *, operations: socket.socket | None = None
    ) -> int:
        """Serve in this process until SIGTERM; the exit status. `ready` is called once connections are taken.

        `operations` is the listener apart, for whoever watches: plain HTTP, open until the very end.
        """
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(self._serve(listener, ready, operations))
        return 0

    async def _serve(
        self, listener: socket.socket, ready: Callable[[], None], operations: socket.socket | None
    ) -> None:
        loop = asyncio.get_running_loop()
        stop, draining = asyncio.Event(), Draining()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        context = None if self.tls is None else self.tls.context()
        loop.add_signal_handler(signal.SIGHUP, lambda: self._renew(context))
        async with self.open(draining) as application:
            server = Server(application, limits=self.limits, observer=CountedFront(self.metrics))
            await server.start(sock=listener, tls=context)
            watched = Server(apart(application), limits=self.limits)
            if operations is not None:
                await watched.start(sock=operations)
            # What is there now lives as long as the process: no collection need look at it again.
            gc.collect()
            gc.freeze()
            ready()
            await stop.wait()
            draining.begun = True
            await asyncio.sleep(self.delay)
            await server.stop(self.grace)
            await watched.stop(0.0)

    def _renew(self, context: ssl.SSLContext | None) -> None:
        if self.tls is None or context is None:
            return
        try:
            self.tls.renew(context)
        except OSError as error:
            _LOG.warning("The certificate stays as it is: %s", error)
        else:
            _LOG.info("The certificate was read again.")
