"""The list of unfinished uploads and the room they hold, as the upload API uses the tenants' stores.

It is a list beside the sealed ids, not a session: where it is lost, an upload that has its id still completes. So what
begins an upload fails when the store does; what ends one is found out later by the sweeper, from S3.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.tenants.aside import Aside
from gateway.tenants.ledger import Ledger, StoredObject
from gateway.tenants.pages import MAX_PAGE, Page
from gateway.tenants.uploads import UnfinishedUpload, UploadStore
from presigner.upload import Strategy, Upload

CREATING: Final = "creating"
"""Before S3 has given an id; nobody but the sweeper sees it."""
REMOTE: Final = "remote"
"""Begun at S3 by the client itself, which alone knows S3's id."""
OPEN: Final = "open"
COMPLETED: Final = "completed"
ABORTED: Final = "aborted"

_UNFINISHED: Final = frozenset({CREATING, REMOTE, OPEN})

MOST_OPEN: Final = 10_000
"""Uploads in parts that a tenant may have unfinished: each keeps parts in S3 that nobody can see."""

SWEPT: Final = 100
"""Uploads that are swept at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where uploads are listed; every verb that reads or begins may raise OSError."""

    uploads: UploadStore
    ledger: Ledger
    aside: Aside
    clock: Callable[[], float]
    most_open: int = MOST_OPEN

    async def crowded(self, tenant: str) -> bool:
        """Whether the tenant has as many uploads in parts unfinished as it may.

        Each holds a reservation, so they are counted one by one only where there are as many of those.
        """
        usage = await self.aside(lambda: self.ledger.usage(tenant))
        if usage.reserved_objects <= self.most_open:
            return False
        seen, cursor = 0, None
        while True:
            page = await self.page(tenant, owner=None, limit=MAX_PAGE, cursor=cursor)
            seen += sum(row.strategy == Strategy.MULTIPART and row.state in _UNFINISHED for row in page.items)
            cursor = page.cursor
            if seen >= self.most_open or cursor is None:
                return seen >= self.most_open

    async def record(self, upload: Upload, sealed: str, state: str) -> None:
        """Keep the upload in this state."""
        await self.aside(lambda: self.keep(upload, sealed, state))

    def keep(self, upload: Upload, sealed: str, state: str) -> None:
        """The same as a part of what is written already."""
        row = UnfinishedUpload(
            tenant=upload.tenant,
            owner=upload.owner,
            id=upload.id,
            sealed=sealed,
            name=upload.name,
            key=upload.key,
            strategy=upload.strategy,
            size=upload.size if upload.exact else None,
            state=state,
            created_at=upload.created,
            expires_at=upload.ends,
        )
        self.uploads.record(row)

    async def state(self, upload: Upload) -> str | None:
        """The state that was recorded last, None where the list knows nothing of the upload."""
        row = await self.aside(lambda: self.uploads.get(upload.tenant, upload.owner, upload.id))
        return None if row is None else row.state

    async def page(self, tenant: str, *, owner: str | None, limit: int, cursor: str | None) -> Page[UnfinishedUpload]:
        """Unfinished uploads; raises CursorError for a cursor of no listing."""
        return await self.aside(
            lambda: self.uploads.list(tenant, owner=owner, now=self.clock(), limit=limit, cursor=cursor)
        )

    async def completed(self, upload: Upload, sealed: str, size: int, *, began: float) -> None:
        """The object is there, of `size` bytes, as a look at S3 that began then has found."""
        await self.ended(upload, size, began=began)
        with contextlib.suppress(OSError):
            await self.record(upload, sealed, COMPLETED)

    async def ended(self, upload: Upload, size: int | None, *, began: float) -> None:
        """Give the reservation back for what S3 holds under the key: `size` bytes, None: no object."""
        with contextlib.suppress(OSError):
            if size is None:
                await self.aside(lambda: self.ledger.release(upload.tenant, upload.id))
            else:
                stored = StoredObject(key=upload.key, bytes=size, seen_at=began)
                await self.aside(lambda: self.ledger.settle(upload.tenant, upload.id, stored))

    async def listed(self, tenant: str) -> list[UnfinishedUpload]:
        """All of the tenant's uploads that have not expired."""
        rows: list[UnfinishedUpload] = []
        cursor: str | None = None
        while True:
            page = await self.page(tenant, owner=None, limit=SWEPT, cursor=cursor)
            rows += page.items
            cursor = page.cursor
            if cursor is None:
                return rows

    async def expired(self) -> tuple[UnfinishedUpload, ...]:
        """Some of the uploads whose time is over, whatever became of them."""
        return await self.aside(lambda: self.uploads.expired(self.clock(), limit=SWEPT))

    async def forget(self, row: UnfinishedUpload | Upload) -> None:
        """Take an upload off the list."""
        await self.aside(lambda: self.uploads.remove(row.tenant, row.owner, row.id))
