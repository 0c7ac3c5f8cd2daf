"""All files of one command: some at a time, each with an outcome, none stopped by another's failure.

What would refuse every file (a token that is over, a tenant that is suspended) ends all that was not begun.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.client.api import Gateway
from gateway.client.bucket import Bucket
from gateway.client.credential import Credential, TokenSource
from gateway.client.errors import ClientError, FileError, RefusedError, UsageError
from gateway.client.journal import Journal
from gateway.client.parts import Tools
from gateway.client.patience import Patience
from gateway.client.problem import Problem
from gateway.client.source import Source, Stream, opened, spooled
from gateway.client.together import all_of
from gateway.client.transport import Transport
from gateway.client.upload import Unfinished, Uploader, Wishes
from gateway.client.walk import Item

_OVER: Final = frozenset({"token-missing", "token-invalid", "token-expired"})
"""What ends with another token; what was sent is kept."""

_FOR_ALL: Final = _OVER | {"scope-missing", "tenant-unknown", "tenant-suspended"}


class State(StrEnum):
    """What became of a file."""

    STORED = "stored"
    REFUSED = "refused"
    INCOMPLETE = "incomplete"
    """The same command goes on with it."""
    FAILED = "failed"
    """The file can't be read, or changed while it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file: `answer` is what `complete` said, `problem` why not, `detail` that in words.

    `sent` are the bytes that went out in this run and count.
    """

    item: Item
    state: State
    size: int | None = None
    sent: int = 0
    answer: Mapping[str, Any] | None = None
    problem: Problem | None = None
    detail: str = ""


class Reporter(Protocol):
    """Is told what happens, as it happens."""

    def started(self, item: Item, size: int) -> None:
        """The file is opened."""
        ...

    def advanced(self, item: Item, count: int) -> None:
        """So many bytes more are there, or (negative) less than was said."""
        ...

    def told(self, text: str) -> None:
        """Something that a person should know meanwhile."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """Nothing more happens to this file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one command is run with; `patience` in seconds, `spool_limit` in bytes."""

    gateway: str
    state: Path
    wishes: Wishes
    parallel: int
    patience: float
    part_checksums: bool
    spool_limit: int
    insecure: bool


async def run(
    items: Sequence[Item], settings: Settings, source: TokenSource, reporter: Reporter, stdin: Stream
) -> tuple[Outcome, ...]:
    """Send everything; raises UsageError where the token's source fails."""
    async with Transport(insecure=settings.insecure) as transport:
        told = _once(reporter.told)
        patience = Patience(limit=settings.patience)
        gateway = Gateway(
            base=settings.gateway, transport=transport, credential=Credential(source), patience=patience, told=told
        )
        tools = Tools(
            gateway=gateway,
            bucket=Bucket(transport=transport, parallel=settings.parallel),
            patience=patience,
            told=told,
            parallel=settings.parallel,
            part_checksums=settings.part_checksums,
        )
        uploader = Uploader(tools=tools, wishes=settings.wishes, unfinished=Unfinished(tools))
        session = _Session(uploader=uploader, settings=settings, reporter=reporter, stdin=stdin)
        return await session.run(items)


class _Session:
    def __init__(self, *, uploader: Uploader, settings: Settings, reporter: Reporter, stdin: Stream) -> None:
        self._uploader = uploader
        self._settings = settings
        self._reporter = reporter
        self._stdin = stdin
        self._outcomes: list[Outcome] = []
        self._over: RefusedError | None = None

    async def run(self, items: Sequence[Item]) -> tuple[Outcome, ...]:
        waiting = iter(items)

        async def lane() -> None:
            for item in waiting:
                outcome = await self._outcome(item)
                self._outcomes.append(outcome)
                self._reporter.ended(outcome)

        await all_of(lane() for _ in range(min(self._settings.parallel, len(items))))
        return tuple(self._outcomes)

    async def _outcome(self, item: Item) -> Outcome:
        size: int | None = None
        try:
            if self._over is not None:
                raise self._over
            source = await self._opened(item)
            try:
                size = source.size
                self._reporter.started(item, size)
                return await self._stored(item, source)
            finally:
                source.close()
        except UsageError:
            raise
        except ClientError as error:
            return self._failed(item, size, error)

    async def _stored(self, item: Item, source: Source) -> Outcome:
        journal = Journal.open(self._settings.state, self._settings.gateway, item.name)
        try:
            done = await self._uploader.stored(
                source, item.name, journal, lambda count: self._reporter.advanced(item, count)
            )
        finally:
            journal.close()
        return Outcome(item=item, state=State.STORED, size=source.size, sent=done.sent, answer=done.answer)

    async def _opened(self, item: Item) -> Source:
        if item.path is not None and item.path.is_file():
            return opened(item.path, item.label)
        self._reporter.told(f"Keeping {item.label} in a temporary file first: S3 has to be told how long it is.")
        return await _aside(lambda: self._spooled(item))

    def _spooled(self, item: Item) -> Source:
        if item.path is None:
            return spooled(self._stdin, item.label, limit=self._settings.spool_limit)
        try:
            with item.path.open("rb", buffering=0) as stream:
                return spooled(stream, item.label, limit=self._settings.spool_limit)
        except OSError as error:
            raise FileError(f"{item.label} can't be read: {error.strerror}.") from None

    def _failed(self, item: Item, size: int | None, error: ClientError) -> Outcome:
        problem = error.problem if isinstance(error, RefusedError) else None
        if isinstance(error, RefusedError) and error.problem.code in _FOR_ALL:
            self._over = error
        return Outcome(item=item, state=_state(error), size=size, problem=problem, detail=str(error))


async def _aside(call: Callable[[], Source]) -> Source:
    """The call in a thread that nobody waits for at the end: a stream may say nothing for ever, Ctrl-C or not."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Source] = loop.create_future()

    def told(outcome: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: whoever waited has gone
            loop.call_soon_threadsafe(lambda: None if done.done() else outcome())

    def work() -> None:
        try:
            source = call()
        except ClientError as error:
            failed = error
            told(lambda: done.set_exception(failed))
        else:
            told(lambda: done.set_result(source))

    threading.Thread(target=work, daemon=True).start()
    return await done


def _state(error: ClientError) -> State:
    if isinstance(error, FileError):
        return State.FAILED
    if isinstance(error, RefusedError) and error.problem.code not in _OVER:
        return State.REFUSED
    return State.INCOMPLETE


def _once(told: Callable[[str], None]) -> Callable[[str], None]:
    """The same sentence again is not said again until another was said."""
    last = ""

    def say(text: str) -> None:
        nonlocal last
        if text != last:
            last = text
            told(text)

    return say
