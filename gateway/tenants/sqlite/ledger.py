"""Reservations, usage and objects in SQLite. The one statement that decides about a quota is `_RESERVE`."""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.policy.model import QuotaRule
from gateway.tenants.ledger import QuotaExceeded, Reservation, Reserved, StoredObject, Usage
from gateway.tenants.pages import Page, page_size
from gateway.tenants.sqlite.database import Database

_NO_LIMIT: Final = 2**62

# Room is there if all that is stored and reserved stays within both limits; a tenant without a row has used nothing.
_RESERVE: Final = """
    INSERT INTO usage (tenant, bytes, objects, reserved_bytes, reserved_objects)
    SELECT :tenant, 0, 0, :bytes, :objects WHERE :bytes <= :most_bytes AND :objects <= :most_objects
        OR EXISTS (SELECT 1 FROM usage WHERE tenant = :tenant)
    ON CONFLICT (tenant) DO UPDATE SET
        reserved_bytes = reserved_bytes + :bytes, reserved_objects = reserved_objects + :objects
        WHERE bytes + reserved_bytes + :bytes <= :most_bytes
        AND objects + reserved_objects + :objects <= :most_objects
    RETURNING bytes, objects, reserved_bytes, reserved_objects
"""
_KEEP: Final = "INSERT INTO reservations (tenant, id, key, bytes, objects, expires_at) VALUES (?, ?, ?, ?, ?, ?)"
_KEPT: Final = "SELECT 1 FROM reservations WHERE tenant = ? AND id = ?"
_END: Final = "DELETE FROM reservations WHERE tenant = ? AND id = ? RETURNING bytes, objects"
_SEEN: Final = "SELECT bytes, seen_at FROM objects WHERE tenant = ? AND key = ?"
_STORE: Final = "INSERT OR REPLACE INTO objects (tenant, key, bytes, seen_at) VALUES (?, ?, ?, ?)"
_FORGET: Final = "DELETE FROM objects WHERE tenant = ? AND key = ?"
_USAGE: Final = "SELECT bytes, objects, reserved_bytes, reserved_objects FROM usage WHERE tenant = ?"
_MOVE: Final = """
    INSERT INTO usage (tenant, bytes, objects, reserved_bytes, reserved_objects)
    VALUES (:tenant, :bytes, :objects, 0, 0)
    ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + :bytes, objects = objects + :objects,
        reserved_bytes = reserved_bytes - :freed_bytes, reserved_objects = reserved_objects - :freed_objects
    RETURNING bytes, objects, reserved_bytes, reserved_objects
"""
_DUE: Final = "SELECT id, tenant, key, bytes, objects, expires_at FROM reservations WHERE expires_at <= ?"
_EARLIEST: Final = "SELECT min(expires_at) FROM reservations WHERE tenant = ?"


class SqliteLedger:
    """A `Ledger` and an `Inventory`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, reservation: Reservation, quota: QuotaRule) -> Reserved | QuotaExceeded:
        """Keep room, if it stays within the quota."""
        with self._database.writing() as connection:
            if connection.execute(_KEPT, (reservation.tenant, reservation.id)).fetchone():
                return Reserved(usage=_usage(connection, reservation.tenant))
            row = connection.execute(_RESERVE, _asked(reservation, quota)).fetchone()
            if row is None:
                return _exceeded(connection, reservation, quota)
            connection.execute(
                _KEEP,
                (
                    *(reservation.tenant, reservation.id, reservation.key),
                    *(reservation.bytes, reservation.objects, reservation.expires_at),
                ),
            )
            return Reserved(usage=_read(row))

    def settle(self, tenant: str, reservation_id: str, stored: StoredObject) -> Usage:
        """End the reservation, if it is still there, and count what S3 holds."""
        with self._database.writing() as connection:
            freed = connection.execute(_END, (tenant, reservation_id)).fetchone() or (0, 0)
            return _count(connection, tenant, _Look(stored.key, stored.bytes, stored.seen_at), freed)

    def release(self, tenant: str, reservation_id: str) -> bool:
        """End a reservation of which nothing was stored."""
        with self._database.writing() as connection:
            freed = connection.execute(_END, (tenant, reservation_id)).fetchone()
            if freed is None:
                return False
            _move(connection, tenant, (0, 0), freed)
            return True

    def due(self, now: float, *, limit: int, tenant: str | None = None) -> tuple[Reservation, ...]:
        """Reservations whose time is over, earliest first."""
        of_tenant = ("", ()) if tenant is None else (" AND tenant = ?", (tenant,))
        sql = f"{_DUE}{of_tenant[0]} ORDER BY expires_at LIMIT ?"
        rows = self._database.rows(sql, (now, *of_tenant[1], page_size(limit)))
        return tuple(
            Reservation(id=row[0], tenant=row[1], key=row[2], bytes=row[3], objects=row[4], expires_at=row[5])
            for row in rows
        )

    def usage(self, tenant: str) -> Usage:
        """What is counted for the tenant now."""
        row = self._database.row(_USAGE, (tenant,))
        return Usage() if row is None else _read(row)

    def objects(self, tenant: str, *, limit: int, cursor: str | None = None) -> Page[StoredObject]:
        """The tenant's objects by key."""
        size = page_size(limit)
        sql = "SELECT key, bytes, seen_at FROM objects WHERE tenant = ? AND key > ? ORDER BY key LIMIT ?"
        rows = self._database.rows(sql, (tenant, cursor or "", size + 1))
        items = tuple(StoredObject(key=row[0], bytes=row[1], seen_at=row[2]) for row in rows[:size])
        return Page(items=items, cursor=items[-1].key if len(rows) > size else None)

    def seen(self, tenant: str, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Those of the keys that there is an object under."""
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key, bytes, seen_at FROM objects WHERE tenant = ? AND key IN ({marks})"  # noqa: S608 - marks
        rows = self._database.rows(sql, (tenant, *keys))
        return {row[0]: StoredObject(key=row[0], bytes=row[1], seen_at=row[2]) for row in rows}

    def repair(self, tenant: str, key: str, size: int | None, before: StoredObject | None) -> bool:
        """Count `size` bytes under the key, if its row is still `before`."""
        with self._database.writing() as connection:
            row = connection.execute(_SEEN, (tenant, key)).fetchone()
            if row != (None if before is None else (before.bytes, before.seen_at)):
                return False
            _count(connection, tenant, _Look(key, size, 0.0 if before is None else before.seen_at), (0, 0))
            return True

    def correct(self, tenant: str, key: str, size: int | None, seen_at: float) -> Usage:
        """Count `size` bytes under the key, None: no object."""
        with self._database.writing() as connection:
            return _count(connection, tenant, _Look(key, size, seen_at), (0, 0))


def _asked(reservation: Reservation, quota: QuotaRule) -> dict[str, object]:
    return {
        "tenant": reservation.tenant,
        "bytes": reservation.bytes,
        "objects": reservation.objects,
        "most_bytes": _NO_LIMIT if quota.bytes is None else quota.bytes,
        "most_objects": _NO_LIMIT if quota.objects is None else quota.objects,
    }


def _exceeded(connection: sqlite3.Connection, reservation: Reservation, quota: QuotaRule) -> QuotaExceeded:
    usage = _usage(connection, reservation.tenant)
    held = usage.bytes + usage.reserved_bytes + reservation.bytes
    what = "bytes" if quota.bytes is not None and held > quota.bytes else "objects"
    due_at = connection.execute(_EARLIEST, (reservation.tenant,)).fetchone()[0]
    return QuotaExceeded(what=what, usage=usage, due_at=due_at)


class _Look(NamedTuple):
    """What S3 held under a key (None: nothing), and when somebody began to look."""

    key: str
    size: int | None
    seen_at: float


def _count(connection: sqlite3.Connection, tenant: str, look: _Look, freed: tuple[int, int]) -> Usage:
    """Bring the object's row to what was seen, and usage by the difference; an older look changes neither."""
    before = connection.execute(_SEEN, (tenant, look.key)).fetchone()
    if before is not None and before[1] > look.seen_at:
        return _move(connection, tenant, (0, 0), freed)
    if look.size is None:
        connection.execute(_FORGET, (tenant, look.key))
    else:
        connection.execute(_STORE, (tenant, *look))
    grown = (look.size or 0) - (before[0] if before else 0)
    return _move(connection, tenant, (grown, (look.size is not None) - (before is not None)), freed)


def _move(connection: sqlite3.Connection, tenant: str, grown: tuple[int, int], freed: tuple[int, int]) -> Usage:
    values = {
        "tenant": tenant,
        "bytes": grown[0],
        "objects": grown[1],
        "freed_bytes": freed[0],
        "freed_objects": freed[1],
    }
    return _read(connection.execute(_MOVE, values).fetchone())


def _usage(connection: sqlite3.Connection, tenant: str) -> Usage:
    row = connection.execute(_USAGE, (tenant,)).fetchone()
    return Usage() if row is None else _read(row)


def _read(row: tuple[int, int, int, int]) -> Usage:
    return Usage(bytes=row[0], objects=row[1], reserved_bytes=row[2], reserved_objects=row[3])
