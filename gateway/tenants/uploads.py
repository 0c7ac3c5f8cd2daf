"""Unfinished uploads: what lets their owner find them again and a sweep end them.

The sealed id says all that an upload is; this is a list beside it, not a session.
"""

from dataclasses import dataclass, field
from typing import Protocol

from gateway.tenants.pages import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedUpload:
    """One upload, named by tenant, owner and id.

    `id` is short (at most 64 of `[A-Za-z0-9_-]`); ids that begin with the time list in its order. `owner` is a digest
    of issuer and subject. `sealed` is the id that the client has. Times are seconds since the epoch.
    """

    tenant: str
    owner: str
    id: str
    sealed: str = field(repr=False)
    name: str
    key: str
    strategy: str
    size: int | None
    state: str
    created_at: float
    expires_at: float


class UploadStore(Protocol):
    """Every verb may raise `StoreUnavailableError`, `list` also `CursorError`."""

    def record(self, upload: UnfinishedUpload) -> None:
        """Keep an upload, or its new state."""
        ...

    def get(self, tenant: str, owner: str, upload_id: str) -> UnfinishedUpload | None:
        """The upload, if it is kept."""
        ...

    def list(
        self, tenant: str, *, owner: str | None, now: float, limit: int, cursor: str | None = None
    ) -> Page[UnfinishedUpload]:
        """The owner's uploads (None: the tenant's) that have not expired, by owner and id.

        A page may be shorter than `limit` while there is a next one.
        """
        ...

    def remove(self, tenant: str, owner: str, upload_id: str) -> bool:
        """Forget the upload; False where it is not kept."""
        ...

    def expired(self, now: float, *, limit: int) -> tuple[UnfinishedUpload, ...]:
        """Uploads whose time is over, earliest first, until they are removed; of all tenants."""
        ...
