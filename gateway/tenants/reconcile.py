"""The ledger compared with S3 and made to agree with it, while uploads go on.

Counters drift: a power failure undoes their last moments, somebody deletes an object by other ways than the gateway.
What is found here differs from what S3 holds *now* only by uploads that are under way, and they are not disturbed:

- a row is changed only if it is still as it was before S3 was asked (`Inventory.repair`, one conditional write). An
  upload that was settled in between changed it, and knew better;
- a repair never moves a row's `seen_at`, so an upload that is settled after it counts, whenever S3 had it. Until then
  its reservation holds its room. So usage is never less than what S3 holds of the gateway's own uploads;
- a listing is as old as its page: of a key that the ledger has another idea of, S3 is asked again (HeadObject).

The order of a listing is not relied on, since not every S3 keeps to that of UTF-8 bytes.
"""

import asyncio
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from gateway.storage.listing import Listed
from gateway.tenants.aside import Aside
from gateway.tenants.ledger import Inventory, StoredObject

AT_ONCE: Final = 16
"""Questions about single objects that S3 is asked at the same time."""

STEP: Final = 100
"""Keys that the ledger is asked about at once."""


class Bucket(Protocol):
    """What is in S3; both raise OSError."""

    def objects(self, prefix: str) -> AsyncIterator[tuple[Listed, ...]]:
        """The objects under a prefix, in pages."""
        ...

    async def size(self, key: str) -> int | None:
        """The bytes of the object now, None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """An object that the ledger counted as `counted` bytes and S3 holds as `held` (None: not at all).

    `repaired` is False where an upload was settled meanwhile, or nothing was to be changed.
    """

    key: str
    counted: int | None
    held: int | None
    repaired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """One tenant: what was listed, and what differed."""

    tenant: str
    objects: int
    bytes: int
    differences: tuple[Difference, ...]


class Reconciler:
    """Compares tenants; `dry_run` says what differs and changes nothing."""

    def __init__(self, *, bucket: Bucket, inventory: Inventory, aside: Aside, dry_run: bool = False) -> None:
        self._bucket = bucket
        self._inventory = inventory
        self._aside = aside
        self._dry_run = dry_run

    async def tenant(self, tenant: str) -> Reconciled:
        """Make the ledger of the tenant say what S3 holds; raises OSError where S3 or the store does not answer."""
        found: list[Difference] = []
        digests = array("Q")
        held = 0
        async for page in self._bucket.objects(f"{tenant}/"):
            digests.extend(_digest(each.key) for each in page)
            held += sum(each.size for each in page)
            for start in range(0, len(page), STEP):
                found += await self._listed(tenant, page[start : start + STEP])
        found += await self._unlisted(tenant, array("Q", sorted(digests)))
        return Reconciled(tenant=tenant, objects=len(digests), bytes=held, differences=tuple(found))

    async def _listed(self, tenant: str, listed: Sequence[Listed]) -> list[Difference]:
        """What the ledger knows otherwise of objects that S3 listed.

        Where it has no row now, that the listing is older does no harm: an upload settled since then would have one.
        """
        rows = await self._aside(lambda: self._inventory.seen(tenant, [each.key for each in listed]))
        differing = [row for each in listed if (row := rows.get(each.key)) is not None and row.bytes != each.size]
        new = [(each.key, each.size, None) for each in listed if each.key not in rows]
        return [*await self._repaired(tenant, new), *await self._looked(tenant, differing)]

    async def _unlisted(self, tenant: str, digests: "array[int]") -> list[Difference]:
        """What the ledger has and S3 did not list."""
        found: list[Difference] = []
        cursor: str | None = None
        while True:
            after = cursor
            page = await self._aside(lambda: self._inventory.objects(tenant, limit=STEP, cursor=after))  # noqa: B023
            found += await self._looked(tenant, [row for row in page.items if not _among(digests, row.key)])
            cursor = page.cursor
            if cursor is None:
                return found

    async def _looked(self, tenant: str, rows: Sequence[StoredObject]) -> list[Difference]:
        """Ask S3 about each of the rows, and repair what differs still."""
        found: list[Difference] = []
        left = iter(rows)
        while step := list(islice(left, AT_ONCE)):
            sizes = await asyncio.gather(*(self._bucket.size(row.key) for row in step))
            wrong = [(row.key, size, row) for row, size in zip(step, sizes, strict=True) if size != row.bytes]
            found += await self._repaired(tenant, wrong)
        return found

    async def _repaired(
        self, tenant: str, wrong: Sequence[tuple[str, int | None, StoredObject | None]]
    ) -> list[Difference]:
        def repair() -> list[Difference]:
            return [
                Difference(
                    key,
                    None if row is None else row.bytes,
                    held,
                    repaired=not self._dry_run and self._inventory.repair(tenant, key, held, row),
                )
                for key, held, row in wrong
            ]

        return await self._aside(repair) if wrong else []


def _digest(key: str) -> int:
    """Eight bytes a key, so that ten million of them fit into 80 MB; of two alike the second is looked at next time."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _among(digests: "array[int]", key: str) -> bool:
    digest = _digest(key)
    at = bisect_left(digests, digest)
    return at < len(digests) and digests[at] == digest
