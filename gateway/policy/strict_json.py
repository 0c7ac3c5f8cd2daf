"""JSON as RFC 8259 has it, and nothing that parsers disagree about.

Owns the way from bytes that a stranger sent to plain values. The standard library's parser is kept from what it is
lenient or unsafe in: byte-order marks, other encodings than UTF-8, repeated members, `NaN` and `Infinity`, numbers
that overflow or take long to convert, nesting that ends in a `RecursionError`, unpaired surrogates. Two parsers that
read one document differently are how a check is passed by one value and the work done with another.
"""

import json
import math
import re
from typing import Any, Final, NoReturn

from gateway.policy.problems import Fault

MAX_BYTES: Final = 1_048_576
"""The most bytes of a document, unless the caller says otherwise."""

MAX_DEPTH: Final = 32
"""The deepest nesting of arrays and objects, unless the caller says otherwise."""

MAX_NUMBER: Final = 64
"""The most characters of one number; converting a decimal takes quadratic time (CVE-2020-10735)."""

_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_BOM: Final = "\ufeff"


class _RefusedError(ValueError):
    """What the hooks raise out of the parser; the argument is the sentence. Never leaves this module."""


def loads(data: bytes | str, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> object | Fault:
    """The value of a JSON text, or what is wrong with it. Never raises.

    A `Fault` here is about the whole text: its pointer is empty. `max_depth` 1 takes `[]` and refuses `[[]]`.
    """
    text = _text(data, max_bytes)
    if isinstance(text, Fault):
        return text
    if _depth_exceeds(text, max_depth):
        return Fault("", f"this JSON is nested deeper than {max_depth}")
    try:
        value: object = _DECODER.decode(text)
    except _RefusedError as refused:
        return Fault("", str(refused))
    except json.JSONDecodeError as error:
        return Fault("", f"this is not JSON at line {error.lineno}, column {error.colno}")
    except (ValueError, RecursionError):  # a depth above the interpreter's own
        return Fault("", "this is not JSON that can be read")
    return value


def _text(data: bytes | str, max_bytes: int) -> str | Fault:
    """The text of `data` in bounds, in UTF-8 (RFC 8259 section 8.1), without a byte-order mark or a surrogate."""
    if len(data) > max_bytes:
        return Fault("", f"this JSON is longer than {max_bytes} bytes")
    try:
        encoded = data.encode() if isinstance(data, str) else data
        text = encoded.decode()
    except UnicodeError:
        return Fault("", "this JSON is not UTF-8")
    if len(encoded) > max_bytes:
        return Fault("", f"this JSON is longer than {max_bytes} bytes")
    if text.startswith(_BOM):
        return Fault("", "this JSON begins with a byte-order mark")
    return text


def _depth_exceeds(text: str, most: int) -> bool:
    """Whether brackets outside of strings nest deeper than `most`, told before the recursive parser runs."""
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > most:
            return True
    return False


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members, each name once (RFC 8259 section 4 leaves repeated ones to the parser)."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _RefusedError("an object has a member twice")
    for name, value in pairs:
        _paired(name)
        _paired(value)
    return members


def _paired(value: Any) -> None:
    r"""Refuse unpaired surrogates, which only a `\u` escape can bring, here and in nested arrays."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise _RefusedError("a text has an unpaired surrogate")
    elif isinstance(value, list):
        for item in value:
            _paired(item)


def _constant(_name: str) -> NoReturn:
    raise _RefusedError("NaN and Infinity are not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER:
        raise _RefusedError(f"a number has more than {MAX_NUMBER} characters")
    return int(digits)


def _fraction(digits: str) -> float:
    if len(digits) > MAX_NUMBER:
        raise _RefusedError(f"a number has more than {MAX_NUMBER} characters")
    value = float(digits)
    if not math.isfinite(value):
        raise _RefusedError("a number is too large")
    return value


class _Decoder(json.JSONDecoder):
    """The library's decoder, which also looks at a text or an array that stands alone."""

    def decode(self, s: str, *args: Any) -> Any:
        value = super().decode(s, *args)
        _paired(value)
        return value


_DECODER: Final = _Decoder(
    object_pairs_hook=_members, parse_constant=_constant, parse_int=_integer, parse_float=_fraction
)

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NUMBER", "loads"]
