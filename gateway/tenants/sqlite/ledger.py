"""Reservations, usage and objects in SQLite.

Usage is a row that a transaction reads once, decides by and writes once; the write lock is held meanwhile.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.policy.model import QuotaRule
from gateway.tenants.ledger import QuotaExceeded, Reservation, Reserved, StoredObject, Usage
from gateway.tenants.pages import Page, page_size
from gateway.tenants.sqlite.database import Database
from gateway.tenants.sqlite.transaction import Row, RowKind, Transaction

_KEEP: Final = """
    INSERT INTO reservations (tenant, id, key, bytes, objects, expires_at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (tenant, id) DO NOTHING
"""
_KEPT: Final = "SELECT 1 FROM reservations WHERE tenant = ? AND id = ?"
_END: Final = "DELETE FROM reservations WHERE tenant = ? AND id = ? RETURNING bytes, objects"
_SEEN: Final = "SELECT bytes, seen_at FROM objects WHERE tenant = ? AND key = ?"
_STORE: Final = "INSERT INTO objects (bytes, seen_at, tenant, key) VALUES (?, ?, ?, ?)"
_CHANGE: Final = "UPDATE objects SET bytes = ?, seen_at = ? WHERE tenant = ? AND key = ?"
_FORGET: Final = "DELETE FROM objects WHERE tenant = ? AND key = ?"
_USAGE: Final = RowKind(
    read="SELECT bytes, objects, reserved_bytes, reserved_objects FROM usage WHERE tenant = ?",
    write="INSERT OR REPLACE INTO usage (tenant, bytes, objects, reserved_bytes, reserved_objects) "
    "VALUES (?, ?, ?, ?, ?)",
)
_DUE: Final = "SELECT id, tenant, key, bytes, objects, expires_at FROM reservations WHERE expires_at <= ?"
_EARLIEST: Final = "SELECT min(expires_at) FROM reservations WHERE tenant = ?"


class SqliteLedger:
    """A `Ledger` and an `Inventory`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, reservation: Reservation, quota: QuotaRule) -> Reserved | QuotaExceeded:
        """Keep room, if it stays within the quota."""
        with self._database.writing() as transaction:
            usage = _usage(transaction, reservation.tenant)
            place = (reservation.tenant, reservation.id)
            if _over(usage, reservation, quota) is not None:
                again = transaction.execute(_KEPT, place).fetchone() is not None
                return Reserved(usage=usage) if again else _exceeded(transaction, usage, reservation, quota)
            row = (*place, reservation.key, reservation.bytes, reservation.objects, reservation.expires_at)
            if transaction.execute(_KEEP, row).rowcount:
                usage = _moved(transaction, place[0], usage, (0, 0), (-reservation.bytes, -reservation.objects))
            return Reserved(usage=usage)

    def settle(self, tenant: str, reservation_id: str, stored: StoredObject) -> Usage:
        """End the reservation, if it is still there, and count what S3 holds."""
        with self._database.writing() as transaction:
            freed = transaction.execute(_END, (tenant, reservation_id)).fetchone() or (0, 0)
            return _count(transaction, tenant, _Look(stored.key, stored.bytes, stored.seen_at), freed)

    def release(self, tenant: str, reservation_id: str) -> bool:
        """End a reservation of which nothing was stored."""
        with self._database.writing() as transaction:
            freed = transaction.execute(_END, (tenant, reservation_id)).fetchone()
            if freed is None:
                return False
            _moved(transaction, tenant, _usage(transaction, tenant), (0, 0), freed)
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
        row = self._database.row(_USAGE.read, (tenant,))
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
        with self._database.writing() as transaction:
            row = transaction.execute(_SEEN, (tenant, key)).fetchone()
            if row != (None if before is None else (before.bytes, before.seen_at)):
                return False
            _count(transaction, tenant, _Look(key, size, 0.0 if before is None else before.seen_at), (0, 0))
            return True

    def correct(self, tenant: str, key: str, size: int | None, seen_at: float) -> Usage:
        """Count `size` bytes under the key, None: no object."""
        with self._database.writing() as transaction:
            return _count(transaction, tenant, _Look(key, size, seen_at), (0, 0))


def _over(usage: Usage, reservation: Reservation, quota: QuotaRule) -> str | None:
    """Which part of the quota all that is stored and reserved would exceed."""
    if quota.bytes is not None and usage.bytes + usage.reserved_bytes + reservation.bytes > quota.bytes:
        return "bytes"
    if quota.objects is not None and usage.objects + usage.reserved_objects + reservation.objects > quota.objects:
        return "objects"
    return None


def _exceeded(transaction: Transaction, usage: Usage, reservation: Reservation, quota: QuotaRule) -> QuotaExceeded:
    what = _over(usage, reservation, quota) or ""
    due_at = transaction.execute(_EARLIEST, (reservation.tenant,)).fetchone()[0]
    return QuotaExceeded(what=what, usage=usage, due_at=due_at)


class _Look(NamedTuple):
    """What S3 held under a key (None: nothing), and when somebody began to look."""

    key: str
    size: int | None
    seen_at: float


def _count(transaction: Transaction, tenant: str, look: _Look, freed: tuple[int, int]) -> Usage:
    """Bring the object's row to what was seen, and usage by the difference; an older look changes neither."""
    usage = _usage(transaction, tenant)
    before = transaction.execute(_SEEN, (tenant, look.key)).fetchone()
    if before is not None and before[1] > look.seen_at:
        return _moved(transaction, tenant, usage, (0, 0), freed)
    if look.size is None:
        transaction.execute(_FORGET, (tenant, look.key))
    else:
        transaction.execute(_STORE if before is None else _CHANGE, (look.size, look.seen_at, tenant, look.key))
    grown = (look.size or 0) - (before[0] if before else 0)
    return _moved(transaction, tenant, usage, (grown, (look.size is not None) - (before is not None)), freed)


def _moved(
    transaction: Transaction, tenant: str, usage: Usage, grown: tuple[int, int], freed: tuple[int, int]
) -> Usage:
    """Usage after so much came and so much less is reserved."""
    row = (
        *(usage.bytes + grown[0], usage.objects + grown[1]),
        *(usage.reserved_bytes - freed[0], usage.reserved_objects - freed[1]),
    )
    transaction.put(_USAGE, tenant, row)
    return _read(row)


def _usage(transaction: Transaction, tenant: str) -> Usage:
    row = transaction.row(_USAGE, tenant)
    return Usage() if row is None else _read(row)


def _read(row: Row) -> Usage:
    return Usage(bytes=row[0], objects=row[1], reserved_bytes=row[2], reserved_objects=row[3])
