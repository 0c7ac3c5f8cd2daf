"""The head of a request: bytes of the wire to a `RequestHead` or a `Refusal`. Pure: no socket, no clock.

Stricter than RFC 9112 wherever it leaves a choice, because every leniency is a second opinion that a proxy before
us may not share (request smuggling): lines end in CRLF only, no folding, one Host, one Content-Length of plain
digits, one Transfer-Encoding that is `chunked`, never both. A method is any token: whether it is allowed is the
application's to say. What stands in the target is kept exactly as it came.
"""

import re
from dataclasses import dataclass
from typing import Final

from gateway.policy.problems import Code, Fault, Refusal
from gateway.server._limits import HttpLimits

TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The octets of a token (RFC 9110 section 5.6.2), for `bytes.translate`."""

FIELD_OCTETS: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
"""The octets of a field value (RFC 9110 section 5.5), for `bytes.translate`."""

_HEAD_OCTETS: Final = FIELD_OCTETS + b"\r\n"

# RFC 9112 section 3: method SP request-target SP HTTP-version, with exactly one SP each. The minor version is 0 or 1;
# others do not exist. The target's own grammar is wider here than RFC 3986's: its bytes are the application's to judge.
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}) ([!-~\x80-\xff]+) HTTP/1\.([01])")

# RFC 9110 section 7.2 with the host narrowed to names, IPv4 and bracketed IPv6: no reg-name oddities, no userinfo.
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

# RFC 9112 section 3.2.2; the path may be empty.
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?]*)(.*)", re.DOTALL)

_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,18}")
_MAX_LENGTH: Final = 2**63 - 1

_LINE_OVERHEAD: Final = 64 + len(b"  HTTP/1.1")
_WATCHED: Final = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """A request's head, checked and otherwise untouched.

    `raw_path` is the target's path as on the wire, `query` what follows the first `?` or None where there is none.
    `headers` are in wire order, duplicates kept, names in lower case. `length` is the body's size in bytes, None where
    the body is chunked. `keep_alive` is what the client allows.
    """

    method: str
    raw_path: bytes
    query: bytes | None
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    length: int | None
    expects_continue: bool
    keep_alive: bool


def malformed(detail: str) -> Refusal:
    """The refusal of a request that breaks HTTP's grammar or framing."""
    return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=(Fault("", detail),))


class HeadReader:
    """Collects bytes until a head is complete, and says no as soon as it can't become one.

    After `feed` has returned a `RequestHead`, `rest` holds the bytes that followed it. One reader reads one head.
    `asks_head` says whether the method is HEAD, so that even a refusal of the rest comes without a body.
    """

    __slots__ = ("_held", "_limits", "_line_seen", "_scanned", "asks_head", "rest")

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._held = bytearray()
        self._scanned = 0
        self._line_seen = False
        self.asks_head = False
        self.rest = b""

    @property
    def started(self) -> bool:
        """Whether any byte has come."""
        return bool(self._held)

    def feed(self, data: bytes) -> RequestHead | Refusal | None:
        """Take the next bytes: a head, a refusal, or None while more is needed."""
        view: bytes | bytearray = data
        if self._held:
            self._held += data
            view = self._held
        self.asks_head = view.startswith((b"HEAD ", b"\r\nHEAD "))
        end = view.find(b"\r\n\r\n", max(self._scanned - 3, 0))
        if end < 0:
            if view is data:
                self._held += data
            return self._early_fault()
        if end > self._limits.max_head_bytes:
            return _too_long(view, self._limits)
        self.rest = bytes(view[end + 4 :])
        return parse_head(bytes(view[:end]), self._limits)

    def _early_fault(self) -> Refusal | None:
        """What is already certain of an incomplete head: a wrong octet, a wrong first line, too much of it."""
        held = self._held
        if not _octets_are_fine(held, self._scanned):
            return malformed("The head holds a control character or a line that does not end in CRLF.")
        # A CR at the end may be half of a CRLF: it is looked at again with what follows.
        self._scanned = len(held) - (held[-1:] == b"\r")
        if not self._line_seen:
            start = 2 if held.startswith(b"\r\n") else 0
            end = held.find(b"\r\n", start)
            if end >= 0:
                self._line_seen = True
                line = _request_line(bytes(held[start:end]), self._limits)
                if isinstance(line, Refusal):
                    return line
            elif len(held) > self._limits.max_target_bytes + _LINE_OVERHEAD:
                return _too_long(held, self._limits)
        return _too_long(held, self._limits) if len(held) > self._limits.max_head_bytes else None


def parse_head(head: bytes, limits: HttpLimits) -> RequestHead | Refusal:
    """Parse a complete head, its final empty line taken off (RFC 9112 sections 2 to 6)."""
    # RFC 9112 section 2.2: one empty line before the request line is ignored.
    first, *lines = head.removeprefix(b"\r\n").split(b"\r\n")
    line = _request_line(first, limits)
    if isinstance(line, Refusal):
        return line
    method, target, version = line
    if len(lines) > limits.max_headers:
        return Refusal(code=Code.REQUEST_TOO_LONG, detail=f"More than {limits.max_headers} headers.")
    headers = _fields(lines)
    if isinstance(headers, Refusal):
        return headers
    watched: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _WATCHED:
            watched.setdefault(name, []).append(value)
    place = _place(method, target, watched.get(b"host", []), version)
    if isinstance(place, Refusal):
        return place
    length = _length(watched, version)
    if isinstance(length, Refusal):
        return length
    path, mark, query = place.partition(b"?")
    return RequestHead(
        method=method.decode("ascii"),
        raw_path=path,
        query=query if mark else None,
        version=version,
        headers=tuple(headers),
        length=length,
        expects_continue=version == "1.1" and _expects_continue(watched.get(b"expect", [])),
        keep_alive=version == "1.1" and not _says_close(watched.get(b"connection", [])),
    )


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]] | Refusal:
    """Names in lower case and values (RFC 9112 section 5). The octets of all are checked at once, for speed."""
    # What is left of CR and LF after the split is bare, and no octet of a field.
    if b"".join(lines).translate(None, FIELD_OCTETS):
        return malformed("A header holds a control character or does not end in CRLF.")
    parts = [line.partition(b":") for line in lines]
    # A folded line begins with white space and white space before the colon ends a name: neither makes a token.
    if b"".join([name for name, _, _ in parts]).translate(None, TOKEN):
        return malformed("A header's name is not a token.")
    if not all(name and colon for name, colon, _ in parts):
        return malformed("A header line is not 'name: value'.")
    return [(name.lower(), value.strip(b" \t")) for name, _, value in parts]


def _octets_are_fine(text: bytes | bytearray, start: int) -> bool:
    """Whether `text` from `start` on holds no control character but HTAB and whole CRLFs (a last CR is let be)."""
    piece = text[start:]
    if piece[-1:] == b"\r":
        piece = piece[:-1]
    pairs = piece.count(b"\r\n")
    return not piece.translate(None, _HEAD_OCTETS) and pairs == piece.count(b"\r") == piece.count(b"\n")


def _too_long(head: bytes | bytearray, limits: HttpLimits) -> Refusal:
    """414 where the first line alone is too long, else 431 (RFC 9110 section 15.5.15, RFC 6585 section 5)."""
    start = 2 if head.startswith(b"\r\n") else 0
    end = head.find(b"\r\n", start)
    if end < 0 or end - start > limits.max_target_bytes + _LINE_OVERHEAD:
        return _target_too_long(limits)
    limit = limits.max_head_bytes
    return Refusal(code=Code.REQUEST_TOO_LONG, detail=f"The head is longer than {limit} bytes.", limit=limit)


def _target_too_long(limits: HttpLimits) -> Refusal:
    limit = limits.max_target_bytes
    detail = f"The request target is longer than {limit} bytes."
    return Refusal(code=Code.REQUEST_TOO_LONG, detail=detail, limit=limit, status_override=414)


def _request_line(line: bytes, limits: HttpLimits) -> tuple[bytes, bytes, str] | Refusal:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        if len(line) > limits.max_target_bytes + _LINE_OVERHEAD:
            return _target_too_long(limits)
        return malformed("The first line is not 'METHOD target HTTP/1.1'.")
    method, target, minor = match.groups()
    if len(target) > limits.max_target_bytes:
        return _target_too_long(limits)
    return method, target, "1.1" if minor == b"1" else "1.0"


def _place(method: bytes, target: bytes, hosts: list[bytes], version: str) -> bytes | Refusal:
    """Path and query of the target, once Host and the target's form are right (RFC 9112 sections 3.2 and 3.3)."""
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return malformed("Exactly one Host header is needed.")
    if hosts and not _is_authority(hosts[0]):
        return malformed("The Host header is not a host with an optional port.")
    if method == b"CONNECT":
        return malformed("This is not a proxy: CONNECT is not served.")
    if target.startswith(b"/"):
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return malformed("The request target is neither a path nor an http URL.")
    authority, place = absolute.groups()
    # RFC 9112 section 3.2.2 lets the target win over Host; two different answers to "which host" are refused instead.
    if not _is_authority(authority) or (hosts and hosts[0].lower() != authority.lower()):
        return malformed("The request target and the Host header do not name the same valid host.")
    return place if place.startswith(b"/") else b"/" + place


def _is_authority(text: bytes) -> bool:
    if _HOST.fullmatch(text) is None:
        return False
    _, colon, port = text.rpartition(b":")
    return not colon or port.endswith(b"]") or not port.isdigit() or int(port) <= 65_535


def _length(watched: dict[bytes, list[bytes]], version: str) -> int | Refusal | None:
    """The body's length, None for chunked (RFC 9112 section 6.3, every doubtful case refused)."""
    codings, lengths = watched.get(b"transfer-encoding"), watched.get(b"content-length")
    if codings is not None:
        if lengths is not None:
            return malformed("Content-Length and Transfer-Encoding may not come together.")
        # RFC 9112 section 6.1: Transfer-Encoding in an HTTP/1.0 request is faulty framing.
        if len(codings) != 1 or codings[0].lower() != b"chunked" or version == "1.0":
            return malformed("The only Transfer-Encoding is 'chunked', once, in HTTP/1.1.")
        return None
    if lengths is None:
        return 0
    if len(lengths) != 1 or _LENGTH.fullmatch(lengths[0]) is None:
        return malformed("Content-Length must be one plain decimal number.")
    length = int(lengths[0])
    return length if length <= _MAX_LENGTH else malformed("Content-Length is larger than any body can be.")


def _expects_continue(values: list[bytes]) -> bool:
    """RFC 9110 section 10.1.1; any other expectation is ignored, as the section allows."""
    return len(values) == 1 and values[0].lower() == b"100-continue"


def _says_close(values: list[bytes]) -> bool:
    return any(option.strip(b" \t").lower() == b"close" for value in values for option in value.split(b","))
