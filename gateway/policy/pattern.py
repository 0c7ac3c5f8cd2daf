r"""Patterns that a tenant writes for names, matched in linear time.

Owns the regular subset a policy may use and its matcher. A pattern is read by a small parser, turned into an NFA
(Thompson 1968) and run as a DFA that is built while names are matched, so that no pattern and no name can make a
match cost more than `len(name)` times the pattern's size: there is nothing to backtrack (R. Cox, "Regular Expression
Matching Can Be Simple And Fast"). A match is always of the whole name.

The subset: literals, `.`, classes with ranges and negation, `\d \w \s` and their negations, groups, `|`, `? * +`,
`{m,n}`; `^` and `$` are tolerated where they change nothing. Within it, the language is that of `re.fullmatch`.
Back-references, lookaround, named groups and flags are refused.
"""

import functools
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 512
"""The most characters a pattern may have."""

MAX_STATES: Final = 1_000
"""The most states a pattern may need after `{m,n}` is written out.

Measured: the worst pattern of this size on the longest and least repetitive name takes a quarter of a second, an
ordinary one a few microseconds.
"""

MAX_DEPTH: Final = 32
"""The deepest nesting of groups."""

MAX_CACHED: Final = 10_000
"""What a pattern remembers of its DFA, counted in NFA states; when that is full it forgets all and goes on."""

_CATEGORIES: Final = frozenset("dwsDWS")
_RESERVED_IN_CLASS: Final = ("--", "&&", "||", "~~")


class _RefusedError(Exception):
    """The pattern is outside the subset; the argument is the sentence that says why. Never leaves this module."""


def _in_category(letter: str, char: str) -> bool:
    """Whether `char` is in the category, with the meaning that `re` gives it for text."""
    match letter.lower():
        case "d":
            found = char.isdecimal()
        case "w":
            found = char.isalnum() or char == "_"
        case _:
            found = char.isspace()
    return found is letter.islower()


@dataclass(frozen=True, slots=True)
class _Chars:
    """A set of characters: inclusive ranges and categories, or everything but them."""

    ranges: tuple[tuple[str, str], ...] = ()
    categories: str = ""
    negated: bool = False

    def holds(self, char: str) -> bool:
        found = any(low <= char <= high for low, high in self.ranges) or any(
            _in_category(letter, char) for letter in self.categories
        )
        return found is not self.negated


_ANY: Final = _Chars(ranges=(("\n", "\n"),), negated=True)


@dataclass(frozen=True, slots=True)
class _All:
    """One part after the other; no part is the empty text."""

    parts: "tuple[_Node, ...]"


@dataclass(frozen=True, slots=True)
class _Any:
    """One of several branches."""

    branches: "tuple[_Node, ...]"


@dataclass(frozen=True, slots=True)
class _Repeat:
    """A part from `least` to `most` times; `most` None is without end."""

    part: "_Node"
    least: int
    most: int | None


_Node = _Chars | _All | _Any | _Repeat


class _Parser:
    """A recursive-descent parser over one pattern; `_at` is the index of the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parse(self) -> _Node:
        node = self._branches()
        if self._at < len(self._text):
            raise _RefusedError("a ) has no ( before it")
        return node

    def _peek(self, ahead: int = 0) -> str:
        return self._text[self._at + ahead : self._at + ahead + 1]

    def _eat(self, expected: str) -> bool:
        if not self._text.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True

    def _take(self, otherwise: str) -> str:
        char = self._peek()
        if not char:
            raise _RefusedError(otherwise)
        self._at += 1
        return char

    def _branches(self) -> _Node:
        branches = [self._sequence()]
        while self._eat("|"):
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else _Any(tuple(branches))

    def _sequence(self) -> _Node:
        outermost = self._depth == 0
        if outermost:
            self._eat("^")
        parts: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            if outermost and self._peek() == "$" and self._peek(1) in ("", "|"):
                self._at += 1
                break
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else _All(tuple(parts))

    def _atom(self) -> _Node:
        char = self._take("the pattern ends too early")
        match char:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return _ANY
            case "\\":
                return self._escape()
            case "^" | "$":
                raise _RefusedError(f"{char} belongs at an end of the pattern; a name is always matched whole")
            case "*" | "+" | "?" | "{":
                raise _RefusedError(f"{char} has nothing to repeat; write \\{char} for the character itself")
        return _Chars(ranges=((char, char),))

    def _group(self) -> _Node:
        if self._peek() == "?" and not self._eat("?:"):
            raise _RefusedError("lookaround, flags and named groups are not allowed; write ( or (?: for a group")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _RefusedError(f"groups are nested deeper than {MAX_DEPTH}")
        node = self._branches()
        if not self._eat(")"):
            raise _RefusedError("a ( has no ) after it")
        self._depth -= 1
        return node

    def _escape(self) -> _Chars:
        char = self._take("the pattern ends in a backslash")
        if char in _CATEGORIES:
            return _Chars(categories=char)
        if char in string.punctuation or char == " ":
            return _Chars(ranges=((char, char),))
        if char in string.digits:
            raise _RefusedError("back-references are not allowed")
        raise _RefusedError(f"\\{char} is not known; only \\d \\w \\s \\D \\W \\S and escaped punctuation are")

    def _class(self) -> _Chars:
        negated = self._eat("^")
        ranges: list[tuple[str, str]] = []
        categories = ""
        first = True
        while first or self._peek() != "]":
            low = self._member()
            first = False
            if low.categories:
                categories += low.categories
            if self._peek() == "-" and self._peek(1) not in ("]", "-"):
                self._at += 1
                ranges.append(_range(low, self._member()))
            else:
                ranges.extend(low.ranges)
        self._at += 1
        return _Chars(tuple(ranges), categories, negated)

    def _member(self) -> _Chars:
        if any(self._text.startswith(pair, self._at) for pair in _RESERVED_IN_CLASS):
            raise _RefusedError(f"{self._peek()} twice in a class means a set operation elsewhere; escape it")
        char = self._take("a [ has no ] after it")
        if char == "\\":
            return self._escape()
        if char == "[":
            raise _RefusedError("a [ within a class must be escaped")
        return _Chars(ranges=((char, char),))

    def _repeated(self, part: _Node) -> _Node:
        match self._peek():
            case "*":
                least, most = 0, None
            case "+":
                least, most = 1, None
            case "?":
                least, most = 0, 1
            case "{":
                least, most = self._bounds()
            case _:
                return part
        self._at += 1
        self._eat("?")  # a lazy repeat has the same language
        if self._peek() in ("*", "+", "?", "{"):
            raise _RefusedError("a repeat of a repeat is not allowed; put the first one in a group")
        return _Repeat(part, least, most)

    def _bounds(self) -> tuple[int, int | None]:
        """The numbers of `{m}`, `{m,}`, `{,n}`, `{m,n}`, with `_at` left on the closing brace."""
        end = self._text.find("}", self._at)
        low, comma, high = self._text[self._at + 1 : max(end, self._at + 1)].partition(",")
        numbers = [number for number in (low, high) if number]
        if end < 0 or not (numbers or comma) or any(not (n.isascii() and n.isdigit()) for n in numbers):
            raise _RefusedError("a { must begin a repeat such as {2,5}; write \\{ for the character itself")
        if any(len(number) > 4 for number in numbers):
            raise _RefusedError(f"a repeat may count to {MAX_STATES} at most")
        self._at = end
        least = int(low or 0)
        most = (int(high) if high else None) if comma else least
        if most is not None and most < least:
            raise _RefusedError("a repeat's second number is below its first")
        return least, most


def _range(low: _Chars, high: _Chars) -> tuple[str, str]:
    if low.categories or high.categories:
        raise _RefusedError("a range in a class must go from one character to another")
    start, end = low.ranges[0][0], high.ranges[0][0]
    if end < start:
        raise _RefusedError("a range in a class goes backwards")
    return start, end


def _states(node: _Node) -> int:
    """How many states `node` needs, at least 1, refused as soon as it is more than the cap."""
    match node:
        case _All(parts):
            count = sum(map(_states, parts)) or 1
        case _Any(branches):
            count = sum(map(_states, branches)) + len(branches)
        case _Repeat(part, least, most):
            count = (_states(part) + 1) * max(least + (most is None), most or 0, 1)
        case _:
            count = 1
    if count > MAX_STATES:
        raise _RefusedError(f"the pattern needs more than {MAX_STATES} states; count to less")
    return count


class _Machine:
    """An NFA built from the end backwards: state 0 accepts, a state is a set of characters or a list of ways on."""

    def __init__(self, node: _Node) -> None:
        self.chars: list[_Chars | None] = [None]
        self.ways: list[list[int]] = [[]]
        self.start = self._build(node, 0)

    def _add(self, chars: _Chars | None, ways: list[int]) -> int:
        self.chars.append(chars)
        self.ways.append(ways)
        return len(self.ways) - 1

    def _build(self, node: _Node, after: int) -> int:
        match node:
            case _All(parts):
                for part in reversed(parts):
                    after = self._build(part, after)
                return after
            case _Any(branches):
                return self._add(None, [self._build(branch, after) for branch in branches])
            case _Repeat(part, least, most):
                return self._build_repeat(part, least, most, after)
            case _:
                return self._add(node, [after])

    def _build_repeat(self, part: _Node, least: int, most: int | None, after: int) -> int:
        if most is None:
            loop = self._add(None, [after])
            self.ways[loop].append(self._build(part, loop))
            optional, after = 0, loop
        else:
            optional = most - least
        end = after
        for _ in range(optional):
            after = self._add(None, [self._build(part, after), end])
        for _ in range(least):
            after = self._build(part, after)
        return after

    def closure(self, states: Iterator[int]) -> frozenset[int]:
        """The states that read a character, and 0 where it accepts, that can be reached without reading."""
        seen: set[int] = set()
        todo = list(states)
        while todo:
            state = todo.pop()
            if state not in seen:
                seen.add(state)
                if self.chars[state] is None:
                    todo.extend(self.ways[state])
        return frozenset(state for state in seen if state == 0 or self.chars[state] is not None)

    def step(self, states: frozenset[int], char: str) -> frozenset[int]:
        """The states after one more character."""
        return self.closure(
            self.ways[state][0] for state in states if (chars := self.chars[state]) is not None and chars.holds(char)
        )


class Pattern:
    """A compiled pattern; made by `compile_pattern` only.

    `steps` counts the NFA states looked at so far, for tests that hold the cost to its bound.
    """

    __slots__ = ("_known", "_machine", "_start", "_weight", "steps", "text")

    def __init__(self, text: str, machine: _Machine) -> None:
        self.text = text
        self.steps = 0
        self._machine = machine
        self._start = machine.closure(iter([machine.start]))
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._weight = 0

    def fullmatch(self, name: str) -> bool:
        """Whether the pattern matches all of `name`, in time proportional to its length."""
        states = self._start
        for char in name:
            if not states:
                return False
            after = self._known.get((states, char))
            states = self._learn(states, char) if after is None else after
        return 0 in states

    def _learn(self, states: frozenset[int], char: str) -> frozenset[int]:
        self.steps += len(states)
        after = self._machine.step(states, char)
        if self._weight > MAX_CACHED:
            self._known, self._weight = {}, 0
        self._known[states, char] = after
        self._weight += len(after) + 1
        return after


def compile_pattern(text: str) -> Pattern | str:
    """The pattern of `text`, or the sentence that says why it can't be one."""
    if len(text) > MAX_LENGTH:
        return f"the pattern is longer than {MAX_LENGTH} characters"
    try:
        node = _Parser(text).parse()
        _states(node)
    except _RefusedError as refused:
        return str(refused)
    return Pattern(text, _Machine(node))


@functools.lru_cache(maxsize=256)
def compiled(text: str) -> Pattern:
    """The pattern that a policy holds, compiled once.

    Raises `ValueError` for a text that `compile_pattern` refuses, which no parsed policy holds.
    """
    pattern = compile_pattern(text)
    if isinstance(pattern, str):
        raise ValueError(pattern)  # noqa: TRY004 - the text is wrong, not its type
    return pattern


__all__ = ["MAX_CACHED", "MAX_DEPTH", "MAX_LENGTH", "MAX_STATES", "Pattern", "compile_pattern", "compiled"]
