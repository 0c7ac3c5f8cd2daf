"""Where a body ends: bytes of the wire to bytes of the body and the rest. Pure: no socket, no clock.

A body has a length or is chunked (RFC 9112 sections 6.2 and 7.1). Anything that is not exactly the grammar is a
fault: after one, nothing on the connection can be trusted to be the next request.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

from gateway.server._head import FIELD_OCTETS, TOKEN

# RFC 9112 section 7.1, without the BWS that a recipient may accept before the semicolon. 15 digits are 2^60.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(;[\t -~\x80-\xff]*)?")

_MAX_LINE: Final = 1_024
"""Of a chunk's size line and of one trailer line."""

_MAX_OVERHEAD: Final = 16_384
"""Extensions and trailers of one body together: they are dropped, so they must not be free (CVE-2023-39326)."""


class Framing(Protocol):
    """One body being read.

    `complete`: its end was seen; `rest` then holds what followed. `fault`: it broke the grammar, in a sentence.
    `remaining`: bytes to come, None where nobody knows.
    """

    complete: bool
    rest: bytes
    fault: str | None

    @property
    def remaining(self) -> int | None:
        """Bytes of body still to come, if known."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the wire, give the body's own among them."""
        ...


def framing_for(length: int | None) -> Framing:
    """The framing of a head's `length`: None is chunked."""
    return ChunkedBody() if length is None else LengthBody(length)


class LengthBody:
    """A body of a known number of bytes."""

    __slots__ = ("_remaining", "complete", "fault", "rest")

    def __init__(self, length: int) -> None:
        self._remaining = length
        self.complete = length == 0
        self.rest = b""
        self.fault: str | None = None

    @property
    def remaining(self) -> int | None:
        """Bytes of body still to come."""
        return self._remaining

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the wire, give the body's own; uncopied where all of them are."""
        if len(data) > self._remaining:
            data, self.rest = data[: self._remaining], data[self._remaining :]
        self._remaining -= len(data)
        self.complete = self._remaining == 0
        return data


class ChunkedBody:
    """A chunked body. Extensions and trailers are checked, counted and dropped."""

    __slots__ = ("_held", "_left", "_overhead", "_state", "complete", "fault", "rest")

    def __init__(self) -> None:
        self._state: Callable[[bytes, int, list[bytes]], int] = self._size
        self._held = b""
        self._left = 0
        self._overhead = 0
        self.complete = False
        self.rest = b""
        self.fault: str | None = None

    @property
    def remaining(self) -> int | None:
        """Nobody knows."""
        return 0 if self.complete else None

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the wire, give the body's own; look at `fault` afterwards."""
        data, self._held = self._held + data, b""
        at, pieces = 0, list[bytes]()
        while at < len(data) and self.fault is None and not self.complete:
            after = self._state(data, at, pieces)
            if after == at:
                self._held = data[at:]
                break
            at = after
        if self.complete:
            self.rest = data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _line(self, data: bytes, at: int) -> bytes | None:
        """The line at `at` without its CRLF; None while it is incomplete. Sets `fault` where it can't become one."""
        end = data.find(b"\r\n", at, at + _MAX_LINE + 2)
        if end >= 0:
            return data[at:end]
        piece = data[at : at + _MAX_LINE + 2]
        if len(piece) > _MAX_LINE:
            self.fault = "A line of the chunked body is too long."
        elif piece.removesuffix(b"\r").translate(None, FIELD_OCTETS):
            self.fault = "A line of the chunked body holds a control character or does not end in CRLF."
        return None

    def _spend(self, overhead: int) -> None:
        self._overhead += overhead
        if self._overhead > _MAX_OVERHEAD:
            self.fault = "The chunked body has too many extensions or trailers."

    def _size(self, data: bytes, at: int, _pieces: list[bytes]) -> int:
        line = self._line(data, at)
        if line is None:
            return at
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            self.fault = "A chunk does not begin with its size in hexadecimal."
            return at
        digits, extension = match.groups()
        self._spend(len(extension or b""))
        self._left = int(digits, 16)
        self._state = self._data if self._left else self._trailer
        return at + len(line) + 2

    def _data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data if at == 0 and len(data) <= self._left else data[at : at + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if self._left == 0:
            self._state = self._data_end
        return at + len(piece)

    def _data_end(self, data: bytes, at: int, _pieces: list[bytes]) -> int:
        end = data[at : at + 2]
        if end == b"\r\n":
            self._state = self._size
            return at + 2
        if end != b"\r":
            self.fault = "A chunk is longer than its size says."
        return at

    def _trailer(self, data: bytes, at: int, _pieces: list[bytes]) -> int:
        line = self._line(data, at)
        if line is None:
            return at
        if not line:
            self.complete = True
            return at + 2
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, TOKEN) or value.translate(None, FIELD_OCTETS):
            self.fault = "A trailer line is not 'name: value'."
        self._spend(len(line))
        return at + len(line) + 2
