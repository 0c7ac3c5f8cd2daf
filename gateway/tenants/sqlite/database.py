"""One SQLite file, shared by threads and worker processes.

Owns connections (one a thread, for SQLite's lock is a connection's), transactions, migrations, and the translation of
SQLite's errors. Write-ahead logging lets readers go on while one writes (sqlite.org/wal.html); a writer takes the lock
at once (`BEGIN IMMEDIATE`), so that it never finds out half-way that another was faster. A process that is killed
leaves its open transaction undone and its committed ones whole.

A commit reaches the disk by the next checkpoint (`synchronous=NORMAL`): killed processes lose nothing, a power failure
may undo the last moments of counters, which reconciling repairs. What an operator changed is on the disk before the
verb returns (`writing(durable=True)`, `synchronous=FULL`).

Open it in each worker after it was forked; a thread of a forked child gets a connection of its own all the same.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

from gateway.tenants.errors import StoreUnavailableError, StoreVersionError
from gateway.tenants.sqlite.schema import MIGRATIONS
from gateway.tenants.sqlite.transaction import Parameters, Row, Transaction

BUSY_TIMEOUT: Final = 5.0
"""Seconds that a writer waits for another; a transaction of ours takes well under a millisecond."""


class StoreLockedError(StoreUnavailableError):
    """Another connection writes at this moment, and the caller did not want to wait."""


class _Held:
    """A connection of a thread, whose process opened it, and the transaction that is under way on it.

    One that is `hurried` does not wait for other writers.
    """

    __slots__ = ("connection", "hurried", "pid", "transaction")

    def __init__(self, connection: sqlite3.Connection, pid: int, *, hurried: bool) -> None:
        self.connection = connection
        self.hurried = hurried
        self.pid = pid
        self.transaction: Transaction | None = None


class Database:
    """The file at `path`, made if there is none, and brought to this code's schema.

    `read_only` changes nothing of it, not even its schema. Raises `StoreUnavailableError` where it can't be opened,
    `StoreVersionError` where a newer version made it.
    """

    def __init__(self, path: Path, *, busy_timeout: float = BUSY_TIMEOUT, read_only: bool = False) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._path = path
        self._busy_timeout = busy_timeout
        self._local = threading.local()
        self._opened: list[_Held] = []
        if read_only:
            self._version()
            return
        with _translated():
            _write_ahead(self._held().connection, busy_timeout)
        self._migrate()

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a reading statement."""
        try:
            found: Row | None = self._reading().execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise _unavailable(error) from error
        return found

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a reading statement."""
        try:
            return self._reading().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    def writing(self, *, durable: bool = False) -> AbstractContextManager[Transaction]:
        """A transaction; within another one a part of it, undone alone when it raises.

        `durable` is of effect in an outermost transaction only. Raises `StoreUnavailableError` where SQLite fails.
        """
        held = self._held()
        if held.transaction is None:
            return _Outermost(held, durable=durable)
        return _Joined(held.transaction) if held.transaction.whole else _Part(held.transaction)

    @contextmanager
    def whole(self, *, wait: bool = True) -> Iterator[Transaction]:
        """A transaction whose parts can't be undone alone: when one has `failed`, its caller undoes all by raising.

        Without `wait` it raises `StoreLockedError` where another connection writes, and never waits for the disk but
        for that which a commit finds full (`checkpoint` is called elsewhere).
        """
        patient = self._held()
        held = patient if wait else self._hurried()
        self._local.held = held
        try:
            with _Outermost(held, whole=True) as transaction:
                yield transaction
        finally:
            self._local.held = patient

    def checkpoint(self, *, restart: bool) -> bool:
        """Bring the log's content into the file (sqlite.org/wal.html, "Checkpointing"); whether all of it is there.

        Waits for the disk. With `restart` writers wait, too, so that the log surely begins anew and stays small.
        """
        with _translated():
            sql = f"PRAGMA wal_checkpoint({'RESTART' if restart else 'PASSIVE'})"
            busy, pages, written = self._held().connection.execute(sql).fetchone()
        return not busy and pages == written

    def close(self) -> None:
        """Close the connections of all threads; nothing may be using them."""
        for held in self._opened:
            if held.pid == os.getpid():
                held.connection.close()
        self._opened.clear()
        self._local = threading.local()

    def _reading(self) -> sqlite3.Connection:
        """The connection, which sees what its own transaction changed."""
        held = self._held()
        if held.transaction is not None:
            held.transaction.flush()
        return held.connection

    def _held(self) -> _Held:
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or held.pid != os.getpid():
            held = self._local.held = self._open(hurried=False)
        return held

    def _hurried(self) -> _Held:
        """The other connection of this thread, which waits for nobody and leaves the log to grow."""
        held: _Held | None = getattr(self._local, "hurried", None)
        if held is None or held.pid != os.getpid():
            held = self._local.hurried = self._open(hurried=True)
            with _translated():
                held.connection.execute("PRAGMA wal_autocheckpoint=0")
        return held

    def _open(self, *, hurried: bool) -> _Held:
        """A connection for this thread; one of the parent process stays referred to, for closing it would be harm."""
        with _translated():
            timeout = 0 if hurried else self._busy_timeout
            connection = sqlite3.connect(
                self._uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA trusted_schema=OFF")
        held = _Held(connection, os.getpid(), hurried=hurried)
        self._opened.append(held)
        return held

    def _migrate(self) -> None:
        if self._version() == len(MIGRATIONS):
            return
        with self.writing(durable=True) as transaction:
            for number in range(self._version(), len(MIGRATIONS)):
                for statement in MIGRATIONS[number]:
                    transaction.execute(statement)
                transaction.execute(f"PRAGMA user_version={number + 1}")

    def _version(self) -> int:
        row = self.row("PRAGMA user_version")
        version: int = row[0] if row else 0
        if version > len(MIGRATIONS):
            raise StoreVersionError(f"{self._path.name} has schema {version}, this version knows {len(MIGRATIONS)}")
        return version


class _Outermost:
    """A transaction of its own."""

    __slots__ = ("_durable", "_held", "_whole")

    def __init__(self, held: _Held, *, durable: bool = False, whole: bool = False) -> None:
        self._held = held
        self._durable = durable
        self._whole = whole

    def __enter__(self) -> Transaction:
        connection = self._held.connection
        try:
            if self._durable:
                connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._end()
            if self._held.hurried and _code(error) == "SQLITE_BUSY":
                raise StoreLockedError("another connection writes") from error
            raise _unavailable(error) from error
        transaction = self._held.transaction = Transaction(connection, whole=self._whole)
        return transaction

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        transaction, connection = self._held.transaction, self._held.connection
        try:
            if error is None and transaction is not None:
                transaction.flush()
                connection.execute("COMMIT")
        except sqlite3.Error as failed:
            error = failed
        finally:
            self._held.transaction = None
            if connection.in_transaction:  # unless SQLite already undid it (lang_transaction, "Response To Errors")
                connection.execute("ROLLBACK")
            self._end()
        if isinstance(error, sqlite3.Error):
            raise _unavailable(error) from error
        return False

    def _end(self) -> None:
        if self._durable:
            self._held.connection.execute("PRAGMA synchronous=NORMAL")


class _Joined:
    """A part of a transaction that is undone with it."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def __enter__(self) -> Transaction:
        return self._transaction

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if error is not None:
            self._transaction.failed = True
            if isinstance(error, sqlite3.Error):
                raise _unavailable(error) from error
        return False


class _Part:
    """A part of a transaction that is undone alone (sqlite.org/lang_savepoint.html)."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def __enter__(self) -> Transaction:
        transaction = self._transaction
        with _translated():
            transaction.flush()
            transaction.execute(f"SAVEPOINT depth{transaction.depth}")
        transaction.depth += 1
        return transaction

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        transaction = self._transaction
        transaction.depth -= 1
        name = f"depth{transaction.depth}"
        try:
            if error is None:
                transaction.flush()
                transaction.execute(f"RELEASE {name}")
        except sqlite3.Error as failed:
            error = failed
        if error is not None:
            transaction.undo(name)
        if isinstance(error, sqlite3.Error):
            raise _unavailable(error) from error
        return False


def _write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Turn write-ahead logging on; workers that start together on a new file wait for each other here.

    The busy timeout does not cover this change (sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY").
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unavailable(error) from error


def _unavailable(error: sqlite3.Error) -> StoreUnavailableError:
    return StoreUnavailableError(f"the store does not answer ({_code(error)})")


def _code(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", type(error).__name__)
