"""Bytes to values, strictly: base64url with one spelling, UTF-8 without repair, JSON without ambiguity.

This module knows nothing of tokens. Each function either returns the one meaning its input has or raises
`ValueError`; sizes and depth are bounded before anything is parsed.
"""

import re
from binascii import a2b_base64
from collections.abc import Callable
from json import JSONDecoder
from typing import Any, Final, Never

MAX_DEPTH: Final = 16
"""Levels of nesting; the deepest claim in the standards (RFC 9396, RFC 8693 `act`) stays under half of it."""

_LAST_OF_TWO: Final = frozenset("AQgw")
_LAST_OF_THREE: Final = frozenset("AEIMQUYcgkosw048")
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_SPACE_TO_END: Final = re.compile(r"[ \t\n\r]*\Z")


def decode_base64url(text: str) -> bytes:
    """The bytes that an unpadded base64url text means (RFC 7515 section 2).

    Raises `ValueError` for any other alphabet, for padding, for an impossible length, and for unused bits that are
    not zero (RFC 4648 section 3.5), so that two texts never mean the same bytes.
    """
    return decode_standard(to_standard(text))


def to_standard(text: str) -> str:
    """Base64url in base64's letters; `ValueError` where base64's own letters or its padding were there before."""
    if "+" in text or "/" in text or "=" in text:
        raise ValueError("not base64url")
    return text.replace("-", "+").replace("_", "/")


def decode_standard(text: str) -> bytes:
    """As `decode_base64url`, for (a part of) what `to_standard` made."""
    tail = len(text) & 3
    if tail == 0:
        return a2b_base64(text, strict_mode=True)
    if tail == 3 and text[-1] in _LAST_OF_THREE:
        return a2b_base64(text + "=", strict_mode=True)
    if tail == 2 and text[-1] in _LAST_OF_TWO:
        return a2b_base64(text + "==", strict_mode=True)
    raise ValueError("not canonical base64url")


def parse_json(raw: bytes) -> Any:
    """The value of one JSON text (RFC 8259), or `ValueError`.

    Refused beyond the grammar: a byte order mark, invalid UTF-8, a member named twice, `NaN` and `Infinity`, an
    escaped surrogate without its pair, numbers too long to convert, nesting over `MAX_DEPTH`.
    """
    text = raw.decode("utf-8")
    if not is_flat(raw) and raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check_depth(text)
    try:
        value, end = _SCAN(text, 0 if text[:1] == "{" else _start(text))
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text) and _SPACE_TO_END.match(text, end) is None:
        raise ValueError("trailing data")
    if b"\\" in raw:
        _check_surrogates(text, value)
    return value


def is_flat(raw: bytes) -> bool:
    """Whether this JSON text can hold no list, and no object within its own; False where it only might."""
    return b"[" not in raw and raw.find(b"{", 1) < 1


def _start(text: str) -> int:
    """The index of the first character that is not JSON's white space."""
    return len(text) - len(text.lstrip(" \t\n\r"))


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("nested too deeply")
        elif mark in "]}":
            depth -= 1


def _check_surrogates(text: str, value: Any) -> None:
    """A lone surrogate is no character: it can't be written again, compared or logged."""
    if "\\ud" in text or "\\uD" in text:
        _walk(value)


def _walk(value: Any) -> None:
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for name, member in value.items():
            name.encode("utf-8")
            _walk(member)
    elif isinstance(value, list):
        for member in value:
            _walk(member)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


_DECODER: Final = JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
_SCAN: Final[Callable[[str, int], tuple[Any, int]]] = _DECODER.scan_once  # type: ignore[attr-defined]
