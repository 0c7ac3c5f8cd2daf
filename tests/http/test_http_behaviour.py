"""What the front does over a request's life: order, waiting, deadlines, failures, the end."""

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from gateway.asgi.cors import WithCors
from gateway.cors import UPLOADS, Cors
from gateway.server.http1 import EXTENSION, HttpLimits, Receive, Scope, Send, Server, serve

TCP_ESTABLISHED = 1
"""A state of the kernel's `tcp_info`."""

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
Starter = Callable[..., Any]


def put(length: int, extra: bytes = b"") -> bytes:
    """The head of a PUT."""
    return b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%b\r\n" % (length, extra)


async def answer(send: Send, status: int = 200, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
    """A whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def refuse_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers without reading."""
    await answer(send, 413, b"no")


async def refuse_put(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that refuses PUT without reading and serves the rest."""
    await answer(send, 413 if scope["method"] == "PUT" else 200, b"no")


class Latch:
    """An application that waits for a disconnect and remembers what it received before."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.started = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.started.set()
        while True:
            message = await receive()
            self.messages.append(dict(message))
            if message["type"] == "http.disconnect":
                break
        await answer(send, 200, b"nobody reads this")
        self.ended.set()


# The scope.


def test_scope_carries_the_request_as_it_came(shared_front: Any) -> None:
    """Raw path, query and headers are exact: order, duplicates and bytes kept, names in lower case."""
    shared_front.exchange(b"PUT /%41/b%2Fc?x=%20&y HTTP/1.1\r\nHOST: h\r\nX-B: 1\r\nx-a:  \xff\t\r\nX-B: 2\r\n\r\n")
    scope = shared_front.recorder.seen[-1].scope

    assert (scope["type"], scope["method"], scope["http_version"]) == ("http", "PUT", "1.1")
    assert (scope["raw_path"], scope["query_string"]) == (b"/%41/b%2Fc", b"x=%20&y")
    assert scope["path"] == "/A/b/c"
    assert scope["headers"] == [(b"host", b"h"), (b"x-b", b"1"), (b"x-a", b"\xff"), (b"x-b", b"2")]


@pytest.mark.parametrize(
    ("target", "query", "has_query"),
    [("/x", b"", False), ("/x?", b"", True), ("/x??", b"?", True), ("http://h?a", b"a", True), ("/x#y?z", b"z", True)],
)
def test_empty_query_is_told_from_none(shared_front: Any, target: str, query: bytes, has_query: bool) -> None:
    """`/x?` has a query, if an empty one."""
    shared_front.exchange(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    scope = shared_front.recorder.seen[-1].scope

    assert (scope["query_string"], scope["extensions"][EXTENSION]["has_query"]) == (query, has_query)


def test_answers_carry_a_date_and_name_no_server(shared_front: Any) -> None:
    """A date, and nothing about what software answers."""
    reply = shared_front.exchange(GET)

    assert reply.header("date").endswith(" GMT")
    assert reply.header("server") is None


# Bodies and flow.


def test_body_arrives_whole_however_it_is_cut(shared_front: Any) -> None:
    """Two mebibytes in pieces of all sizes, by length and in chunks, arrive as sent."""
    body = bytes(range(256)) * 8_192
    chunks = [body[at : at + 77_777] for at in range(0, len(body), 77_777)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    shared_front.exchange(put(len(body)) + body)
    shared_front.exchange(b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + coded)

    assert [request.body for request in shared_front.recorder.seen[-2:]] == [body, body]


def test_socket_is_not_read_while_the_application_does_not(start: Starter) -> None:
    """A body that the application does not take stays with the client: the front buffers a bounded piece of it."""
    read = asyncio.Event()
    sizes: list[int] = []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await read.wait()
        more = True
        while more:
            message = await receive()
            sizes.append(len(message["body"]))
            more = message["more_body"]
        await answer(send)

    front = start(slow, HttpLimits(body_buffer=65_536))
    total = 64 * 1024 * 1024
    with front.wire() as wire:
        wire.send(put(total))
        wire.sock.settimeout(0.3)
        sent = sent_before(wire, TimeoutError)
        assert sent < total
        wire.sock.settimeout(10)
        front.loop.call_soon_threadsafe(read.set)
        wire.send(bytes(total - sent))
        assert wire.answer().status == 200
    assert sum(sizes) == total
    assert max(sizes) <= 65_536 + 262_144


def test_large_answer_waits_for_a_slow_reader(start: Starter) -> None:
    """`send` waits once the client does not read, and the answer arrives whole."""
    sent = 0

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % 2**24)]})
        for at in range(1, 257):
            await send({"type": "http.response.body", "body": bytes(65_536), "more_body": at < 256})
            sent = at

    front = start(large)
    with front.wire() as wire:
        wire.send(GET)
        front.turn()
        assert sent < 256
        assert len(wire.answer().body) == 2**24


def sent_before(wire: Any, error: type[OSError] | tuple[type[OSError], ...]) -> int:
    """How many bytes, of at most a gibibyte, the socket takes before it raises."""
    sent = 0
    try:
        while sent < 2**30:
            sent += wire.sock.send(bytes(65_536))
    except error:
        pass
    return sent


# Expect.


def test_continue_is_sent_when_the_application_reads(shared_front: Any) -> None:
    """100 Continue comes with the first `receive`, then the body is read and answered."""
    with shared_front.wire() as wire:
        wire.send(put(5, b"Expect: 100-Continue\r\n"))
        assert wire.sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"hello")
        assert wire.answer().status == 200
    assert shared_front.recorder.seen[-1].body == b"hello"


def test_refusal_comes_without_continue_and_closes(start: Starter) -> None:
    """Where the application refuses before it reads, no 100 is sent and the connection ends without the body."""
    with start(refuse_at_once).wire() as wire:
        wire.send(put(5, b"Expect: 100-continue\r\n"))
        data = wire.rest()
    assert data.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in data


def test_body_that_comes_after_a_refused_expectation_is_no_request(start: Starter) -> None:
    """A client that sends its body after the refusal can't have it taken for a request."""
    calls = 0

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        await answer(send, 413)

    front = start(count)
    with front.wire() as wire:
        wire.send(put(len(GET), b"Expect: 100-continue\r\n"))
        assert wire.answer().closes
        wire.send(GET)
        wire.end()
        assert wire.rest() == b""
    assert calls == 1


# Refusals with an unread body.


def test_small_unread_body_keeps_the_connection(start: Starter) -> None:
    """A small rest is skipped, and the next request is served on the same connection."""
    with start(refuse_put).wire() as wire:
        wire.send(put(65_536))
        first = wire.answer()
        wire.send(bytes(65_536) + GET)
        assert (first.status, first.closes) == (413, False)
        assert wire.answer().status == 200


def test_large_unread_body_is_lingered_for(start: Starter) -> None:
    """A client that sends all of a large body first still reads its answer, no reset comes between."""
    with start(refuse_put).wire() as wire:
        wire.sock.sendall(put(8_000_000) + bytes(8_000_000))
        reply = wire.answer()
        assert (reply.status, reply.closes) == (413, True)
        assert wire.rest() == b""


def test_linger_is_bounded_in_bytes(start: Starter) -> None:
    """After so many discarded bytes the connection is closed for good."""
    front = start(refuse_put, HttpLimits(linger_bytes=100_000))
    with front.wire() as wire:
        wire.send(put(10**12))
        assert wire.answer().closes
        assert sent_before(wire, (BrokenPipeError, ConnectionResetError)) < 2**30


def test_linger_is_bounded_in_time(start: Starter) -> None:
    """A client that neither closes nor sends is let go of."""
    front = start(refuse_put, HttpLimits(linger_seconds=0.2))
    with front.wire() as wire:
        wire.send(put(10**12))
        assert wire.answer().closes
        assert wire.rest() == b""
        front.call(until(lambda: front.server.connections == 0))


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds; the caller bounds it."""
    while not holds():  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.005)


# Deadlines.

HURRY = HttpLimits(header_deadline=0.2, keep_alive=0.2, body_idle=0.2, write_idle=0.2, linger_seconds=0.2)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"GET / HT", "request-timeout"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: ", "request-timeout"),
        (put(10) + b"half", "request-timeout"),
        (put(10), "request-timeout"),
        (b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", "request-timeout"),
        (put(10, b"Expect: 100-continue\r\n"), "request-timeout"),
    ],
)
def test_late_request_is_answered_408(start: Starter, raw: bytes, code: str) -> None:
    """A head or a body that stops is a request-timeout, and the connection ends."""
    front = start(None, HURRY)
    with front.wire() as wire:
        wire.send(raw)
        reply = wire.answer()
        assert (reply.status, reply.code, reply.closes) == (408, code, True)
        assert wire.rest() == b""
    assert [request.body for request in front.recorder.seen] in ([], [None])


@pytest.mark.parametrize("raw", [b"", GET])
def test_idle_connection_is_closed_without_a_word(start: Starter, raw: bytes) -> None:
    """Neither a connection that never speaks nor one that is done gets a 408."""
    with start(None, HURRY).wire() as wire:
        wire.send(raw)
        if raw:
            assert wire.answer().status == 200
        assert wire.rest() == b""


def test_body_below_the_minimum_rate_is_answered_408(start: Starter) -> None:
    """A body that never stops but drips is too slow as a whole."""
    front = start(None, HttpLimits(body_min_rate=1_000_000, body_grace=0.2))
    with front.wire() as wire:
        wire.send(put(10_000_000))
        wire.sock.settimeout(0.02)
        replies: list[Any] = []
        while not replies:
            wire.send(b"x")
            with suppress(TimeoutError):
                replies.append(wire.answer())
        assert replies[0].code == "request-timeout"


def test_slow_application_is_not_the_clients_fault(start: Starter) -> None:
    """While the application does not read, the client's clock stands still."""
    go = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        while (await receive())["more_body"]:
            pass
        await answer(send)

    front = start(late, HttpLimits(body_idle=0.1, body_grace=0.1, body_min_rate=1e12, body_buffer=1_024))
    with front.wire() as wire:
        wire.send(put(100_000) + bytes(50_000))
        front.loop.call_soon_threadsafe(front.loop.call_later, 0.3, go.set)
        wire.send(bytes(50_000))
        assert wire.answer().status == 200


def test_client_that_does_not_read_its_answer_is_dropped(start: Starter) -> None:
    """An answer that nobody takes ends the connection and the wait in `send`."""
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for _ in range(100_000):
            await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
            if (front.server.connections) == 0:
                break
        ended.set()

    front = start(endless, HURRY)
    with front.wire() as wire:
        wire.send(GET)
        front.call(ended.wait())
        with pytest.raises(ConnectionResetError):  # nothing of it stays in the kernel, to be asked for for ever
            _ = [*iter(lambda: wire.sock.recv(1 << 20), b"")]


def test_client_that_leaves_its_answer_in_the_kernel_is_dropped(start: Starter) -> None:
    """An answer that the kernel took whole, and the client does not take, keeps nothing when its time is over."""

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, bytes(300_000))

    front = start(large, HURRY)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # before it connects, so that it is advertised
        client.connect(("127.0.0.1", front.port))
        client.sendall(GET)
        deadline = time.monotonic() + 30
        while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_ESTABLISHED:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    assert front.server.connections == 0


# Disconnects.


@pytest.mark.parametrize("reset", [False, True])
def test_disconnect_in_the_body_reaches_the_application_at_once(start: Starter, reset: bool) -> None:
    """`receive` says http.disconnect when the client ends or resets in mid-body; what is sent then is dropped."""
    latch = Latch()
    front = start(latch)
    with front.wire() as wire:
        wire.send(put(10) + b"half")
        front.call(latch.started.wait())
        if reset:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    front.call(latch.ended.wait())

    assert latch.messages[-1] == {"type": "http.disconnect"}
    assert all(message["more_body"] for message in latch.messages[:-1])


def test_broken_framing_reaches_the_application_as_a_disconnect(start: Starter) -> None:
    """After a framing fault the client has its 400 and the application a disconnect: it can abort what it began."""
    latch = Latch()
    front = start(latch)
    with front.wire() as wire:
        wire.send(b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        front.call(latch.started.wait())
        wire.send(b"nonsense\r\n")
        assert wire.answer().code == "request-invalid"
    front.call(latch.ended.wait())
    assert latch.messages == [{"type": "http.disconnect"}]


def test_receive_after_the_body_waits_for_the_end(start: Starter) -> None:
    """After a whole body `receive` waits, also for two waiters of which one is cancelled, until the answer is out."""
    said: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        first, second = asyncio.ensure_future(receive()), asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        first.cancel()
        await answer(send)
        said.append((await second)["type"])

    front = start(app)
    assert front.exchange(GET).status == 200
    front.turn()
    assert said == ["http.disconnect"]


# Defects of the application.


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    """Fails before it answers."""
    raise RuntimeError("secret")


async def raises_after_start(scope: Scope, receive: Receive, send: Send) -> None:
    """Fails after the start, when nothing is on the wire yet."""
    await send({"type": "http.response.start", "status": 200})
    raise RuntimeError("secret")


async def cancels_itself(scope: Scope, receive: Receive, send: Send) -> None:
    """Lets a cancellation of its own escape."""
    raise asyncio.CancelledError


async def says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Ends without an answer."""


async def wrong_length(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends more than it said."""
    await answer(send, 200, b"hello", (b"content-length", b"4"))


async def wrong_order(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends a body first."""
    await send({"type": "http.response.body", "body": b""})


async def unknown_message(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends what ASGI has not."""
    await send({"type": "http.response.push"})


async def informational(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with a status that is no answer."""
    await answer(send, 100)


def with_header(name: bytes, value: bytes) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An application that answers with one header."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, b"", (name, value))

    return app


@pytest.mark.parametrize(
    "app",
    [
        raises,
        raises_after_start,
        cancels_itself,
        says_nothing,
        wrong_length,
        wrong_order,
        unknown_message,
        informational,
        with_header(b"x", b"a\r\nset-cookie: b"),
        with_header(b"x", b"a\nb"),
        with_header(b"x", b"a\x00b"),
        with_header(b"x\r\ny", b"a"),
        with_header(b"", b"a"),
        with_header(b"content-length", b"+0"),
    ],
)
def test_defect_of_the_application_is_an_opaque_500(start: Starter, app: Any) -> None:
    """Whatever fails before the answer is on the wire becomes a problem with an id and nothing else."""
    reply = start(app).exchange(GET)
    problem = json.loads(reply.body)

    assert (reply.status, reply.code, reply.closes) == (500, "internal", True)
    assert problem["instance"] == reply.header("x-request-id")
    assert b"secret" not in reply.body


def test_a_page_reads_what_the_server_itself_answers(start: Starter) -> None:
    """The application says what belongs to any answer of a request, and then fails."""

    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret")

    page = WithCors(fails, cors=Cors.of(["https://app.example"]), calls=UPLOADS, request_ids=lambda _: "unused")
    allowed, other = (
        start(page).exchange(GET.replace(b"\r\n\r\n", b"\r\norigin: " + origin + b"\r\n\r\n"))
        for origin in (b"https://app.example", b"https://evil.example")
    )

    assert (allowed.status, allowed.header("access-control-allow-origin")) == (500, "https://app.example")
    assert (other.status, other.header("access-control-allow-origin")) == (500, None)
    assert other.header("vary") == "Origin"


def test_failure_in_mid_answer_breaks_the_connection(start: Starter) -> None:
    """An answer that can't be finished is cut off, so that nobody takes it for whole."""

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        raise RuntimeError("secret")

    with start(breaks).wire() as wire:
        wire.send(GET)
        try:
            data = wire.rest()
        except ConnectionResetError:
            data = b""
    assert b"0\r\n\r\n" not in data


# Answers.


def test_head_gets_the_headers_of_get_and_no_body(start: Starter) -> None:
    """HEAD: the length of what GET would bring, none of it, and the connection goes on."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, b"hello", (b"content-length", b"5"))

    with start(app).wire() as wire:
        wire.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + GET)
        head = wire.answer(head_only=True)
        assert (head.status, head.header("content-length"), head.body) == (200, "5", b"")
        assert wire.answer().body == b"hello"


def test_refused_head_has_no_body(shared_front: Any) -> None:
    """A malformed HEAD is refused without a body that the client would take for the next answer."""
    with shared_front.wire() as wire:
        wire.send(b"HEAD / HTTP/1.1\r\n\r\n")
        assert wire.rest().endswith(b"\r\n\r\n")


def test_streamed_answer_is_chunked_for_1_1_and_ended_by_close_for_1_0(start: Starter) -> None:
    """Without a length HTTP/1.1 gets chunks, HTTP/1.0 the end of the connection."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for piece in (b"hello ", b"", b"world"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    front = start(app)
    replies = []
    for version in (b"1.1", b"1.0"):
        with front.wire() as wire:
            wire.send(b"GET / HTTP/" + version + b"\r\nHost: h\r\nConnection: close\r\n\r\n")
            replies.append(wire.rest().partition(b"\r\n\r\n")[2])
    assert replies == [b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n", b"hello world"]


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_have_none(start: Starter, status: int) -> None:
    """204 and 304 end with their head."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, status, b"")

    with start(app).wire() as wire:
        wire.send(GET + GET)
        assert [wire.answer().status, wire.answer().status] == [status, status]


def test_application_may_close_and_may_set_its_date(start: Starter) -> None:
    """`connection: close` of the application is honoured once, its date not doubled, other hop-by-hop dropped."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = ((b"Connection", b"close"), (b"Date", b"today"), (b"Transfer-Encoding", b"gzip"))
        await answer(send, 200, b"", *headers)

    with start(app).wire() as wire:
        wire.send(GET + GET)
        reply = wire.answer()
        assert (reply.closes, reply.header("date"), reply.header("transfer-encoding")) == (True, "today", None)
        assert wire.rest() == b""


def ended_without_a_word(wire: Any) -> bool:
    """Whether the connection ends with no byte, by a close or a reset."""
    try:
        return bool(wire.rest() == b"")
    except ConnectionResetError:
        return True


# Pipelining, limits of connections, the end.


def test_pipelined_requests_run_one_at_a_time(start: Starter) -> None:
    """The second request begins when the first one is answered."""
    running, most = 0, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        await answer(send, 200, bytes(scope["raw_path"]))

    with start(app).wire() as wire:
        wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % at for at in range(2_000)))
        bodies = [wire.answer().body for _ in range(2_000)]
    assert bodies == [b"/%d" % at for at in range(2_000)]
    assert most == 1


def test_requests_that_come_while_one_is_answered_wait_their_turn(start: Starter) -> None:
    """Requests with bodies are read ahead only so far while one runs, then served in order, none lost or torn."""
    go, started = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message["body"])
            more = message["more_body"]
        started.set()
        await go.wait()
        await answer(send, 200, b"%b %d" % (scope["raw_path"], size))

    front = start(app, HttpLimits(max_head_bytes=1_024))
    with front.wire() as wire:
        wire.send(GET)
        front.call(started.wait())
        sizes = [at * 37 % 30_000 for at in range(300)]
        for at, size in enumerate(sizes):
            wire.send(b"PUT /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (at, size) + bytes(size))
            if at == 5:
                front.turn()
                front.loop.call_soon_threadsafe(go.set)
        bodies = [wire.answer().body for _ in range(301)]
    assert bodies[1:] == [b"/%d %d" % pair for pair in enumerate(sizes)]


def test_connections_beyond_the_limit_are_told_to_come_back(start: Starter) -> None:
    """One too many is answered 429 with Retry-After; twice as many is dropped."""
    front = start(None, HttpLimits(max_connections=1))
    with front.wire() as one, front.wire() as two, front.wire() as three:
        reply = two.answer()
        assert (reply.status, reply.code, reply.header("retry-after")) == (429, "rate-limited", "1")
        assert ended_without_a_word(three)
        one.send(GET)
        assert one.answer().status == 200


def test_stop_lets_requests_finish_and_closes_the_rest(start: Starter) -> None:
    """Within the grace a request in flight is answered (and told that this is the end), an idle connection closed."""
    go, started = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        await go.wait()
        await answer(send, 200, b"done")

    front = start(app)
    with front.wire() as busy, front.wire() as idle:
        busy.send(GET)
        front.call(started.wait())
        stopping = asyncio.run_coroutine_threadsafe(front.server.stop(5), front.loop)
        assert idle.rest() == b""
        front.loop.call_soon_threadsafe(go.set)
        reply = busy.answer()
        assert (reply.body, reply.closes) == (b"done", True)
        stopping.result(10)
    assert front.server.connections == 0


def test_stop_ends_what_does_not_finish_in_the_grace(start: Starter) -> None:
    """After the grace connections are broken and applications cancelled: nothing is left."""
    cancelled: list[bool] = []
    started = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    front = start(app)
    with front.wire() as wire:
        wire.send(GET)
        front.call(started.wait())
        front.call(front.server.stop(0.1))
        assert ended_without_a_word(wire)
    assert cancelled == [True]
    assert front.server.connections == 0


def test_serve_runs_until_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    """`serve` tells its port, answers, and leaves nothing when it is cancelled; it takes a bound socket."""

    async def life() -> tuple[bytes, int]:
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        started: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(
            serve(refuse_at_once, host="", port=0, sock=sock, on_started=started.set_result, grace=1)
        )
        server = await started
        assert server.port == port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        data = await reader.readline()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        writer.close()
        await writer.wait_closed()
        return data, server.connections

    data, left = asyncio.run_coroutine_threadsafe(life(), loop).result(10)
    assert data.startswith(b"HTTP/1.1 413")
    assert left == 0


def test_server_says_when_it_is_not_listening() -> None:
    """The port of a server that has not started is an error, not a number."""
    with pytest.raises(RuntimeError):
        _ = Server(refuse_at_once).port


def test_limit_that_is_no_limit_is_refused() -> None:
    """Zero and negative limits are named."""
    with pytest.raises(ValueError, match="linger_bytes, linger_seconds"):
        HttpLimits(linger_bytes=0, linger_seconds=-1)
