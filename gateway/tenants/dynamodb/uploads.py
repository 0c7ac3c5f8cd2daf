"""Unfinished uploads in DynamoDB."""

from dataclasses import fields
from typing import Final

from gateway.tenants.dynamodb.schema import DUE, SHARDS, shard
from gateway.tenants.dynamodb.table import Item, Table
from gateway.tenants.errors import CursorError
from gateway.tenants.pages import Page, page_size
from gateway.tenants.uploads import UnfinishedUpload

_NAMES: Final = tuple(field.name for field in fields(UnfinishedUpload))


class DynamoUploads:
    """An `UploadStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def record(self, upload: UnfinishedUpload) -> None:
        """Keep an upload, or its new state."""
        members: dict[str, object] = {name: getattr(upload, name) for name in _NAMES}
        place = {"pk": f"upload#{upload.tenant}", "sk": f"{upload.owner}#{upload.id}"}
        due = {"due_pk": shard("upload", upload.tenant), "due_at": upload.expires_at}
        self._table.put_all([{**members, **place, **due}])

    def get(self, tenant: str, owner: str, upload_id: str) -> UnfinishedUpload | None:
        """The upload, if it is kept."""
        item = self._table.get(f"upload#{tenant}", f"{owner}#{upload_id}")
        return None if item is None else _upload(item)

    def list(
        self, tenant: str, *, owner: str | None, now: float, limit: int, cursor: str | None = None
    ) -> Page[UnfinishedUpload]:
        """The owner's or the tenant's uploads that have not expired; the cursor is `owner#id` of the last one seen."""
        size = page_size(limit)
        if cursor and "#" not in cursor:
            raise CursorError("the cursor is not one of this listing")
        first, last = ("", _LAST) if owner is None else (f"{owner}#", f"{owner}#{_LAST}")
        after = max(first, cursor + "\x00" if cursor else "") or " "
        found: list[Item] = []
        more = False
        if after <= last:
            found, more = self._table.query(
                "pk = :pk AND sk BETWEEN :after AND :last",
                {":pk": f"upload#{tenant}", ":after": after, ":last": last},
                limit=size,
            )
        items = tuple(_upload(item) for item in found if item["expires_at"] > now)
        return Page(items=items, cursor=found[-1]["sk"] if more and found else None)

    def remove(self, tenant: str, owner: str, upload_id: str) -> bool:
        """Forget the upload."""
        there = "attribute_exists(pk)"
        return self._table.delete(f"upload#{tenant}", f"{owner}#{upload_id}", condition=there, values={}) is None

    def expired(self, now: float, *, limit: int) -> tuple[UnfinishedUpload, ...]:
        """Uploads whose time is over, earliest first."""
        size = page_size(limit)
        found: list[Item] = []
        for number in range(SHARDS):
            values: dict[str, object] = {":pk": f"upload#{number}", ":now": now}
            items, _ = self._table.query("due_pk = :pk AND due_at <= :now", values, limit=size, index=DUE)
            found += items
        return tuple(_upload(item) for item in sorted(found, key=lambda item: item["due_at"])[:size])


_LAST: Final = "~"
"""Behind every owner and id, which are of letters, digits, `-` and `_`."""


def _upload(item: Item) -> UnfinishedUpload:
    return UnfinishedUpload(**{name: item.get(name) for name in _NAMES})  # type: ignore[arg-type]
