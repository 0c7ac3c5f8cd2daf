"""Unfinished uploads in SQLite."""

from dataclasses import fields
from operator import attrgetter
from typing import Final

from gateway.tenants.errors import CursorError
from gateway.tenants.pages import Page, page_size
from gateway.tenants.sqlite.database import Database
from gateway.tenants.uploads import UnfinishedUpload

_NAMES: Final = tuple(field.name for field in fields(UnfinishedUpload))
_COLUMNS: Final = ", ".join(_NAMES)
_RECORD: Final = f"INSERT OR REPLACE INTO uploads ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608
_values = attrgetter(*_NAMES)


class SqliteUploads:
    """An `UploadStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, upload: UnfinishedUpload) -> None:
        """Keep an upload, or its new state."""
        with self._database.writing() as transaction:
            transaction.execute(_RECORD, _values(upload))

    def get(self, tenant: str, owner: str, upload_id: str) -> UnfinishedUpload | None:
        """The upload, if it is kept."""
        sql = f"SELECT {_COLUMNS} FROM uploads WHERE tenant = ? AND owner = ? AND id = ?"  # noqa: S608 - constants
        row = self._database.row(sql, (tenant, owner, upload_id))
        return None if row is None else UnfinishedUpload(**dict(zip(_NAMES, row, strict=True)))

    def list(
        self, tenant: str, *, owner: str | None, now: float, limit: int, cursor: str | None = None
    ) -> Page[UnfinishedUpload]:
        """The owner's or the tenant's uploads that have not expired; the cursor is `owner#id` of the last one seen."""
        size = page_size(limit)
        seen_owner, _, seen_id = (cursor or "#").rpartition("#")
        if "#" not in (cursor or "#"):
            raise CursorError("the cursor is not one of this listing")
        mine = "" if owner is None else "AND owner = :owner"
        sql = (
            f"SELECT {_COLUMNS} FROM uploads WHERE tenant = :tenant {mine} "  # noqa: S608 - constants
            "AND (owner, id) > (:seen_owner, :seen_id) AND expires_at > :now ORDER BY owner, id LIMIT :most"
        )
        values = {"tenant": tenant, "owner": owner, "seen_owner": seen_owner, "seen_id": seen_id, "now": now}
        rows = self._database.rows(sql, {**values, "most": size + 1})
        items = tuple(UnfinishedUpload(**dict(zip(_NAMES, row, strict=True))) for row in rows[:size])
        return Page(items=items, cursor=f"{items[-1].owner}#{items[-1].id}" if len(rows) > size else None)

    def remove(self, tenant: str, owner: str, upload_id: str) -> bool:
        """Forget the upload."""
        sql = "DELETE FROM uploads WHERE tenant = ? AND owner = ? AND id = ?"
        with self._database.writing() as transaction:
            return transaction.execute(sql, (tenant, owner, upload_id)).rowcount == 1

    def expired(self, now: float, *, limit: int) -> tuple[UnfinishedUpload, ...]:
        """Uploads whose time is over, earliest first."""
        sql = f"SELECT {_COLUMNS} FROM uploads WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"  # noqa: S608
        rows = self._database.rows(sql, (now, page_size(limit)))
        return tuple(UnfinishedUpload(**dict(zip(_NAMES, row, strict=True))) for row in rows)
