"""One transaction on one connection, and the rows that many of its verbs change: read once, written once.

A tenant's usage and a bucket's time are moved by every upload. Where a transaction holds the verbs of many requests,
each such row is read at its first use, changed in memory, and written before anything else could see it: before the
commit, before a part that may be undone alone, and before this thread reads. The write lock is held from the beginning,
so nobody else can have changed it meanwhile.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class RowKind:
    """Rows of one table that are named by one text: `read` selects one's values, `write` puts name and values."""

    read: str
    write: str


class Transaction:
    """A connection while it writes.

    In a `whole` one nothing is undone alone: a part that raises sets `failed`, and all of it must be undone.
    """

    __slots__ = ("_changed", "_connection", "_rows", "depth", "failed", "whole")

    def __init__(self, connection: sqlite3.Connection, *, whole: bool) -> None:
        self._connection = connection
        self._rows: dict[tuple[RowKind, str], Row | None] = {}
        self._changed: set[tuple[RowKind, str]] = set()
        self.depth = 0
        self.whole = whole
        self.failed = False

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run one statement; `flush` before one that is about rows of a `RowKind`."""
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each of the rows."""
        self._connection.executemany(sql, rows)

    def row(self, kind: RowKind, name: str) -> Row | None:
        """The row's values as they are now in this transaction, None where there is none."""
        place = (kind, name)
        if place in self._rows:
            return self._rows[place]
        row: Row | None = self._connection.execute(kind.read, (name,)).fetchone()
        self._rows[place] = row
        return row

    def put(self, kind: RowKind, name: str, row: Row) -> None:
        """Change the row; it is written later."""
        place = (kind, name)
        self._rows[place] = row
        self._changed.add(place)

    def flush(self) -> None:
        """Write what was changed."""
        if self._changed:
            changed, self._changed = self._changed, set()
            for kind, name in changed:
                self._connection.execute(kind.write, (name, *(self._rows[kind, name] or ())))

    def forget(self) -> None:
        """Read every row again, because a statement changed some."""
        self._rows.clear()
        self._changed.clear()

    def undo(self, savepoint: str) -> None:
        """Go back to a savepoint, unless SQLite undid all (sqlite.org/lang_transaction.html, "Response To Errors")."""
        self.forget()
        if self._connection.in_transaction:
            self._connection.execute(f"ROLLBACK TO {savepoint}")
            self._connection.execute(f"RELEASE {savepoint}")
