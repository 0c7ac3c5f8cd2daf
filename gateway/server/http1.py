"""The gateway's HTTP/1.1 front: a strict ASGI server for hostile clients.

Owns listening, starting and stopping. What a request may look like is `_head` and `_framing`, what a connection does
is `_connection`, what the application sees is `_exchange`; why this is not a stock server is decision 0105.
It speaks HTTP/1.1, plain or under TLS, and calls its application with scopes of type `http` only (no lifespan, no
websocket), or without ASGI where it can be asked directly (`gateway.asgi.direct`, decision 0108).
"""

import asyncio
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from gateway.asgi.direct import Direct
from gateway.server._connection import Connection, Observer, Shared, Unobserved
from gateway.server._exchange import EXTENSION, App, Message, Receive, Scope, Send
from gateway.server._handshakes import SecureListener
from gateway.server._kernel import give_up_after
from gateway.server._limits import HttpLimits
from gateway.server._response import DateLine, ResponseError

__all__ = [
    "EXTENSION",
    "App",
    "HttpLimits",
    "Message",
    "Observer",
    "Receive",
    "ResponseError",
    "Scope",
    "Send",
    "Server",
    "new_event_loop",
    "serve",
]

_BACKLOG = 2_048


def _random_id() -> str:
    return secrets.token_hex(16)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop there is: uvloop's, or asyncio's own. For `asyncio.Runner(loop_factory=…)`."""
    try:
        import uvloop  # noqa: PLC0415 - optional: the library may not exist on this platform
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Server:
    """An ASGI application behind a listening socket.

    `app` is ASGI 3; `new_id` makes request ids (visible ASCII), `clock` is Unix time for the `date` header; `observer`
    is told of connections, and of what the application never sees.
    Use: `await start(…)`, then `port`, then `await stop(grace)`; a server starts once.
    """

    def __init__(
        self,
        app: App,
        *,
        limits: HttpLimits | None = None,
        new_id: Callable[[], str] = _random_id,
        clock: Callable[[], float] = time.time,
        observer: Observer | None = None,
    ) -> None:
        self._app = app
        self._observer = observer or Unobserved()
        self._limits = limits or HttpLimits()
        self._new_id = new_id
        self._date = DateLine(clock)
        self._listener: asyncio.Server | SecureListener | None = None
        self._shared: Shared | None = None

    @property
    def port(self) -> int:
        """The port it listens on. Raises `RuntimeError` before `start` and after `stop`."""
        if self._listener is None or not self._listener.sockets:
            raise RuntimeError("the server is not listening")
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections are open, those in their TLS handshake among them."""
        return 0 if self._shared is None else self._shared.crowd

    async def start(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen on `host` and `port` (0: any free one), or on `sock`, which is bound already and now the server's.

        With `tls` a connection begins with its handshake, which has the time of a head and counts as a connection.

        Raises `OSError` where that is not possible, `RuntimeError` on a second start.
        """
        if self._shared is not None:
            raise RuntimeError("the server was started before")
        loop = asyncio.get_running_loop()
        application: object = self._app
        shared = self._shared = Shared(
            app=self._app,
            limits=self._limits,
            loop=loop,
            date=self._date,
            new_id=self._new_id,
            direct=application.direct if isinstance(application, Direct) else lambda _path: None,
            scheme="http" if tls is None else "https",
            observer=self._observer,
        )
        if tls is not None:
            bound = sock or socket.create_server((host, port))
            give_up_after([bound], _orphaned(self._limits))
            self._listener = SecureListener(bound, shared, tls, backlog=_BACKLOG)
            return
        place: dict[str, Any] = {"host": host, "port": port} if sock is None else {"sock": sock}
        listen = loop.create_unix_server if _is_unix(sock) else loop.create_server
        self._listener = await listen(lambda: Connection(shared), backlog=_BACKLOG, **place)
        give_up_after(self._listener.sockets, _orphaned(self._limits))

    async def stop(self, grace: float = 10.0) -> None:
        """Stop listening, let requests in flight finish for `grace` seconds, then end what is left.

        Afterwards no connection and no task of the server is left. A second stop does nothing.
        """
        listener, shared, self._listener = self._listener, self._shared, None
        if listener is None or shared is None:
            return
        shared.stopping = True
        listener.close()
        for connection in tuple(shared.connections):
            connection.stop()
        await _settled(shared, grace)
        for connection in tuple(shared.connections):
            connection.abort()
        for task in tuple(shared.tasks):
            task.cancel()
        await asyncio.gather(*shared.tasks, return_exceptions=True)
        await _settled(shared, 1.0)
        await listener.wait_closed()


def _orphaned(limits: HttpLimits) -> float:
    """Seconds after which the kernel ends what nobody takes: later than we do, for it does so without a word."""
    return limits.write_idle + limits.keep_alive + limits.linger_seconds


def _is_unix(sock: socket.socket | None) -> bool:
    return sock is not None and sock.family == socket.AF_UNIX


async def serve(
    app: App,
    *,
    host: str,
    port: int,
    limits: HttpLimits | None = None,
    sock: socket.socket | None = None,
    on_started: Callable[[Server], None] | None = None,
    grace: float = 10.0,
) -> None:
    """Serve until cancelled, then stop within `grace` seconds. `on_started` is told once the port is open."""
    server = Server(app, limits=limits)
    await server.start(host=host, port=port, sock=sock)
    try:
        if on_started is not None:
            on_started(server)
        await asyncio.get_running_loop().create_future()
    finally:
        await server.stop(grace)


async def _settled(shared: Shared, seconds: float) -> None:
    """Wait until no connection and no task is left, at most `seconds`."""
    if not shared.connections and not shared.tasks:
        return
    idle = asyncio.Event()

    def look() -> None:
        if not shared.connections and not shared.tasks:
            idle.set()

    shared.on_idle = look
    for task in tuple(shared.tasks):
        task.add_done_callback(lambda _task: look())
    try:
        await asyncio.wait_for(idle.wait(), seconds)
    except TimeoutError:
        pass
    finally:
        shared.on_idle = lambda: None
