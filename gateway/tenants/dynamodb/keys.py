"""API keys' records in DynamoDB."""

import json

from gateway.identity.apikeys import USED_RESOLUTION, ApiKeyRecord
from gateway.identity.errors import SourceUnavailableError
from gateway.tenants.dynamodb.table import Item, Table, deleting, putting
from gateway.tenants.errors import StoreUnavailableError


class DynamoApiKeys:
    """An `ApiKeyStore`; put a cache before it (`gateway.tenants.cache`), for it waits for the network."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record of this id."""
        try:
            item = self._table.get(f"key#{key_id}", "key")
        except StoreUnavailableError as error:
            raise SourceUnavailableError("The store of API keys does not answer", error.retry_after) from error
        return None if item is None else _record(item)

    def api_key_used(self, key_id: str, at: float) -> None:
        """Keep the last use, to the minute; a store that does not answer loses it, and nobody waits for that."""
        is_later = "attribute_exists(pk) AND (attribute_not_exists(last_used_at) OR last_used_at <= :before)"
        try:
            self._table.update(
                (f"key#{key_id}", "key"),
                "SET last_used_at = :at",
                condition=is_later,
                values={":at": at, ":before": at - USED_RESOLUTION},
            )
        except StoreUnavailableError:
            return

    def create(self, record: ApiKeyRecord) -> bool:
        """Keep a new key."""
        item = {
            "pk": f"key#{record.id}",
            "sk": "key",
            "tenant": record.tenant,
            "name": record.name,
            "digest": record.digest,
            "scopes": json.dumps(record.scopes),
            "created_at": record.created_at,
            "expires_at": record.expires_at,
            "name_prefix": record.name_prefix,
            "last_used_at": record.last_used_at,
        }
        actions = [
            putting(item, condition="attribute_not_exists(pk)"),
            putting({"pk": f"keys#{record.tenant}", "sk": record.id}),
        ]
        return self._table.decided(lambda: self._table.transact(actions)) is None

    def list(self, tenant: str) -> tuple[ApiKeyRecord, ...]:
        """The tenant's keys, by id."""
        records: list[ApiKeyRecord] = []
        after, more = "", True
        while more:
            values = {":pk": f"keys#{tenant}", ":after": after or " "}
            found, more = self._table.query("pk = :pk AND sk > :after", values, limit=100)
            ids = [item["sk"] for item in found]
            items = self._table.get_all([(f"key#{key_id}", "key") for key_id in ids])
            records += [_record(item) for key_id in ids if (item := items.get((f"key#{key_id}", "key")))]
            after = ids[-1] if ids else after
        return tuple(records)

    def revoke(self, tenant: str, key_id: str) -> bool:
        """Forget the tenant's key."""
        actions = [
            deleting(f"key#{key_id}", "key", condition="tenant = :tenant", values={":tenant": tenant}),
            deleting(f"keys#{tenant}", key_id),
        ]
        return self._table.decided(lambda: self._table.transact(actions)) is None


def _record(item: Item) -> ApiKeyRecord:
    return ApiKeyRecord(
        id=item["pk"].removeprefix("key#"),
        tenant=item["tenant"],
        name=item["name"],
        digest=item["digest"],
        scopes=tuple(json.loads(item["scopes"])),
        created_at=item["created_at"],
        expires_at=item.get("expires_at"),
        name_prefix=item.get("name_prefix"),
        last_used_at=item.get("last_used_at"),
    )
