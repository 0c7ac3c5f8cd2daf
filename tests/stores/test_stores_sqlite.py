"""What is SQLite's alone: the file, its migrations, transactions in transactions, the group commit."""

import asyncio
import contextlib
import multiprocessing
import os
import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest

from gateway.policy.model import QuotaRule, RateRule
from gateway.tenants.audit import AuditRecord
from gateway.tenants.errors import StoreUnavailableError, StoreVersionError
from gateway.tenants.ledger import Reservation, Reserved, Usage
from gateway.tenants.sqlite import Database, GroupCommit, SqliteApiKeys, SqliteAuditLog, SqliteLedger, SqliteRateBuckets
from gateway.tenants.sqlite.group_commit import CHECKPOINT, LONG_LOG, LONGEST_REST, MOST_AT_ONCE, REST, STOPPED
from gateway.tenants.sqlite.schema import MIGRATIONS

NO_LIMIT = QuotaRule()


def _reservation(number: int, tenant: str = "acme") -> Reservation:
    return Reservation(id=f"r{number}", tenant=tenant, key=f"{tenant}/{number}", bytes=1, expires_at=1.0)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A file that was just made."""
    return Database(tmp_path / "stores.db")


def test_a_new_file_has_the_whole_schema(tmp_path: Path, database: Database) -> None:
    """In write-ahead mode, and opening it again changes nothing."""
    Database(tmp_path / "stores.db").close()
    assert database.row("PRAGMA user_version") == (len(MIGRATIONS),)
    assert database.row("PRAGMA journal_mode") == ("wal",)


def test_every_table_is_strict(database: Database) -> None:
    """A value of another type is refused by the file itself."""
    rows = database.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    assert [name for name, sql in rows if "STRICT" not in sql] == []


def test_a_file_of_a_newer_version_is_not_opened(tmp_path: Path) -> None:
    """And is left as it is."""
    connection = sqlite3.connect(tmp_path / "stores.db")
    connection.execute("PRAGMA user_version=999")
    connection.close()
    with pytest.raises(StoreVersionError):
        Database(tmp_path / "stores.db")


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 100])
def test_a_file_that_is_no_database_is_said_to_be(tmp_path: Path, content: bytes) -> None:
    """In our words, which name no path."""
    path = tmp_path / "stores.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailableError, match="SQLITE_NOTADB") as raised:
        Database(path, busy_timeout=0)
    assert str(tmp_path) not in str(raised.value)


def test_a_writer_that_waits_too_long_is_told(tmp_path: Path, database: Database) -> None:
    """And its verb changed nothing."""
    impatient = SqliteLedger(Database(tmp_path / "stores.db", busy_timeout=0))
    with database.writing(), pytest.raises(StoreUnavailableError):
        impatient.reserve(_reservation(1), NO_LIMIT)
    assert impatient.usage("acme") == Usage()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path, database: Database) -> None:
    """They see the state before it."""
    reader = SqliteLedger(Database(tmp_path / "stores.db", busy_timeout=0))
    with database.writing():
        SqliteLedger(database).reserve(_reservation(1), NO_LIMIT)
        assert reader.usage("acme") == Usage()
    assert reader.usage("acme") == Usage(reserved_bytes=1, reserved_objects=1)


def _reserve_and_raise(database: Database, ledger: SqliteLedger) -> None:
    with database.writing():
        ledger.reserve(_reservation(2), NO_LIMIT)
        raise ZeroDivisionError


def test_a_part_that_raises_is_undone_alone(database: Database) -> None:
    """What is around it goes on."""
    ledger = SqliteLedger(database)
    with database.writing():
        ledger.reserve(_reservation(1), NO_LIMIT)
        with pytest.raises(ZeroDivisionError):
            _reserve_and_raise(database, ledger)
        ledger.reserve(_reservation(3), NO_LIMIT)
    assert [each.id for each in ledger.due(2.0, limit=9)] == ["r1", "r3"]


def test_the_audit_can_be_appended_to_only(database: Database) -> None:
    """By anyone who uses the file without dropping its triggers."""
    SqliteAuditLog(database).append([AuditRecord(at=1.0, request_id="r", action="a", outcome="o")])
    for sql in ("DELETE FROM audit", "UPDATE audit SET line = ''"):
        with pytest.raises(StoreUnavailableError), database.writing() as connection:
            connection.execute(sql)
    assert len(list(SqliteAuditLog(database).lines())) == 1


def test_full_buckets_are_tidied_away(database: Database) -> None:
    """Those that were full for an hour."""
    rates, rule = SqliteRateBuckets(database), RateRule(per_second=1, burst=1)
    for number, now in enumerate((1_000.0, 9_000.0)):
        rates.take(str(number), rule, now)
    assert [rates.tidy(9_001.0), rates.tidy(9_001.0)] == [1, 0]


def test_calls_that_wait_together_are_committed_together(database: Database) -> None:
    """Each gets its own answer or error, and several verbs of one call are one step."""
    ledger = SqliteLedger(database)
    aside = GroupCommit(database)

    def both_or_none(number: int) -> None:
        ledger.reserve(_reservation(number), NO_LIMIT)
        raise ZeroDivisionError

    async def run() -> list[object]:
        good = [aside(lambda n=n: ledger.reserve(_reservation(n), NO_LIMIT)) for n in range(20)]  # type: ignore[misc]
        bad = aside(lambda: both_or_none(99))
        return list(await asyncio.gather(*good[:10], bad, *good[10:], return_exceptions=True))

    answers = asyncio.run(run())
    aside.close()
    assert [type(answer) for answer in answers] == [Reserved] * 10 + [ZeroDivisionError] + [Reserved] * 10
    assert ledger.usage("acme") == Usage(reserved_bytes=20, reserved_objects=20)


def test_who_gives_up_stops_nobody(database: Database) -> None:
    """A call whose caller was cancelled is answered into the void."""
    ledger = SqliteLedger(database)
    aside = GroupCommit(database)

    async def run() -> object:
        first = asyncio.ensure_future(aside(lambda: ledger.reserve(_reservation(1), NO_LIMIT)))
        await asyncio.sleep(0)
        first.cancel()
        return await aside(lambda: ledger.reserve(_reservation(2), NO_LIMIT))

    assert isinstance(asyncio.run(run()), Reserved)
    aside.close()


def test_a_writer_that_was_closed_says_so(database: Database) -> None:
    """Nobody waits for ever."""
    aside = GroupCommit(database)
    aside.close()
    with pytest.raises(StoreUnavailableError):
        asyncio.run(aside(lambda: None))


def test_a_batch_that_cannot_be_committed_is_no_ones_success(tmp_path: Path) -> None:
    """Everybody is told that the store does not answer."""
    database = Database(tmp_path / "stores.db", busy_timeout=0)
    other = Database(tmp_path / "stores.db")
    ledger, aside = SqliteLedger(database), GroupCommit(database)

    async def run() -> list[object]:
        calls = [aside(lambda n=n: ledger.reserve(_reservation(n), NO_LIMIT)) for n in range(3)]  # type: ignore[misc]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    with other.writing():
        answers = asyncio.run(run())
    aside.close()
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 3
    assert ledger.usage("acme") == Usage()


def test_a_call_runs_again_where_another_one_raised(database: Database) -> None:
    """All of the first try is undone, so each counts once."""
    ledger, rates = SqliteLedger(database), SqliteRateBuckets(database)
    aside, rule = GroupCommit(database), RateRule(per_second=1, burst=10)
    ran: list[int] = []

    def counted(number: int) -> None:
        ran.append(number)
        rates.take("b", rule, 5.0)
        ledger.reserve(_reservation(number), NO_LIMIT)
        if number == 1:
            raise ZeroDivisionError

    async def run() -> list[object]:
        calls = [aside(lambda n=n: counted(n)) for n in range(3)]  # type: ignore[misc]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    assert [type(answer) for answer in asyncio.run(run())] == [type(None), ZeroDivisionError, type(None)]
    aside.close()
    assert ran[:2] == [0, 1]
    assert sorted(ran[-3:]) == [0, 1, 2]
    assert rates.level("b", rule, 5.0).left == 8
    assert ledger.usage("acme") == Usage(reserved_bytes=2, reserved_objects=2)


def test_the_loop_goes_on_while_another_connection_writes(tmp_path: Path, database: Database) -> None:
    """Its calls are answered when that has ended, with those that came meanwhile."""
    ledger, aside = SqliteLedger(database), GroupCommit(database)
    other = Database(tmp_path / "stores.db")
    turns: list[int] = []

    async def run() -> list[object]:
        verbs = [partial(ledger.reserve, _reservation(n), NO_LIMIT) for n in (1, 2)]
        with other.writing():
            calls = [asyncio.ensure_future(aside(verb)) for verb in verbs]
            for turn in range(50):
                await asyncio.sleep(0.001)
                turns.append(turn)
            assert not any(call.done() for call in calls)
        return list(await asyncio.gather(*calls, aside(lambda: ledger.reserve(_reservation(3), NO_LIMIT))))

    answers = asyncio.run(run())
    aside.close()
    assert len(turns) == 50
    assert [type(answer) for answer in answers] == [Reserved] * 3
    assert ledger.usage("acme").reserved_objects == 3


def test_calls_are_run_on_the_loops_thread_until_one_stopped_it(database: Database) -> None:
    """Then the writer's thread has them for a while."""
    now = [0.0]
    aside = GroupCommit(database, clock=lambda: now[0])

    def where(*, seconds: float = 0.0) -> bool:
        now[0] += seconds
        return threading.current_thread() is threading.main_thread()

    async def run() -> list[bool]:
        now[0] = LONGEST_REST
        quick, slow = await aside(where), await aside(lambda: where(seconds=STOPPED * 2))
        resting = [await aside(where) for _ in range(3)]
        now[0] += REST
        again = await aside(lambda: where(seconds=STOPPED * 2))
        now[0] += REST
        longer = await aside(where)
        now[0] += REST
        return [quick, slow, *resting, again, longer, await aside(where)]

    assert asyncio.run(run()) == [True, True, False, False, False, True, False, True]
    aside.close()


def test_a_failure_in_a_transaction_of_many_calls_leaves_nothing(database: Database) -> None:
    """Also where the call itself caught it."""
    ledger, aside = SqliteLedger(database), GroupCommit(database)

    def careless() -> str:
        ledger.reserve(_reservation(1), NO_LIMIT)
        with contextlib.suppress(ZeroDivisionError):
            _reserve_and_raise(database, ledger)
        return "done"

    assert asyncio.run(aside(careless)) == "done"
    aside.close()
    assert [each.id for each in ledger.due(2.0, limit=9)] == ["r1"]


def test_a_row_that_was_changed_is_read_as_changed(database: Database) -> None:
    """By this transaction's own reads and statements, and by parts of it that are undone."""
    ledger, rates, rule = SqliteLedger(database), SqliteRateBuckets(database), RateRule(per_second=1, burst=3)
    with database.writing():
        ledger.reserve(_reservation(1), NO_LIMIT)
        assert ledger.usage("acme").reserved_objects == 1
        with pytest.raises(ZeroDivisionError):
            _reserve_and_raise(database, ledger)
        ledger.reserve(_reservation(3), NO_LIMIT)
        rates.take("b", rule, 9_000.0)
        rates.take("old", rule, 1_000.0)
        assert rates.tidy(9_001.0) == 1
        rates.take("b", rule, 9_000.0)
    assert ledger.usage("acme").reserved_objects == 2
    assert [rates.level(name, rule, 9_000.0).left for name in ("b", "old")] == [1, 3]


def test_the_log_is_brought_into_the_file_beside_the_loop(tmp_path: Path, database: Database) -> None:
    """However long the loop goes on writing, the log keeps to a few times what a checkpoint brings in."""
    ledger, aside = SqliteLedger(database), GroupCommit(database)

    async def run() -> None:
        for start in range(0, CHECKPOINT * 12, MOST_AT_ONCE):
            step = range(start, start + MOST_AT_ONCE)
            await asyncio.gather(*(aside(lambda n=n: ledger.reserve(_reservation(n), NO_LIMIT)) for n in step))  # type: ignore[misc]

    asyncio.run(run())
    aside.close()
    pages = (tmp_path / "stores.db-wal").stat().st_size // 4096
    assert pages < CHECKPOINT * (LONG_LOG + 4)
    assert (tmp_path / "stores.db").stat().st_size > 1 << 18


def _open(path: str) -> None:
    Database(Path(path)).close()


def test_workers_that_start_together_make_one_file(tmp_path: Path) -> None:
    """Whoever is first makes the tables; all can open it."""
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_open, args=(str(tmp_path / "stores.db"),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4


def test_a_thread_has_its_own_connection(database: Database) -> None:
    """Its transactions are its own."""
    ledger = SqliteLedger(database)
    seen: list[Usage] = []
    with database.writing():
        ledger.reserve(_reservation(1), NO_LIMIT)
        thread = threading.Thread(target=lambda: seen.append(ledger.usage("acme")))
        thread.start()
        thread.join()
    assert seen == [Usage()]


def test_a_forked_child_does_not_use_its_parents_connection(database: Database) -> None:
    """It opens its own."""
    ledger = SqliteLedger(database)
    ledger.reserve(_reservation(1), NO_LIMIT)
    child = os.fork()
    if child == 0:
        os._exit(0 if isinstance(ledger.reserve(_reservation(2), NO_LIMIT), Reserved) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert ledger.usage("acme") == Usage(reserved_bytes=2, reserved_objects=2)


def test_a_use_that_cannot_be_kept_stops_nobody(tmp_path: Path, database: Database) -> None:
    """The key's last use is lost, the request goes on."""
    keys = SqliteApiKeys(Database(tmp_path / "stores.db", busy_timeout=0))
    with database.writing():
        assert keys.api_key_used("k", 1.0) is None  # type: ignore[func-returns-value]
