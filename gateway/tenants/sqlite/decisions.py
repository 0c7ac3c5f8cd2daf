"""The last decisions of each tenant in SQLite."""

import json
from collections.abc import Iterable
from typing import Final

from gateway.tenants.decisions import KEPT, Decision, canonical_members
from gateway.tenants.sqlite.database import Database

_KEEP: Final = "INSERT INTO decisions (tenant, at, members) VALUES (?, ?, ?)"
_OLDER: Final = """
    DELETE FROM decisions WHERE tenant = :tenant
    AND id <= (SELECT id FROM decisions WHERE tenant = :tenant ORDER BY id DESC LIMIT 1 OFFSET :kept)
"""


class SqliteDecisionRing:
    """A `DecisionRing`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, decisions: Iterable[Decision]) -> None:
        """Keep these; the oldest of their tenants give way."""
        rows = [(each.tenant, each.at, canonical_members(each)) for each in decisions]
        with self._database.writing() as transaction:
            transaction.executemany(_KEEP, rows)
            for tenant in {row[0] for row in rows}:
                transaction.execute(_OLDER, {"tenant": tenant, "kept": KEPT})

    def last(self, tenant: str, limit: int = KEPT) -> tuple[Decision, ...]:
        """The tenant's last decisions, newest first."""
        sql = "SELECT at, members FROM decisions WHERE tenant = ? ORDER BY id DESC LIMIT ?"
        rows = self._database.rows(sql, (tenant, min(max(limit, 0), KEPT)))
        return tuple(Decision(tenant=tenant, at=at, members=json.loads(members)) for at, members in rows)
