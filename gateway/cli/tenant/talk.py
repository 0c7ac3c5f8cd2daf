"""What is said to an operator and asked of them: results on standard output, all else on standard error."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.errors import CommandError
from gateway.client.problem import shown

DECLINED: Final = 4

_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}


class Talk:
    """One terminal; `assumed`: every question is answered with yes."""

    def __init__(self, *, assumed: bool) -> None:
        self._assumed = assumed
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def json(self, value: object) -> None:
        """For a program; or a document, which is JSON for people too."""
        print(json.dumps(value, indent=2, ensure_ascii=not _takes_unicode()))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
        """Rows under heads; `empty` is said where there are none."""
        made = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            made.add_column(column, overflow="fold")
        count = 0
        for row in rows:
            count += 1
            made.add_row(*(Text(shown("" if cell is None else str(cell))) for cell in row))
        if count:
            Console(highlight=False, width=None if self._out.is_terminal else 200).print(made)
        else:
            self.say(empty)

    def result(self, text: str, style: str = "") -> None:
        """A line that is a result."""
        self._out.print(Text(shown(text), style=style))

    def say(self, text: str, style: str = "") -> None:
        """A line beside the results."""
        self._err.print(Text(shown(text), style=style))

    def diff(self, lines: Iterable[str], *, result: bool = False) -> None:
        """Lines of `diff -u`, but for the two that name the sides."""
        for line in list(lines)[2:]:
            (self._out if result else self._err).print(Text(shown(line), style=_STYLES.get(line[:1], "")))

    def differing(self, several: Sequence[Mapping[str, Any]]) -> None:
        """Decisions of the past that would be others."""
        for each in several:
            was, then = (_short(each[side]) for side in ("was", "would_be"))
            name = each["name"] or "(no name)"
            self.say(f"  would differ: {each['at']} {each['backend']} {name}: {was} -> {then}", "yellow")

    def confirmed(self, question: str, word: str | None = None) -> bool:
        """Whether they say yes (or `word`); raises CommandError where nobody is there to be asked."""
        if self._assumed:
            return True
        answer = self.asked(f"{question} [{'y/N' if word is None else f'type {word}'}] ")
        return answer == word if word is not None else answer.lower() in {"y", "yes"}

    def asked(self, question: str) -> str:
        """What they type, without the spaces around it; raises CommandError where nobody is there."""
        if not sys.stdin.isatty():
            raise CommandError("Nobody is there to be asked: say --yes.", status=DECLINED)
        self._err.print(Text(shown(question)), end="")
        try:
            return input().strip()
        except EOFError:
            return ""

    def declined(self) -> int:
        """Nothing was changed, because they said no."""
        self.say("Nothing was changed.")
        return DECLINED


def _short(outcome: Mapping[str, Any]) -> str:
    return str(outcome.get("code") or outcome.get("key") or outcome["decision"])


def _takes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
