"""The reconciler: the ledger says what S3 holds afterwards, whatever uploads do between any two of its steps."""

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.model import QuotaRule
from gateway.storage.listing import Listed
from gateway.tenants.ledger import Reservation, StoredObject, Usage
from gateway.tenants.reconcile import Difference, Reconciled, Reconciler
from gateway.tenants.stores import FullLedger, Stores, open_sqlite

Result = TypeVar("Result")

NOW = 1_800_000_000.0


async def at_once(call: Callable[[], Result]) -> Result:
    """An `Aside` that waits for nobody."""
    return call()


class Bucket:
    """S3 as a dictionary, listed in pages of two, in an order of its own; `between` runs at each question."""

    def __init__(self, held: dict[str, int]) -> None:
        self.held = held
        self.asked: list[str] = []

    async def between(self) -> None:
        """Nothing happens while S3 is asked."""

    async def objects(self, prefix: str) -> AsyncIterator[tuple[Listed, ...]]:
        await self.between()
        keys = sorted((key for key in self.held if key.startswith(prefix)), reverse=True)
        for start in range(0, len(keys), 2):
            page = tuple(Listed(key, self.held[key]) for key in keys[start : start + 2] if key in self.held)
            await self.between()
            yield page

    async def size(self, key: str) -> int | None:
        self.asked.append(key)
        await self.between()
        size = self.held.get(key)
        await self.between()
        return size


def run(stores: Stores, bucket: Bucket, *, dry_run: bool = False, tenant: str = "acme") -> Reconciled:
    reconciler = Reconciler(bucket=bucket, inventory=stores.ledger, aside=at_once, dry_run=dry_run)
    return asyncio.run(reconciler.tenant(tenant))


def counted(ledger: FullLedger, tenant: str = "acme") -> dict[str, int]:
    return {each.key: each.bytes for each in ledger.objects(tenant, limit=100).items}


def test_what_drifted_is_repaired(stores: Stores) -> None:
    """Too much, too little, not at all; other tenants' objects are nobody's business here."""
    for key, size in (("acme/same", 1), ("acme/other", 2), ("acme/gone", 3)):
        stores.ledger.correct("acme", key, size, NOW)
    stores.ledger.correct("globex", "globex/a", 5, NOW)
    bucket = Bucket({"acme/same": 1, "acme/other": 20, "acme/new/\u00e9": 4, "acme-2/a": 9})

    found = run(stores, bucket)

    assert counted(stores.ledger) == {"acme/same": 1, "acme/other": 20, "acme/new/\u00e9": 4}
    assert stores.ledger.usage("acme") == Usage(bytes=25, objects=3)
    assert stores.ledger.usage("globex") == Usage(bytes=5, objects=1)
    assert (found.objects, found.bytes) == (3, 25)
    assert set(found.differences) == {
        Difference("acme/other", 2, 20, repaired=True),
        Difference("acme/gone", 3, None, repaired=True),
        Difference("acme/new/\u00e9", None, 4, repaired=True),
    }
    assert run(stores, bucket).differences == ()
    assert sorted(bucket.asked) == ["acme/gone", "acme/other"]


def test_a_dry_run_changes_nothing(stores: Stores) -> None:
    """It says what differs."""
    stores.ledger.correct("acme", "acme/a", 1, NOW)

    found = run(stores, Bucket({"acme/a": 2, "acme/b": 3}), dry_run=True)

    assert {(each.key, each.repaired) for each in found.differences} == {("acme/a", False), ("acme/b", False)}
    assert counted(stores.ledger) == {"acme/a": 1}


def test_a_row_that_changed_meanwhile_is_left_alone(stores: Stores) -> None:
    """Also one that came, or went, or has the same size again."""
    before = StoredObject(key="acme/a", bytes=1, seen_at=NOW)
    assert not stores.ledger.repair("acme", "acme/a", 2, before)
    stores.ledger.correct("acme", "acme/a", 1, NOW + 1)
    assert not stores.ledger.repair("acme", "acme/a", 2, before)
    assert not stores.ledger.repair("acme", "acme/a", 2, None)
    assert counted(stores.ledger) == {"acme/a": 1}


def test_an_upload_that_is_settled_after_a_repair_counts(stores: Stores) -> None:
    """Though S3 had it before the repair, and by a clock that is behind."""
    stores.ledger.correct("acme", "acme/a", 1, NOW)
    stores.ledger.reserve(Reservation(id="r", tenant="acme", key="acme/a", bytes=9, expires_at=NOW + 900), QuotaRule())
    run(stores, Bucket({"acme/a": 5}))

    stores.ledger.settle("acme", "r", StoredObject(key="acme/a", bytes=9, seen_at=NOW + 1))

    assert stores.ledger.usage("acme") == Usage(bytes=9, objects=1)


def test_more_rows_than_a_page_are_compared(stores: Stores) -> None:
    """The ledger's pages, and the keys asked for at once."""
    for number in range(120):
        stores.ledger.correct("acme", f"acme/{number:03}", 1, NOW)

    found = run(stores, Bucket({f"acme/{number:03}": 1 for number in range(60, 230)}))

    assert len(found.differences) == 60 + 110
    assert stores.ledger.usage("acme") == Usage(bytes=170, objects=170)


class Upload:
    """An upload through the gateway, a step at a time: reserved, stored in S3, settled; or given up."""

    def __init__(self, world: "World", number: int, name: str, size: int) -> None:
        self.world, self.id, self.key, self.size = world, f"u{number}", f"acme/{name}", size
        self.steps = iter((self.reserve, self.store, self.settle))
        self.seen_at = 0.0

    def step(self) -> bool:
        verb = next(self.steps, None)
        if verb is None:
            return False
        self.world.now += 1
        verb()
        return True

    def reserve(self) -> None:
        kept = Reservation(id=self.id, tenant="acme", key=self.key, bytes=self.size, expires_at=NOW + 10_000)
        self.world.ledger.reserve(kept, QuotaRule())

    def store(self) -> None:
        self.world.bucket.held[self.key] = self.size
        self.seen_at = self.world.now

    def settle(self) -> None:
        stored = StoredObject(key=self.key, bytes=self.size, seen_at=self.seen_at)
        self.world.ledger.settle("acme", self.id, stored)


class World:
    """A ledger, an S3, and a clock."""

    def __init__(self, ledger: FullLedger, bucket: "Stepwise") -> None:
        self.ledger, self.bucket, self.now = ledger, bucket, NOW

    def enough(self) -> bool:
        """Whether what is counted and reserved is at least what S3 holds."""
        usage = self.ledger.usage("acme")
        return usage.bytes + usage.reserved_bytes >= sum(self.bucket.held.values())


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Let whoever drives the coroutine do something else."""
    yield


class Stepwise(Bucket):
    """A bucket between whose answers the test goes on."""

    async def between(self) -> None:
        await pause()


async def stepwise(call: Callable[[], Result]) -> Result:
    """An `Aside` around whose calls the test goes on."""
    await pause()
    result = call()
    await pause()
    return result


def finished(work: Coroutine[Any, Any, Any]) -> bool:
    """Take one step of the reconciler."""
    try:
        work.send(None)
    except StopIteration:
        return True
    return False


NAMES = st.sampled_from(["a", "b", "c"])
SIZES = st.integers(1, 9)


class Alone(Reconciler):
    """A reconciler that asks one question at a time, so that a test can drive it without an event loop."""

    async def _looked(self, tenant: str, rows: Sequence[StoredObject]) -> list[Difference]:
        found: list[Difference] = []
        for row in rows:
            size = await self._bucket.size(row.key)
            if size != row.bytes:
                found += await self._repaired(tenant, [(row.key, size, row)])
        return found


@settings(max_examples=60, deadline=None)
@given(
    drift=st.dictionaries(NAMES, SIZES),
    held=st.dictionaries(NAMES, SIZES),
    drifted=st.booleans(),
    uploads=st.lists(st.tuples(NAMES, SIZES), max_size=4),
    order=st.lists(st.integers(0, 4), max_size=60),
)
def test_whatever_is_interleaved_the_ledger_is_right_in_the_end(
    drift: dict[str, int], held: dict[str, int], *, drifted: bool, uploads: list[tuple[str, int]], order: list[int]
) -> None:
    """Equal to S3 when all uploads are settled; and where nothing had drifted, never less than S3 on the way."""
    with TemporaryDirectory() as place:
        stores = open_sqlite(Path(place) / "stores.db")
        world = World(stores.ledger, Stepwise({f"acme/{name}": size for name, size in held.items()}))
        for name, size in (drift if drifted else held).items():
            world.ledger.correct("acme", f"acme/{name}", size, NOW)
        reconciler = Alone(bucket=world.bucket, inventory=stores.ledger, aside=stepwise)
        work = reconciler.tenant("acme")
        going = [Upload(world, number, name, size) for number, (name, size) in enumerate(uploads)]
        over = False
        for choice in order:
            if choice < len(going):
                going[choice].step()
            elif not over:
                over = finished(work)
            assert drifted or world.enough()
        while not over:
            over = finished(work)
            assert drifted or world.enough()
        for upload in going:
            while upload.step():
                assert drifted or world.enough()

        assert counted(world.ledger) == world.bucket.held
        usage = world.ledger.usage("acme")
        assert usage == Usage(bytes=sum(world.bucket.held.values()), objects=len(world.bucket.held))


def test_an_s3_that_does_not_answer_changes_nothing(stores: Stores) -> None:
    """Half a listing is no listing."""
    stores.ledger.correct("acme", "acme/a", 1, NOW)

    class Silent(Bucket):
        async def objects(self, prefix: str) -> AsyncIterator[tuple[Listed, ...]]:
            yield ()
            raise OSError(prefix)

    with pytest.raises(OSError, match="acme/"):
        run(stores, Silent({}))
    assert counted(stores.ledger) == {"acme/a": 1}


def test_tidying_forgets_what_nobody_can_ask_for(tmp_path: Path) -> None:
    """Idempotency keys whose day is over, and the buckets of subjects that are gone."""
    stores = open_sqlite(tmp_path / "stores.db")
    for number in range(20):
        stores.idempotency.claim("s", f"k{number}", digest="d", token="t", now=NOW)

    assert stores.tidy(NOW + 1) == 0
    assert stores.tidy(NOW + 100_000) == 20
