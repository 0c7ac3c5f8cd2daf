"""The one table: its keys, its indexes, and what each item is called.

    pk                      sk                 what
    policy#<tenant>         now                the version in force; without a document: deleted
    policy#<tenant>         v#<number>         one version of the history
    tenants                 <tenant>           that the tenant exists
    issuer#<digest>         <tenant>           that its document may name the issuer (the document decides)
    key#<id>                key                an API key's record
    keys#<tenant>           <id>               whose it is
    usage#<tenant>          usage              what is counted; held_* = stored + reserved, which a condition compares
    reservation#<tenant>    <id>               room that is kept; due
    object#<tenant>         <name>             an object; the name is the key without the tenant's prefix
    upload#<tenant>         <owner>#<id>       an unfinished upload; due
    claim#<digest>          claim              an idempotency key; TTL
    rate#<bucket>           rate               a token bucket; TTL
    decision#<tenant>       <time>#…           one of the last decisions; TTL
    history#<tenant>        <slot>             what was counted, last in this slot of time; TTL
    audit#<chain>           <number>           a line
    audits                  <chain>            that the chain exists

Items marked "due" have `due_pk` (their kind and one of `SHARDS`) and `due_at`, and so are in both indexes: `due` finds
those of all tenants, `own_due` those of one. They never have a TTL: what disappeared by itself would leave its room
counted for ever. TTL is only tidiness (deletion may come days late, DynamoDB Developer Guide, "Time to Live"), so
every verb compares times itself.
"""

import zlib
from typing import Any, Final

SHARDS: Final = 8
"""Partitions that due items of all tenants are spread over."""

TTL: Final = "ttl"

DUE: Final = "due"
OWN_DUE: Final = "own_due"

DEFINITION: Final[dict[str, Any]] = {
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
        {"AttributeName": "due_pk", "AttributeType": "S"},
        {"AttributeName": "due_at", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}, {"AttributeName": "due_at", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        for name, key in ((DUE, "due_pk"), (OWN_DUE, "pk"))
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
"""What CreateTable takes beside the name; the deployment's template says the same (and turns TTL on for `ttl`)."""

ACTIONS: Final = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
"""The IAM actions that the stores need on the table and its indexes; a transaction needs those of its parts."""


def shard(kind: str, tenant: str) -> str:
    """The `due_pk` of a tenant's items of this kind."""
    return f"{kind}#{zlib.crc32(tenant.encode()) % SHARDS}"
