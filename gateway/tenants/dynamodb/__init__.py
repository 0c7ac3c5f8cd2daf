"""The stores on AWS: one DynamoDB table for any number of instances."""

from gateway.tenants.dynamodb.audit import DynamoAuditLog
from gateway.tenants.dynamodb.decisions import DynamoDecisionRing
from gateway.tenants.dynamodb.idempotency import DynamoIdempotency
from gateway.tenants.dynamodb.keys import DynamoApiKeys
from gateway.tenants.dynamodb.ledger import DynamoLedger
from gateway.tenants.dynamodb.policies import DynamoPolicies
from gateway.tenants.dynamodb.rate import DynamoRateBuckets
from gateway.tenants.dynamodb.table import Table, make_client
from gateway.tenants.dynamodb.uploads import DynamoUploads
from gateway.tenants.dynamodb.usage_history import DynamoUsageHistory

__all__ = [
    "DynamoApiKeys",
    "DynamoAuditLog",
    "DynamoDecisionRing",
    "DynamoIdempotency",
    "DynamoLedger",
    "DynamoPolicies",
    "DynamoRateBuckets",
    "DynamoUploads",
    "DynamoUsageHistory",
    "Table",
    "make_client",
]
