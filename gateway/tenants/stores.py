"""All stores of a deployment together, whichever they are; for the composition root."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.tenants.audit import AuditLog
from gateway.tenants.decisions import DecisionRing
from gateway.tenants.dynamodb.audit import DynamoAuditLog
from gateway.tenants.dynamodb.decisions import DynamoDecisionRing
from gateway.tenants.dynamodb.idempotency import DynamoIdempotency
from gateway.tenants.dynamodb.keys import DynamoApiKeys
from gateway.tenants.dynamodb.ledger import DynamoLedger
from gateway.tenants.dynamodb.policies import DynamoPolicies
from gateway.tenants.dynamodb.rate import DynamoRateBuckets
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.dynamodb.uploads import DynamoUploads
from gateway.tenants.dynamodb.usage_history import DynamoUsageHistory
from gateway.tenants.idempotency import IdempotencyStore
from gateway.tenants.keys import ApiKeyStore
from gateway.tenants.ledger import Inventory, Ledger
from gateway.tenants.policies import PolicyStore
from gateway.tenants.rate import RateBuckets
from gateway.tenants.sqlite import (
    Database,
    SqliteApiKeys,
    SqliteAuditLog,
    SqliteDecisionRing,
    SqliteIdempotency,
    SqliteLedger,
    SqlitePolicies,
    SqliteRateBuckets,
    SqliteUploads,
    SqliteUsageHistory,
)
from gateway.tenants.uploads import UploadStore
from gateway.tenants.usage_history import UsageHistory


class FullLedger(Ledger, Inventory, Protocol):
    """A ledger that can also be compared with S3, as all of ours can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """One of each. `tidy` forgets at a time what nobody can ask for any more, and says how many rows that were."""

    policies: PolicyStore
    keys: ApiKeyStore
    ledger: FullLedger
    uploads: UploadStore
    idempotency: IdempotencyStore
    rates: RateBuckets
    decisions: DecisionRing
    history: UsageHistory
    audit: AuditLog
    tidy: Callable[[float], int]


def sqlite_stores(database: Database) -> Stores:
    """The stores in one file."""
    rates, idempotency = SqliteRateBuckets(database), SqliteIdempotency(database)
    return Stores(
        policies=SqlitePolicies(database),
        keys=SqliteApiKeys(database),
        ledger=SqliteLedger(database),
        uploads=SqliteUploads(database),
        idempotency=idempotency,
        rates=rates,
        decisions=SqliteDecisionRing(database),
        history=SqliteUsageHistory(database),
        audit=SqliteAuditLog(database),
        tidy=lambda now: rates.tidy(now) + idempotency.tidy(now),
    )


def open_sqlite(path: Path) -> Stores:
    """The stores in the file at `path`, made if there is none."""
    return sqlite_stores(Database(path))


def dynamodb_stores(table: Table) -> Stores:
    """The stores in one table."""
    return Stores(
        policies=DynamoPolicies(table),
        keys=DynamoApiKeys(table),
        ledger=DynamoLedger(table),
        uploads=DynamoUploads(table),
        idempotency=DynamoIdempotency(table),
        rates=DynamoRateBuckets(table),
        decisions=DynamoDecisionRing(table),
        history=DynamoUsageHistory(table),
        audit=DynamoAuditLog(table),
        tidy=lambda _: 0,  # DynamoDB forgets by itself what has a TTL
    )
