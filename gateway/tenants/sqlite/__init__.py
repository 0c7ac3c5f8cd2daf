"""The stores on one machine: one SQLite file for any number of worker processes."""

from gateway.tenants.sqlite.audit import SqliteAuditLog
from gateway.tenants.sqlite.database import Database
from gateway.tenants.sqlite.decisions import SqliteDecisionRing
from gateway.tenants.sqlite.group_commit import GroupCommit
from gateway.tenants.sqlite.idempotency import SqliteIdempotency
from gateway.tenants.sqlite.keys import SqliteApiKeys
from gateway.tenants.sqlite.ledger import SqliteLedger
from gateway.tenants.sqlite.policies import SqlitePolicies
from gateway.tenants.sqlite.rate import SqliteRateBuckets
from gateway.tenants.sqlite.uploads import SqliteUploads
from gateway.tenants.sqlite.usage_history import SqliteUsageHistory

__all__ = [
    "Database",
    "GroupCommit",
    "SqliteApiKeys",
    "SqliteAuditLog",
    "SqliteDecisionRing",
    "SqliteIdempotency",
    "SqliteLedger",
    "SqlitePolicies",
    "SqliteRateBuckets",
    "SqliteUploads",
    "SqliteUsageHistory",
]
