"""The ledger and the list of uploads of one tenant compared with what S3 holds.

Any number may run at once. An upload in parts that nobody lists costs money and nobody can find it; it is given up when
it is older than any upload may be, because until then somebody may still have its id.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.journal import EXPIRE, About, Journal
from gateway.policy.document import tenant_id
from gateway.policy.problems import Fault
from gateway.server.opened import OpenStores
from gateway.storage.calls import S3Calls
from gateway.storage.endpoint import Endpoint
from gateway.storage.lifecycle import ABANDONED_AFTER_DAYS
from gateway.storage.listing import Listed, Listing, Unfinished
from gateway.storage.multipart import Multipart
from gateway.storage.objects import Objects
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Upstream
from gateway.tenants.reconcile import Reconciled, Reconciler
from presigner.ending import orphans
from presigner.register import Register
from presigner.sealing import Sealer

ORPHANED: Final = ABANDONED_AFTER_DAYS * 86_400.0
"""Seconds after which an upload that nobody lists is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantReconciled:
    """What was found of one tenant: its objects, the uploads in parts that no list is about, how many were given up."""

    ledger: Reconciled
    orphans: tuple[Unfinished, ...]
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciling:
    """What a comparison needs; `operator` lists the bucket, `completer` looks at objects and gives uploads up.

    `kept` are tenants that are not in the store. `clock` gives seconds since the epoch.
    """

    upstream: Upstream
    endpoint: Endpoint
    operator: Signer
    completer: Signer
    opened: OpenStores
    sealer: Sealer
    journal: Journal
    clock: Callable[[], float]
    kept: Sequence[str] = ()
    dry_run: bool = False

    @property
    def listing(self) -> Listing:
        """The bucket, listed."""
        calls = S3Calls(upstream=self.upstream, endpoint=self.endpoint, signer=self.operator, clock=self.clock)
        return Listing(calls)

    async def tenants(self) -> list[str]:
        """Every tenant that there is, and every prefix in the bucket that could be one's."""
        prefixes = await self.listing.prefixes()
        names = {*self.kept, *(name for name in prefixes if not isinstance(tenant_id(name), Fault))}
        policies, cursor = self.opened.stores.policies, None
        while True:
            after = cursor
            page = await self.opened.beside(lambda: policies.list(limit=100, cursor=after))  # noqa: B023
            names.update(version.tenant for version in page.items)
            cursor = page.cursor
            if cursor is None:
                return sorted(names)

    async def tenant(self, tenant: str) -> TenantReconciled:
        """Compare one tenant; raises OSError where S3 or the store does not answer."""
        stores, aside = self.opened.stores, self.opened.beside
        bucket = _Bucket(
            self.listing,
            Objects(upstream=self.upstream, endpoint=self.endpoint, signer=self.completer, clock=self.clock),
        )
        reconciler = Reconciler(bucket=bucket, inventory=stores.ledger, aside=aside, dry_run=self.dry_run)
        ledger = await reconciler.tenant(tenant)
        register = Register(uploads=stores.uploads, ledger=stores.ledger, aside=aside, clock=self.clock)
        unfinished = await self.listing.unfinished(f"{tenant}/")  # before the list, which has a row for each by then
        found = await orphans(tenant, unfinished, register, self.sealer)
        given_up = 0 if self.dry_run else await self._given_up(tenant, found)
        return TenantReconciled(ledger=ledger, orphans=found, given_up=given_up)

    async def _given_up(self, tenant: str, found: Sequence[Unfinished]) -> int:
        multipart = Multipart(upstream=self.upstream, endpoint=self.endpoint, signer=self.completer, clock=self.clock)
        old = [upload for upload in found if self.clock() - upload.began > ORPHANED]
        for upload in old:
            await multipart.abort(upload.key, upload.upload_id)
            self.journal.found(tenant, EXPIRE, "aborted", About(upload="unlisted", key=upload.key))
        return len(old)


def summary(found: TenantReconciled) -> str:
    """What was found, in a line."""
    ledger = found.ledger
    repaired = sum(each.repaired for each in ledger.differences)
    return (
        f"{ledger.objects} objects of {ledger.bytes} bytes, {len(ledger.differences)} counted otherwise "
        f"({repaired} repaired), {len(found.orphans)} uploads that nobody lists ({found.given_up} given up)"
    )


class _Bucket:
    """S3 as the reconciler asks it."""

    def __init__(self, listing: Listing, objects: Objects) -> None:
        self._listing = listing
        self._objects = objects

    def objects(self, prefix: str) -> AsyncIterator[tuple[Listed, ...]]:
        return self._listing.objects(prefix)

    async def size(self, key: str) -> int | None:
        return await self._objects.size(key)
