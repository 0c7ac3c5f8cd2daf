"""Calls that share a transaction, and what each of them comes to.

They are run together at first, all or none. Where one raises, all are undone and each is run in a transaction of its
own, so that what one raises is its caller's alone and a batch in which nothing raises pays for no savepoints.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.sqlite.database import Database
from gateway.tenants.sqlite.transaction import Transaction


class Waiting:
    """A call, who waits for it, and what came of it."""

    __slots__ = ("call", "error", "future", "result")

    def __init__(self, call: Callable[[], Any], future: "asyncio.Future[Any]") -> None:
        self.call = call
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Answer, in the loop's thread; nobody may be waiting any more."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class _UndoneError(Exception):
    """One of the calls raised, or caught what one of its parts had raised."""


def run_together(database: Database, batch: Sequence[Waiting], *, wait: bool) -> bool:
    """All in one transaction; False where one raised, and nothing was done.

    Raises `StoreUnavailableError` where the transaction fails, and `StoreLockedError` where it would not `wait`.
    """
    with suppress(_UndoneError), database.whole(wait=wait) as transaction:
        for each in batch:
            each.result = _run(each.call, transaction)
        return True
    return False


def _run(call: Callable[[], Any], transaction: Transaction) -> Any:
    try:
        result = call()
    except Exception as error:
        raise _UndoneError from error
    if transaction.failed:
        raise _UndoneError
    return result


def run_apart(database: Database, batch: Sequence[Waiting]) -> None:
    """Each in a transaction of its own; what one raises is its own."""
    for each in batch:
        try:
            with database.writing():
                each.result = each.call()
        except Exception as error:  # noqa: BLE001 - whatever a call raises belongs to whoever awaits it
            each.error = error


def run(database: Database, batch: Sequence[Waiting]) -> None:
    """All of them, waiting for other writers; each has its result or its error afterwards."""
    try:
        if not run_together(database, batch, wait=True):
            run_apart(database, batch)
    except StoreUnavailableError as error:
        fail(batch, error)


def fail(batch: Sequence[Waiting], error: BaseException) -> None:
    """None of them was done."""
    for each in batch:
        each.error = error
