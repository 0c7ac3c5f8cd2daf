"""Answers as bytes: the application's messages and our own problems. Pure but for the cached date.

The server owns the framing of an answer (`Connection`, `Transfer-Encoding`, `Date`); an application that sets the
first two wrongly or smuggles a line break into a header has a defect, and gets a `ResponseError`.
"""

import json
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from gateway.policy.problems import Refusal
from gateway.server._head import FIELD_OCTETS, TOKEN

_REASONS: Final = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_BODILESS: Final = frozenset((204, 304))
_OURS: Final = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
"""Hop-by-hop headers (RFC 9110 section 7.6.1): the server's own, never an application's."""

_FRAMING: Final = frozenset(name.decode("ascii") for name in _OURS) | {"content-length", "date"}
"""What a whole answer gets from the server alone."""


class ResponseError(RuntimeError):
    """The application's answer can't be sent: a defect of the application, not of the request."""


class DateLine:
    """The `date` line of an answer (RFC 9110 section 6.6.1), made anew once a second. `clock` is Unix time."""

    __slots__ = ("_clock", "_line", "_second")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = -1
        self._line = b""

    def __call__(self) -> bytes:
        """The line with its CRLF."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._line = b"date: " + formatdate(second, usegmt=True).encode("ascii") + b"\r\n"
        return self._line


def problem_response(
    refusal: Refusal,
    request_id: str,
    date: bytes,
    *,
    head_only: bool = False,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> bytes:
    """A refusal as a complete, closing answer (RFC 9457); `head_only` for HEAD, which has no body.

    `headers` are more of them, as the application said that they belong to any answer.
    """
    body = json.dumps(refusal.body(request_id), separators=(",", ":")).encode("ascii")
    own = (*refusal.response_headers(), ("content-length", str(len(body))), ("x-request-id", request_id))
    lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in own]
    lines += [b"%b: %b\r\n" % pair for pair in headers]
    head = b"".join((_status_line(refusal.status), *lines, date, b"connection: close\r\n\r\n"))
    return head if head_only else head + body


class ResponseEncoder:
    """One application's answer: `start` once, then `body` until it returns with `complete`.

    `head_only`: the request was HEAD. `chunks`: the client understands chunked (HTTP/1.1). Nothing is on the wire
    before the first `body`, so that a small answer is one write and a late defect can still become a problem.
    """

    __slots__ = (
        "_chunked",
        "_chunks",
        "_head_only",
        "_lines",
        "_remaining",
        "_status",
        "begun",
        "complete",
        "says_close",
    )

    def __init__(self, *, head_only: bool, chunks: bool) -> None:
        self._head_only = head_only
        self._chunks = chunks
        self._status = 0
        self._lines: list[bytes] = []
        self._remaining: int | None = None
        self._chunked = False
        self.begun = False
        self.complete = False
        self.says_close = False

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take status and headers. Raises `ResponseError` where they can't be sent as they are."""
        if self._status:
            raise ResponseError("The answer was started twice.")
        if not 200 <= status <= 599:
            raise ResponseError("The status is not a final one.")
        lines: list[bytes] = []
        for raw_name, raw_value in headers:
            name, value = bytes(raw_name).lower(), bytes(raw_value)
            if not name or name.translate(None, TOKEN) or value.translate(None, FIELD_OCTETS):
                raise ResponseError("A header of the answer is not valid.")
            if name in _OURS:
                self._note_connection(name, value)
                continue
            if name == b"content-length":
                self._note_length(value)
            lines.append(b"%b: %b\r\n" % (name, value))
        if self._remaining is not None and status == 204:
            raise ResponseError("A 204 has no Content-Length.")
        self._status, self._lines = status, lines

    def whole(self, status: int, headers: Iterable[tuple[str, str]], body: bytes, *, close: bool, date: bytes) -> bytes:
        """A whole answer in one piece, instead of `start` and `body`. Raises `ResponseError`."""
        pairs = tuple(headers)
        names = [name for name, _ in pairs]
        head = "".join([f"{name}: {value}\r\n" for name, value in pairs]).encode("latin-1")
        if self._status or not 200 <= status <= 599:
            raise ResponseError("The answer was started before, or its status is not a final one.")
        # What is left of a head without the octets of fields is one CRLF a line, or something was smuggled in.
        if head.translate(None, FIELD_OCTETS) != b"\r\n" * len(names) or not _are_tokens(names):
            raise ResponseError("A header of the answer is not valid.")
        if not _FRAMING.isdisjoint(names):
            raise ResponseError("The framing of an answer is the server's own.")
        self._status, self.begun, self.complete = status, True, True
        length = b"" if status in _BODILESS else b"content-length: %d\r\n" % len(body)
        end = b"connection: close\r\n\r\n" if close else b"\r\n"
        sent = b"" if self._bodiless else body
        return b"".join((_status_line(status), head, length, date, end, sent))

    def body(self, data: bytes, *, more: bool, close: bool, date: bytes) -> list[bytes]:
        """The pieces to write for a piece of body; the head comes with the first. Raises `ResponseError`."""
        if not self._status or self.complete:
            raise ResponseError("A body before the answer's start, or after its end.")
        out: list[bytes] = []
        if not self.begun:
            out.append(self._head(len(data), more=more, close=close, date=date))
        out.extend(self._framed(data, more=more))
        self.begun = True
        self.complete = not more
        return out

    def _head(self, size: int, *, more: bool, close: bool, date: bytes) -> bytes:
        lines = [_status_line(self._status), *self._lines]
        if self._remaining is None and not self._bodiless:
            if not more:
                self._remaining = size
                lines.append(b"content-length: %d\r\n" % size)
            elif self._chunks:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                close = True  # only the end of the connection can end this body
        if not any(line.startswith(b"date:") for line in self._lines):
            lines.append(date)
        if close:
            lines.append(b"connection: close\r\n")
        return b"".join((*lines, b"\r\n"))

    def _framed(self, data: bytes, *, more: bool) -> list[bytes]:
        if self._bodiless:
            return []
        if self._chunked:
            end = [] if more else [b"0\r\n\r\n"]
            return [b"%x\r\n" % len(data), data, b"\r\n", *end] if data else end
        if self._remaining is not None:
            self._remaining -= len(data)
            if self._remaining < 0 or (self._remaining > 0 and not more):
                raise ResponseError("The answer's body is not as long as its Content-Length.")
        return [data] if data else []

    @property
    def _bodiless(self) -> bool:
        return self._head_only or self._status in _BODILESS

    def _note_connection(self, name: bytes, value: bytes) -> None:
        if name == b"connection" and b"close" in value.lower():
            self.says_close = True

    def _note_length(self, value: bytes) -> None:
        if not value.isdigit() or self._remaining is not None:
            raise ResponseError("The answer's Content-Length is not one number.")
        self._remaining = int(value)


def _are_tokens(names: list[str]) -> bool:
    return all(names) and not "".join(names).encode("latin-1").translate(None, TOKEN)


def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, _REASONS.get(status, b""))
