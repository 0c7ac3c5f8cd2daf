"""At which line of a JSON text the value stands that a pointer (RFC 6901) names."""

import json
import re
from collections.abc import Iterator
from typing import Final

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SCALAR: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,\]}]+')


def line_of(text: str, pointer: str) -> int:
    """The line, from 1, of the value; of what is nearest around it where the text has none there, else 1."""
    best = 0
    found = 0
    for path, at in _values(text):
        inside = pointer == path or pointer.startswith(path + "/")
        if inside and len(path) >= best:
            best, found = len(path), at
    return text.count("\n", 0, found) + 1


def _values(text: str) -> Iterator[tuple[str, int]]:
    """Every value's pointer and where it begins, in the order of the text; ends at what is no JSON."""
    try:
        yield from _value(text, 0, "", [])
    except (AttributeError, IndexError, ValueError, RecursionError):
        return


def _value(text: str, at: int, path: str, end: list[int]) -> Iterator[tuple[str, int]]:
    """The value at `at` and those in it; where it ends is left in `end`."""
    at = _skip(text, at)
    yield path, at
    if text[at] in "{[":
        yield from _members(text, at, path, end)
    else:
        end[:] = [_matched(text, at)]


def _members(text: str, at: int, path: str, end: list[int]) -> Iterator[tuple[str, int]]:
    close, number = ("}" if text[at] == "{" else "]"), 0
    at = _skip(text, at + 1)
    while text[at] != close:
        step = str(number)
        if close == "}":
            after = _matched(text, at)
            step, at = _escaped(json.loads(text[at:after])), _skip(text, after) + 1
        yield from _value(text, at, f"{path}/{step}", end)
        at, number = _skip(text, end[0]), number + 1
        at = _skip(text, at + 1) if text[at] == "," else at
    end[:] = [at + 1]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def _matched(text: str, at: int) -> int:
    match = _SCALAR.match(text, at)
    if match is None:
        raise ValueError
    return match.end()
