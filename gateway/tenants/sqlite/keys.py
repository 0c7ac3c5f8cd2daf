"""API keys' records in SQLite."""

import json
from typing import Final

from gateway.identity.apikeys import USED_RESOLUTION, ApiKeyRecord
from gateway.identity.errors import SourceUnavailableError
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.sqlite.database import Database
from gateway.tenants.sqlite.transaction import Row

_COLUMNS: Final = "id, tenant, name, digest, scopes, created_at, expires_at, name_prefix, last_used_at"


class SqliteApiKeys:
    """An `ApiKeyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record of this id."""
        try:
            row = self._database.row(f"SELECT {_COLUMNS} FROM api_keys WHERE id = ?", (key_id,))  # noqa: S608
        except StoreUnavailableError as error:
            raise SourceUnavailableError("The store of API keys does not answer", error.retry_after) from error
        return None if row is None else _record(row)

    def api_key_used(self, key_id: str, at: float) -> None:
        """Keep the last use, to the minute; a store that does not answer loses it, and nobody waits for that."""
        sql = "UPDATE api_keys SET last_used_at = ? WHERE id = ? AND coalesce(last_used_at, 0) <= ?"
        try:
            with self._database.writing() as transaction:
                transaction.execute(sql, (at, key_id, at - USED_RESOLUTION))
        except StoreUnavailableError:
            return

    def create(self, record: ApiKeyRecord) -> bool:
        """Keep a new key."""
        values = (
            *(record.id, record.tenant, record.name, record.digest, json.dumps(record.scopes)),
            *(record.created_at, record.expires_at, record.name_prefix, record.last_used_at),
        )
        with self._database.writing(durable=True) as transaction:
            done = transaction.execute("INSERT OR IGNORE INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            return done.rowcount == 1

    def list(self, tenant: str) -> tuple[ApiKeyRecord, ...]:
        """The tenant's keys, by id."""
        sql = f"SELECT {_COLUMNS} FROM api_keys WHERE tenant = ? ORDER BY id"  # noqa: S608 - constants
        return tuple(_record(row) for row in self._database.rows(sql, (tenant,)))

    def revoke(self, tenant: str, key_id: str) -> bool:
        """Forget the tenant's key."""
        with self._database.writing(durable=True) as transaction:
            done = transaction.execute("DELETE FROM api_keys WHERE id = ? AND tenant = ?", (key_id, tenant))
            return done.rowcount == 1


def _record(row: Row) -> ApiKeyRecord:
    key_id, tenant, name, digest, scopes, created_at, expires_at, name_prefix, last_used_at = row
    return ApiKeyRecord(
        id=key_id,
        tenant=tenant,
        name=name,
        digest=digest,
        scopes=tuple(json.loads(scopes)),
        created_at=created_at,
        expires_at=expires_at,
        name_prefix=name_prefix,
        last_used_at=last_used_at,
    )
