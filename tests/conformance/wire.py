"""A raw HTTP/1.1 client: it sends exactly the bytes it was given and reads the answer strictly.

A client library tidies a request (decodes and re-encodes paths, drops an empty query, adds lengths), and the suite is
about the requests that a library would never send. This module knows HTTP/1.1 framing (RFC 9112) and how `curl -L`
follows a 307; it knows nothing of the gateway.
"""

import re
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Self
from urllib.parse import urlsplit

TIMEOUT: Final = 20.0
"""Seconds without a byte from the other side after which an exchange has failed."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) [^\r\n]*\Z")
_FIELD_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*\Z")
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]+\Z")
_REDIRECTS: Final = frozenset({307, 308})
_CREDENTIALS: Final = frozenset({"authorization", "cookie"})


class WireError(Exception):
    """The other side closed, stalled, or sent what is not HTTP/1.1."""


class ClosedError(WireError):
    """The connection ended before the first byte of an answer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection goes: a host as written in a URL, and a port."""

    host: str
    port: int

    @property
    def netloc(self) -> str:
        """The value of `Host`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, byte for byte: nothing is added to it but `Host`.

    `target` is the raw request target (latin-1), `body` what follows the head, already framed. `hop_headers` stand for
    what a piece of infrastructure adds on the way to the first server: a client does not repeat them at a redirect.
    `host` replaces the value of `Host` there.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hop_headers: tuple[tuple[str, str], ...] = ()
    host: str | None = None

    def encode(self, origin: Origin) -> bytes:
        """The bytes on the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {origin.netloc if self.host is None else self.host}"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, *self.hop_headers)]
        return "\r\n".join((*lines, "", "")).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One final answer; header names are lower-case, in order, repeated ones kept."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's value, None when it is absent; repeated ones are joined (RFC 9110 section 5.3)."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def media_type(self) -> str:
        """The essence of `Content-Type`, lower-case, empty when absent."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Hop:
    """One exchange of a trace: whom was asked, what, and what they said."""

    origin: Origin
    request: Request
    response: Response


@dataclass(frozen=True, slots=True)
class Trace:
    """Every exchange of one upload, in order; the last one is the answer the client keeps."""

    hops: tuple[Hop, ...]

    @property
    def first(self) -> Response:
        """What the gateway said."""
        return self.hops[0].response

    @property
    def last(self) -> Response:
        """What the client is left with."""
        return self.hops[-1].response


@dataclass(slots=True)
class _Connection:
    """A socket with its unread bytes."""

    sock: socket.socket
    fresh: bool = True
    unread: bytearray = field(default_factory=bytearray)

    def send_until_answered(self, data: bytes) -> bool:
        """Send all of `data` unless the other side speaks first, as curl does. True when everything was sent."""
        view = memoryview(data)
        while view:
            readable, writable, _ = select.select([self.sock], [self.sock], [], TIMEOUT)
            if readable and self._answered():
                return False
            if not writable:
                raise WireError(f"the other side took no byte for {TIMEOUT} s")
            try:
                view = view[self.sock.send(view[: 1 << 16]) :]
            except (BrokenPipeError, ConnectionResetError):
                return False
        return True

    def _answered(self) -> bool:
        """Take in what is readable; True when it is more than an interim answer (1xx)."""
        self.more()
        return not self.unread.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1"))

    def more(self) -> None:
        """Read at least one byte more."""
        try:
            chunk = self.sock.recv(1 << 16)
        except TimeoutError as error:
            raise WireError(f"no answer within {TIMEOUT} s, so far: {bytes(self.unread[:200])!r}") from error
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            kind = WireError if self.unread else ClosedError
            raise kind(f"closed in mid-answer, so far: {bytes(self.unread[:200])!r}")
        self.unread += chunk

    def line(self) -> bytes:
        """The next line without its CRLF."""
        while (end := self.unread.find(b"\r\n")) < 0:
            self.more()
        taken = bytes(self.unread[:end])
        del self.unread[: end + 2]
        return taken

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self.unread) < count:
            self.more()
        taken = bytes(self.unread[:count])
        del self.unread[:count]
        return taken

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        while True:
            try:
                self.more()
            except WireError:
                taken = bytes(self.unread)
                self.unread.clear()
                return taken


class Wire:
    """Keeps connections alive between exchanges; not for more than one thread."""

    def __init__(self) -> None:
        self._idle: dict[Origin, _Connection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            self._idle.popitem()[1].sock.close()

    def exchange(self, origin: Origin, request: Request) -> Response:
        """Send one request and read its final answer.

        A kept connection that turns out to be closed is replaced once, as RFC 9112 section 9.3.1 allows before any
        byte of an answer.

        Raises:
            WireError: no answer, or one that is not HTTP/1.1.
        """
        kept = self._idle.pop(origin, None)
        if kept is not None and not select.select([kept.sock], [], [], 0)[0]:
            try:
                return self._on(kept, origin, request)
            except ClosedError:
                kept.sock.close()
        elif kept is not None:
            kept.sock.close()
        return self._on(_connect(origin), origin, request)

    def follow(self, origin: Origin, request: Request) -> Trace:
        """Send a request and follow one 307 as `curl -L` does: same method, headers and body, no credential abroad."""
        first = self.exchange(origin, request)
        hops = [Hop(origin, request, first)]
        if first.status in _REDIRECTS and first.header("location") is not None:
            there, again = redirected(origin, request, first)
            hops.append(Hop(there, again, self.exchange(there, again)))
        return Trace(tuple(hops))

    def _on(self, connection: _Connection, origin: Origin, request: Request) -> Response:
        try:
            complete = connection.send_until_answered(request.encode(origin))
            response, reusable = _read_response(connection, request.method)
        except BaseException:
            connection.sock.close()
            raise
        if complete and reusable and not connection.unread:
            connection.fresh = False
            self._idle[origin] = connection
        else:
            connection.sock.close()
        return response


class Pipeline:
    """Requests sent on one connection without waiting for answers between (RFC 9112 section 9.3.2).

    `send` and `receive` take turns; the answers come in the order of the requests. What a closed connection left
    unanswered is sent again on a new one, as the RFC has it for requests that are idempotent, as a PUT is.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._connection = _connect(origin)
        self._waiting: list[Request] = []

    def send(self, requests: Sequence[Request]) -> None:
        """Send all of them; together they must fit the buffers of two sockets."""
        self._waiting = list(requests)
        with suppress(ConnectionError):  # what was answered before the close is still to be read
            self._connection.sock.sendall(b"".join(request.encode(self._origin) for request in requests))

    def receive(self) -> list[Response]:
        """The answers to what was sent.

        Raises:
            WireError: an answer that is not HTTP/1.1, or a connection that closes before any answer.
        """
        answers: list[Response] = []
        before = -1
        while self._waiting:
            try:
                response, reusable = _read_response(self._connection, self._waiting[0].method)
                answers.append(response)
                self._waiting.pop(0)
            except ClosedError:
                if len(answers) == before:
                    raise
                reusable = False
            if not reusable:
                before = len(answers)
                self.close()
                self._connection = _connect(self._origin)
                self.send(self._waiting)
        return answers

    def close(self) -> None:
        """Close the connection."""
        self._connection.sock.close()


def _connect(origin: Origin) -> _Connection:
    sock = socket.create_connection((origin.host.strip("[]"), origin.port), timeout=TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Connection(sock)


def redirected(origin: Origin, request: Request, redirect: Response) -> tuple[Origin, Request]:
    """The second request of a redirect; an `Authorization` never leaves for another host or port (curl, RFC 9110)."""
    location = redirect.header("location") or ""
    url = urlsplit(location)
    if url.scheme != "http" or url.hostname is None:
        raise WireError(f"the suite follows absolute http URLs only: {location[:120]!r}")
    there = Origin(url.hostname, url.port or 80)
    keep = request.headers if there == origin else tuple(_without_credentials(request.headers))
    target = location.split(url.netloc, 1)[1] or "/"
    return there, replace(request, target=target, headers=keep, hop_headers=(), host=None)


def _without_credentials(headers: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    return (pair for pair in headers if pair[0].lower() not in _CREDENTIALS)


def _read_response(connection: _Connection, method: str) -> tuple[Response, bool]:
    """The final answer and whether the connection may be used again."""
    while True:
        status, headers = _read_head(connection)
        if status >= 200:
            break
    body, framed = _read_body(connection, method, status, headers)
    response = Response(status=status, headers=headers, body=body)
    return response, framed and "close" not in (response.header("connection") or "").lower()


def _read_head(connection: _Connection) -> tuple[int, tuple[tuple[str, str], ...]]:
    """A status line and its field lines, parsed as strictly as RFC 9112 sections 4 and 5 have it."""
    line = connection.line()
    matched = _STATUS_LINE.match(line)
    if matched is None:
        raise WireError(f"not a status line: {line[:120]!r}")
    headers: list[tuple[str, str]] = []
    while entry := connection.line():
        field_line = _FIELD_LINE.match(entry)
        if field_line is None:
            raise WireError(f"not a field line: {entry[:120]!r}")
        headers.append((field_line[1].decode("ascii").lower(), field_line[2].decode("latin-1")))
    return int(matched[1]), tuple(headers)


def _read_body(
    connection: _Connection, method: str, status: int, headers: tuple[tuple[str, str], ...]
) -> tuple[bytes, bool]:
    """The body and whether its end was said (RFC 9112 section 6.3)."""
    lengths = {value for name, value in headers if name == "content-length"}
    codings = [value.lower() for name, value in headers if name == "transfer-encoding"]
    if method == "HEAD" or status in {204, 304}:
        return b"", True
    if codings:
        if codings != ["chunked"] or lengths:
            raise WireError(f"ambiguous framing: {codings!r} with {lengths!r}")
        return _read_chunks(connection), True
    if not lengths:
        return connection.rest(), False
    if len(lengths) != 1 or not (length := lengths.pop()).isdecimal():
        raise WireError(f"ambiguous Content-Length: {lengths!r}")
    return connection.exactly(int(length)), True


def _read_chunks(connection: _Connection) -> bytes:
    body = bytearray()
    while True:
        size = connection.line().partition(b";")[0].strip()
        if _CHUNK_SIZE.match(size) is None:
            raise WireError(f"not a chunk size: {size[:40]!r}")
        if int(size, 16) == 0:
            break
        body += connection.exactly(int(size, 16))
        if connection.line():
            raise WireError("a chunk is longer than it said")
    while connection.line():
        pass
    return bytes(body)
