"""What a person, or a program, sees of an upload: bars on a terminal, lines elsewhere, JSON for programs.

Results go to standard output, all else to standard error. Names and sentences of others are shown harmless.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Self, TextIO

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from gateway.client.problem import shown
from gateway.client.session import Outcome, State
from gateway.client.walk import Item

_LINE_SECONDS: Final = 10.0
_NAME_WIDTH: Final = 40


def line(outcome: Outcome) -> str:
    """The outcome as a sentence."""
    name = shown(outcome.item.label)
    if outcome.state is State.STORED and outcome.answer is not None:
        kept = max(0, (outcome.size or 0) - outcome.sent)
        told = f" ({decimal(kept)} of it before)" if kept else ""
        return f"{name}: stored as {shown(str(outcome.answer['key']))}, {decimal(outcome.size or 0)}{told}"
    return f"{name}: {outcome.state}: {shown(outcome.detail)}"


def described(outcome: Outcome) -> dict[str, Any]:
    """The outcome as the JSON object that `--json` prints."""
    answer, problem = outcome.answer or {}, outcome.problem
    said: dict[str, Any] = {
        "file": outcome.item.label,
        "name": outcome.item.name,
        "state": str(outcome.state),
        "size": outcome.size,
        "sent": outcome.sent,
        "key": answer.get("key"),
        "etag": answer.get("etag"),
        "checksum": answer.get("checksum"),
    }
    if outcome.state is not State.STORED:
        said["detail"] = outcome.detail
        said["problem"] = None if problem is None else _problem(problem.code, problem.status, problem.instance)
    return said


def _problem(code: str, status: int, instance: str) -> dict[str, Any]:
    return {"code": code, "status": status, "instance": instance}


class Lines:
    """One line a file at its end, and how far all is now and then; `quiet` leaves out all but failures."""

    def __init__(
        self,
        *,
        quiet: bool,
        out: TextIO | None = None,
        err: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quiet = quiet
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._clock = clock
        self._last = clock()
        self._done = 0

    def started(self, item: Item, size: int) -> None:
        """Nothing."""

    def advanced(self, item: Item, count: int) -> None:
        """A line each ten seconds."""
        del item
        self._done += count
        if not self._quiet and self._clock() - self._last >= _LINE_SECONDS:
            self._last = self._clock()
            self.told(f"{decimal(self._done)} so far")

    def told(self, text: str) -> None:
        """A line on standard error."""
        if not self._quiet:
            print(shown(text), file=self._err, flush=True)

    def ended(self, outcome: Outcome) -> None:
        """A line, on standard error if it is a failure."""
        stored = outcome.state is State.STORED
        if not (stored and self._quiet):
            print(line(outcome), file=self._out if stored else self._err, flush=True)


class JsonLines(Lines):
    """One JSON object a file on standard output; notes stay on standard error."""

    def ended(self, outcome: Outcome) -> None:
        """The object."""
        print(json.dumps(described(outcome), ensure_ascii=True), file=self._out, flush=True)


class Bars:
    """A bar for each file under way and one for all; a context manager."""

    def __init__(self, *, total: int, files: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._all = self._progress.add_task("total", total=total, visible=files > 1)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def started(self, item: Item, size: int) -> None:
        """A bar of its own."""
        name = shown(item.label)
        name = name if len(name) <= _NAME_WIDTH else "…" + name[1 - _NAME_WIDTH :]
        self._tasks[item.name] = self._progress.add_task(escape(name), total=size)

    def advanced(self, item: Item, count: int) -> None:
        """The bar of the file, and that of all."""
        self._progress.advance(self._tasks[item.name], count)
        self._progress.advance(self._all, count)

    def told(self, text: str) -> None:
        """A line above the bars."""
        self._console.print(shown(text), style="dim", markup=False, highlight=False)

    def ended(self, outcome: Outcome) -> None:
        """A line above the bars; the file's own is taken away."""
        task = self._tasks.pop(outcome.item.name, None)
        if task is not None:
            self._progress.remove_task(task)
        style = "green" if outcome.state is State.STORED else "red"
        self._console.print(line(outcome), style=style, markup=False, highlight=False)
