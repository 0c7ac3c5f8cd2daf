"""A real HTTP front in a thread of its own, and raw sockets to talk to it."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.asgi.direct import Answer as Answering
from gateway.asgi.direct import Call
from gateway.asgi.wire import Reply
from gateway.server.http1 import App, HttpLimits, Observer, Receive, Scope, Send, Server, new_event_loop
from gateway.storage.upstream import BodyAbortedError

PATIENCE = 10.0
"""Seconds after which a test gives up: only a defect makes it wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as the application saw it; `body` is None where the client was gone before its end."""

    scope: Scope
    body: bytes | None

    @property
    def path(self) -> str:
        """The raw path, one character a byte."""
        return bytes(self.scope["raw_path"]).decode("latin-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response as it came over the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The one value of a header."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} came twice"
        return values[0] if values else None

    @property
    def closes(self) -> bool:
        """Whether the server says that it closes."""
        return self.header("connection") == "close"

    @property
    def code(self) -> str | None:
        """The problem code."""
        if self.header("content-type") != "application/problem+json":
            return None
        return str(json.loads(self.body)["type"]).rpartition(":")[2]


class Recorder:
    """A tiny application: reads the body, remembers the request, answers 200, or 405 to a method it does not know."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        self.seen.append(Seen(scope=scope, body=body))
        if body is None:
            return
        known = scope["method"] in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")
        answer = b"{}" if known else b'{"type":"urn:upload-gateway:problem:method-not-allowed"}'
        kind = b"application/json" if known else b"application/problem+json"
        await respond(send, 200 if known else 405, answer, [(b"content-type", kind)])


class DirectRecorder(Recorder):
    """The same application, asked without ASGI."""

    def direct(self, raw_path: bytes) -> Answering:
        """Every path is answered here."""
        del raw_path
        return self.answer

    async def answer(self, call: Call) -> Reply | None:
        """Read the body, remember the request and answer it."""
        path = call.raw.path.encode("utf-8", "surrogateescape")
        scope: Scope = {"method": call.raw.method, "raw_path": path, "headers": call.raw.headers}
        try:
            body = b"".join([piece async for piece in call.body])
        except BodyAbortedError:
            self.seen.append(Seen(scope=scope, body=None))
            return None
        self.seen.append(Seen(scope=scope, body=body))
        if call.raw.method in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"):
            return Reply(status=200, headers=(("content-type", "application/json"),), body=b"{}")
        refused = b'{"type":"urn:upload-gateway:problem:method-not-allowed"}'
        return Reply(status=405, headers=(("content-type", "application/problem+json"),), body=refused)


async def read_body(receive: Receive) -> bytes | None:
    """The whole body, None after a disconnect."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


async def respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """A whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers or []})
    await send({"type": "http.response.body", "body": body})


class Wire:
    """A client's socket, read with a strict little parser of responses."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._held = bytearray()

    def send(self, data: bytes) -> None:
        """Send; a server that has closed already is no error, its answer is still to be read."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(data)

    def end(self) -> None:
        """Close our side."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._held += data
        return bool(data)

    def answer(self, *, head_only: bool = False) -> Answer | None:
        """The next final answer, None at the end of the connection."""
        while b"\r\n\r\n" not in self._held:
            if not self._more():
                assert not self._held, f"half an answer: {self._held!r}"
                return None
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
        if status < 200:
            return self.answer(head_only=head_only)
        length = 0 if head_only or status in (204, 304) else int(dict(headers)["content-length"])
        while len(self._held) < length:
            assert self._more(), "half a body"
        body, self._held = bytes(self._held[:length]), self._held[length:]
        return Answer(status=status, headers=headers, body=body)

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        while self._more():
            pass
        held, self._held = self._held, bytearray()
        return bytes(held)


@dataclass(slots=True, kw_only=True)
class Front:
    """A started server and the loop it runs on."""

    server: Server
    loop: asyncio.AbstractEventLoop
    port: int
    recorder: Recorder = field(default_factory=Recorder)

    @contextmanager
    def wire(self) -> Iterator[Wire]:
        """A connection to it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield Wire(sock)

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def turn(self) -> None:
        """Wait until the loop has gone round and so has read what was sent before."""
        for _ in range(2):
            done: Future[None] = Future()
            self.loop.call_soon_threadsafe(done.set_result, None)
            done.result(PATIENCE)

    def exchange(self, raw: bytes) -> Answer | None:
        """Send on a connection of its own, read one answer."""
        with self.wire() as wire:
            wire.send(raw)
            return wire.answer()


Starter = Callable[..., Front]


@contextmanager
def running_loop(factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread; it ends without a task left."""
    loop = factory()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:

        async def left() -> int:
            return len(asyncio.all_tasks()) - 1

        tasks = asyncio.run_coroutine_threadsafe(left(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
        assert tasks == 0, "tasks were left on the loop"


def _start(
    loop: asyncio.AbstractEventLoop,
    app: App | None,
    limits: HttpLimits | None,
    tls: ssl.SSLContext | None = None,
    observer: Observer | None = None,
) -> Front:
    recorder = Recorder()
    server = Server(app or recorder, limits=limits, observer=observer)
    front = Front(server=server, loop=loop, port=0, recorder=recorder)
    front.call(server.start(tls=tls))
    front.port = server.port
    return front


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """Both event loops that the front runs on."""
    with running_loop(new_event_loop if request.param == "uvloop" else asyncio.new_event_loop) as running:
        yield running


@pytest.fixture
def start(loop: asyncio.AbstractEventLoop) -> Iterator[Starter]:
    """Start a front with an application and limits; all are stopped after the test, with nothing left over."""
    fronts: list[Front] = []

    def starter(app: App | None = None, limits: HttpLimits | None = None, **more: Any) -> Front:
        fronts.append(_start(loop, app, limits, **more))
        return fronts[-1]

    yield starter
    for front in fronts:
        front.call(front.server.stop(0.2))
        assert front.server.connections == 0


@pytest.fixture(scope="module")
def shared_front(loop: asyncio.AbstractEventLoop) -> Iterator[Front]:
    """One front with default limits for the tests that only ask it."""
    front = _start(loop, None, None)
    yield front
    front.call(front.server.stop(1))
    assert front.server.connections == 0


@pytest.fixture(scope="module")
def direct_front(loop: asyncio.AbstractEventLoop) -> Iterator[Front]:
    """The same with an application that is asked directly."""
    recorder = DirectRecorder()
    front = _start(loop, recorder, None)
    front.recorder = recorder
    yield front
    front.call(front.server.stop(1))
    assert front.server.connections == 0
