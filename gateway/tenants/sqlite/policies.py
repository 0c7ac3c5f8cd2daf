"""Policies with history in SQLite: one table of what is in force, one of all versions, one from issuer to tenants."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.tenants.pages import Page, number_cursor, page_size
from gateway.tenants.policies import Change, Conflict, PolicyVersion, issuers_of, next_version
from gateway.tenants.sqlite.database import Database
from gateway.tenants.sqlite.transaction import Row, Transaction

_COLUMNS: Final = "tenant, version, etag, at, by, reason, document"
_GET: Final = f"SELECT {_COLUMNS} FROM policies WHERE tenant = ?"  # noqa: S608 - constants

_LAST: Final = "SELECT max(version) FROM policy_versions WHERE tenant = ?"


class SqlitePolicies:
    """A `PolicyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, tenant: str) -> PolicyVersion | None:
        """The version in force."""
        return _version(self._database.row(_GET, (tenant,)))

    def create(self, tenant: str, document: Mapping[str, Any], change: Change) -> PolicyVersion | Conflict:
        """Put the first version in force, or the first after a deletion."""
        return self._change(tenant, None, document, change)

    def replace(self, tenant: str, etag: str, document: Mapping[str, Any], change: Change) -> PolicyVersion | Conflict:
        """Put the next version in force, if the present one has this etag."""
        return self._change(tenant, etag, document, change)

    def delete(self, tenant: str, etag: str, change: Change) -> PolicyVersion | Conflict:
        """End the tenant, if the present version has this etag."""
        return self._change(tenant, etag, None, change)

    def list(self, *, limit: int, cursor: str | None = None) -> Page[PolicyVersion]:
        """The tenants that exist, by id."""
        size = page_size(limit)
        sql = f"SELECT {_COLUMNS} FROM policies WHERE tenant > ? ORDER BY tenant LIMIT ?"  # noqa: S608 - constants
        found = _versions(self._database.rows(sql, (cursor or "", size + 1)))
        return Page(items=found[:size], cursor=found[size - 1].tenant if len(found) > size else None)

    def history(self, tenant: str, *, limit: int, cursor: str | None = None) -> Page[PolicyVersion]:
        """All versions, newest first; the cursor is the number of the last one seen."""
        size = page_size(limit)
        before = number_cursor(cursor)
        sql = (
            f"SELECT {_COLUMNS} FROM policy_versions WHERE tenant = ? AND version < ? "  # noqa: S608 - constants
            "ORDER BY version DESC LIMIT ?"
        )
        rows = self._database.rows(sql, (tenant, _NEVER if before is None else before, size + 1))
        found = _versions(rows)
        return Page(items=found[:size], cursor=str(found[size - 1].version) if len(found) > size else None)

    def version(self, tenant: str, number: int) -> PolicyVersion | None:
        """One version of the history."""
        if not 0 < number < _NEVER:
            return None
        sql = f"SELECT {_COLUMNS} FROM policy_versions WHERE tenant = ? AND version = ?"  # noqa: S608 - constants
        return _version(self._database.row(sql, (tenant, number)))

    def believers(self, issuer: str) -> tuple[str, ...]:
        """The tenants whose document in force names this issuer."""
        sql = "SELECT tenant FROM policy_issuers WHERE issuer = ? ORDER BY tenant"
        return tuple(row[0] for row in self._database.rows(sql, (issuer,)))

    def _change(
        self, tenant: str, etag: str | None, document: Mapping[str, Any] | None, change: Change
    ) -> PolicyVersion | Conflict:
        with self._database.writing(durable=True) as transaction:
            current = _version(transaction.execute(_GET, (tenant,)).fetchone())
            if (current.etag if current else None) != etag:
                return Conflict(current=current)
            last = transaction.execute(_LAST, (tenant,)).fetchone()
            made = next_version(tenant, last[0] or 0, document, change)
            _write(transaction, made)
            _write_issuers(transaction, tenant, document)
        return made


_NEVER: Final = 2**62
"""More versions than there will be."""


def _write(transaction: Transaction, made: PolicyVersion) -> None:
    values = (made.tenant, made.version, made.etag, made.at, made.by, made.reason, made.text)
    transaction.execute("INSERT INTO policy_versions VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    if made.text is None:
        transaction.execute("DELETE FROM policies WHERE tenant = ?", (made.tenant,))
    else:
        transaction.execute("INSERT OR REPLACE INTO policies VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def _write_issuers(transaction: Transaction, tenant: str, document: Mapping[str, Any] | None) -> None:
    transaction.execute("DELETE FROM policy_issuers WHERE tenant = ?", (tenant,))
    rows = [(issuer, tenant) for issuer in issuers_of(document)]
    transaction.executemany("INSERT INTO policy_issuers VALUES (?, ?)", rows)


def _version(row: Row | None) -> PolicyVersion | None:
    if row is None:
        return None
    tenant, version, etag, at, by, reason, text = row
    return PolicyVersion(tenant=tenant, version=version, etag=etag, at=at, by=by, reason=reason, text=text)


def _versions(rows: "list[Row]") -> tuple[PolicyVersion, ...]:
    return tuple(version for row in rows if (version := _version(row)) is not None)
