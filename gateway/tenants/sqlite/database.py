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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.tenants.errors import StoreUnavailableError, StoreVersionError
from gateway.tenants.sqlite.schema import MIGRATIONS

BUSY_TIMEOUT: Final = 5.0
"""Seconds that a writer waits for another; a transaction of ours takes well under a millisecond."""

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]


class _Held:
    """A thread's connection: whose process opened it, and how deep in transactions it is."""

    __slots__ = ("connection", "depth", "pid")

    def __init__(self, connection: sqlite3.Connection, pid: int) -> None:
        self.connection = connection
        self.pid = pid
        self.depth = 0


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
            found: Row | None = self._held().connection.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise _unavailable(error) from error
        return found

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a reading statement."""
        try:
            return self._held().connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction; within another one a part of it, undone alone when it raises.

        `durable` is of effect in an outermost transaction only. Raises `StoreUnavailableError` where SQLite fails.
        """
        held = self._held()
        begin, commit, undo = ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK") if held.depth == 0 else _savepoint(held.depth)
        outermost_durable = durable and held.depth == 0
        with _translated():
            if outermost_durable:
                held.connection.execute("PRAGMA synchronous=FULL")
            try:
                held.connection.execute(begin)
                held.depth += 1
                try:
                    yield held.connection
                    held.connection.execute(commit)
                except BaseException:
                    _undo(held.connection, undo)
                    raise
                finally:
                    held.depth -= 1
            finally:
                if outermost_durable:
                    held.connection.execute("PRAGMA synchronous=NORMAL")

    def close(self) -> None:
        """Close the connections of all threads; nothing may be using them."""
        for held in self._opened:
            if held.pid == os.getpid():
                held.connection.close()
        self._opened.clear()
        self._local = threading.local()

    def _held(self) -> _Held:
        held: _Held | None = getattr(self._local, "held", None)
        if held is None or held.pid != os.getpid():
            held = self._open()
        return held

    def _open(self) -> _Held:
        """A connection for this thread; one of the parent process stays referred to, for closing it would be harm."""
        with _translated():
            connection = sqlite3.connect(
                self._uri, uri=True, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA trusted_schema=OFF")
        held = _Held(connection, os.getpid())
        self._local.held = held
        self._opened.append(held)
        return held

    def _migrate(self) -> None:
        if self._version() == len(MIGRATIONS):
            return
        with self.writing(durable=True) as connection:
            for number in range(self._version(), len(MIGRATIONS)):
                for statement in MIGRATIONS[number]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number + 1}")

    def _version(self) -> int:
        row = self.row("PRAGMA user_version")
        version: int = row[0] if row else 0
        if version > len(MIGRATIONS):
            raise StoreVersionError(f"{self._path.name} has schema {version}, this version knows {len(MIGRATIONS)}")
        return version


def _savepoint(depth: int) -> tuple[str, str, str]:
    name = f"depth{depth}"
    return f"SAVEPOINT {name}", f"RELEASE {name}", f"ROLLBACK TO {name}; RELEASE {name}"


def _undo(connection: sqlite3.Connection, undo: str) -> None:
    """Roll back, unless SQLite already did (sqlite.org/lang_transaction.html, "Response To Errors")."""
    if connection.in_transaction:
        for statement in undo.split("; "):
            connection.execute(statement)


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
    return StoreUnavailableError(
        f"the store does not answer ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    )
