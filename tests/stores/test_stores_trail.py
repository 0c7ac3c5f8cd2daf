"""The trail: records in batches beside the hot path, a chain that stays whole, and a gate while it can't be kept."""

import asyncio
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.tenants.aside import Aside, Threads
from gateway.tenants.audit import MAIN, AuditRecord, Broken, Head, verify
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.sqlite import Database, GroupCommit
from gateway.tenants.stores import Stores, sqlite_stores
from gateway.tenants.trail import AuditTrail, TrailRules, WhenFull
from tests.stores.places import Place, SqlitePlace

Result = TypeVar("Result")

NOW = 1_800_000_000.0


def record(number: int) -> AuditRecord:
    return AuditRecord(at=NOW, request_id=f"r{number}", action="upload", outcome="granted", bytes=number)


async def at_once(call: Callable[[], Result]) -> Result:
    """An `Aside` that waits for nobody."""
    return call()


async def until(holds: Callable[[], bool]) -> None:
    """Let the writer go on until this holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - it is the writer's own task that is waited for
            await asyncio.sleep(0.001)


class Unsteady:
    """A log that answers when the test says so."""

    def __init__(self, stores: Stores) -> None:
        self._log = stores.audit
        self.answers = True
        self.lines, self.chains, self.head = stores.audit.lines, stores.audit.chains, stores.audit.head

    def append(self, records: Sequence[AuditRecord], *, chain: str = MAIN) -> Head:
        if not self.answers:
            raise StoreUnavailableError("the test says so")
        return self._log.append(records, chain=chain)


def trail(log: Unsteady, when_full: WhenFull = WhenFull.REFUSE, most: int = 3, aside: Aside = at_once) -> AuditTrail:
    rules = TrailRules(when_full=when_full, most=most, linger=0, pause=0, summary=3600)
    return AuditTrail(log, aside, clock=lambda: NOW, rules=rules)


def members(stores: Stores, chain: str = MAIN) -> list[dict[str, object]]:
    lines = list(stores.audit.lines(chain=chain))
    assert isinstance(verify(lines), Head)
    return [json.loads(line) for line in lines]


def said(stores: Stores, *names: str) -> list[tuple[object, ...]]:
    return [tuple(line.get(name) for name in names) for line in members(stores)]


def test_what_was_added_is_written_in_its_order(stores: Stores) -> None:
    """More than one batch of it, and what came last when the trail is left."""

    async def go() -> None:
        async with AuditTrail(stores.audit, at_once, clock=lambda: NOW) as writing:
            for number in range(120):
                writing.add(record(number))
        assert writing.state().written == 120
        assert not writing.ready()

    asyncio.run(go())
    assert said(stores, "bytes") == [(number,) for number in range(120)]


def test_it_is_written_without_anybody_asking(stores: Stores) -> None:
    """Also what another thread adds."""

    async def go() -> None:
        async with AuditTrail(stores.audit, at_once, clock=lambda: NOW, rules=TrailRules(linger=0)) as writing:
            await asyncio.to_thread(writing.add, record(1))
            await until(lambda: writing.state().written == 1)

    asyncio.run(go())


def test_a_store_that_is_down_closes_the_gate_until_it_answers(stores: Stores) -> None:
    """By default nothing is decided that can't be written down; what was under way is kept meanwhile."""
    log = Unsteady(stores)

    async def go() -> list[bool]:
        writing = trail(log)
        gate = [writing.ready()]
        async with writing:
            gate.append(writing.ready())
            log.answers = False
            writing.add(record(1))
            assert not await writing.flush()
            writing.add(record(2))
            gate.append(writing.ready())
            log.answers = True
            assert await writing.flush()
            gate.append(writing.ready())
        return gate

    assert asyncio.run(go()) == [False, True, False, True]
    assert said(stores, "request_id") == [("r1",), ("r2",)]


def test_a_trail_that_starts_before_its_store_opens_the_gate_by_itself(stores: Stores) -> None:
    """Though nothing is written while nothing may be decided."""
    log = Unsteady(stores)
    log.answers = False

    async def go() -> None:
        async with trail(log) as writing:
            assert not writing.ready()
            log.answers = True
            await until(writing.ready)

    asyncio.run(go())


def test_a_full_buffer_closes_the_gate(stores: Stores) -> None:
    """What had passed it before is kept all the same, up to as much again."""
    log = Unsteady(stores)

    async def go() -> tuple[bool, int]:
        async with trail(log, most=3) as writing:
            for number in range(7):
                writing.add(record(number))
            return writing.ready(), writing.state().lost

    assert asyncio.run(go()) == (False, 1)


def test_where_the_operator_says_so_records_are_lost_and_the_chain_says_how_many(stores: Stores) -> None:
    """The gate stays open; the first line behind the gap counts it."""
    log = Unsteady(stores)

    async def go() -> bool:
        async with trail(log, WhenFull.DROP, most=2) as writing:
            log.answers = False
            for number in range(5):
                writing.add(record(number))
            assert not await writing.flush()
            ready = writing.ready()
            log.answers = True
            return ready

    assert asyncio.run(go())
    assert said(stores, "action", "outcome", "count", "bytes") == [
        ("audit", "lost", 3, None),
        ("upload", "granted", None, 0),
        ("upload", "granted", None, 1),
    ]


def test_strangers_are_counted_by_what_refused_them(stores: Stores) -> None:
    """One line a code, however many there were."""

    async def go() -> None:
        async with AuditTrail(stores.audit, at_once, clock=lambda: NOW) as writing:
            for code in ("token-missing", "token-invalid", "token-invalid"):
                writing.count(code)

    asyncio.run(go())
    assert said(stores, "action", "outcome", "rule", "count") == [
        ("call", "refused", "token-invalid", 2),
        ("call", "refused", "token-missing", 1),
    ]


def test_a_chain_of_an_instance_begins_and_ends_in_the_main_one(stores: Stores) -> None:
    """So that it can't disappear as a whole, nor lose its end."""

    async def go() -> None:
        async with AuditTrail(stores.audit, at_once, clock=lambda: NOW, chain="instance-1") as writing:
            writing.add(record(1))

    asyncio.run(go())
    (line,) = members(stores, "instance-1")
    assert said(stores, "action", "key", "reason") == [
        ("audit.begin", "instance-1", None),
        ("audit.end", "instance-1", f"1:{line['hash']}"),
    ]


def _write_until_killed(path: str, number: int, ready: "multiprocessing.Queue[int]") -> None:
    """A worker process that adds records as fast as they are taken."""
    database = Database(Path(path))
    aside = GroupCommit(database)

    async def go() -> None:
        async with AuditTrail(sqlite_stores(database).audit, aside, clock=lambda: NOW) as writing:
            ready.put(os.getpid())
            count = 0
            for turn in range(10_000_000):
                if writing.ready():
                    writing.add(record(number * 1_000_000_000 + count))
                    count += 1
                if turn % 20 == 0:
                    await asyncio.sleep(0.0005)

    asyncio.run(go())


def test_killed_writers_leave_one_whole_chain(tmp_path: Path) -> None:
    """Four processes on one chain, each killed while it writes; what each wrote is there without a gap."""
    place = SqlitePlace(str(tmp_path / "stores.db"))
    stores = place.open()
    context = multiprocessing.get_context("spawn")
    ready: multiprocessing.Queue[int] = context.Queue()
    workers = [context.Process(target=_write_until_killed, args=(place.path, n, ready)) for n in range(4)]
    for worker in workers:
        worker.start()
    pids = [ready.get(timeout=60) for _ in workers]
    for pid in pids:
        before = stores.audit.head().seq
        while stores.audit.head().seq < before + 200:
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
    for worker in workers:
        worker.join(30)

    lines = members(stores)
    for number in range(4):
        mine = [line["bytes"] % 1_000_000_000 for line in lines if line["bytes"] // 1_000_000_000 == number]  # type: ignore[operator]
        assert mine == list(range(len(mine)))
    assert len(lines) >= 800


def test_instances_write_to_chains_of_their_own_at_once(place: Place) -> None:
    """On every store, from threads of their own."""

    async def instance(name: str) -> None:
        aside = Threads(1)
        async with AuditTrail(place.open().audit, aside, clock=lambda: NOW, chain=name) as writing:
            for number in range(60):
                writing.add(record(number))
        aside.close()

    async def go() -> None:
        await asyncio.gather(*(instance(f"i{number}") for number in range(4)))

    asyncio.run(go())
    audit = place.open().audit
    assert audit.chains() == ("i0", "i1", "i2", "i3", MAIN)
    found = [verify(audit.lines(chain=chain)) for chain in audit.chains()]
    assert not any(isinstance(each, Broken) for each in found)
    assert [each.seq for each in found if isinstance(each, Head)] == [60, 60, 60, 60, 8]


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_a_record_that_can_t_be_written_does_not_end_the_writer(stores: Stores, when_full: WhenFull) -> None:
    """Nobody but the writer would open the gate again."""
    log = Unsteady(stores)

    class Wrong(Exception):  # noqa: N818
        pass

    async def fails(call: Callable[[], Result]) -> Result:
        if not log.answers:
            raise Wrong
        return call()

    async def go() -> None:
        async with trail(log, when_full, aside=fails) as writing:
            log.answers = False
            writing.add(record(1))
            assert not await writing.flush()
            log.answers = True

    asyncio.run(go())
    assert said(stores, "request_id") == [("r1",)]
