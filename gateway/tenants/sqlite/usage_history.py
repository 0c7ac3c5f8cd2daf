"""Samples of tenants' usage in SQLite: one row a slot."""

from collections.abc import Iterable
from dataclasses import astuple
from typing import Final

from gateway.tenants.ledger import Usage
from gateway.tenants.sqlite.database import Database
from gateway.tenants.usage_history import KEPT_FOR, UsageSample, slot

_KEEP: Final = "INSERT OR REPLACE INTO usage_history VALUES (?, ?, ?, ?, ?, ?, ?)"
_LAST_BEFORE: Final = "(SELECT max(at) FROM usage_history WHERE tenant = :tenant AND slot <= :slot AND at <= :at)"
_OLDER: Final = f"DELETE FROM usage_history WHERE tenant = :tenant AND at < {_LAST_BEFORE}"  # noqa: S608 - constants
_SINCE: Final = f"""
    SELECT at, bytes, objects, reserved_bytes, reserved_objects FROM usage_history
    WHERE tenant = :tenant AND at >= coalesce({_LAST_BEFORE}, :at) ORDER BY slot
"""  # noqa: S608 - constants


class SqliteUsageHistory:
    """A `UsageHistory`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, samples: Iterable[UsageSample]) -> None:
        """Keep these, each in its slot's place."""
        rows = [(each.tenant, slot(each.at), each.at, *astuple(each.usage)) for each in samples]
        with self._database.writing() as transaction:
            transaction.executemany(_KEEP, rows)
            for tenant, at in {row[0]: row[2] for row in rows}.items():
                transaction.execute(_OLDER, _place(tenant, at - KEPT_FOR))

    def since(self, tenant: str, at: float) -> tuple[UsageSample, ...]:
        """The tenant's samples from this moment on, and the last one before."""
        rows = self._database.rows(_SINCE, _place(tenant, at))
        return tuple(
            UsageSample(
                tenant=tenant,
                at=row[0],
                usage=Usage(bytes=row[1], objects=row[2], reserved_bytes=row[3], reserved_objects=row[4]),
            )
            for row in rows
        )


def _place(tenant: str, at: float) -> dict[str, object]:
    return {"tenant": tenant, "at": at, "slot": slot(at)}
