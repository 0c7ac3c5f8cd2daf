"""What policy, quota, rate and audit cost of one admitted upload: the same 16 KiB PUT with one more of them each time.

    .venv/bin/python benchmarks/admission.py [--rounds 5] [--seconds 3] [--lanes 8] [--tenants 10 100000]
        [--no-dynamodb] [--json FILE]

It starts the demo for its S3 and its issuer, and beside it five gateways a store, each a process over the same store:
`nothing` has the policy in memory and takes no room, each next one does one thing more, the last one is the gateway as
it is delivered. The stores are SQLite with so many tenants, and DynamoDB Local. In each round every gateway has its
turn; told are medians over the rounds of the processor time of the gateway's process for one request, and of the
latency, and how much of the whole request each thing is. DynamoDB Local shares the machine: its latency says nothing
about AWS. DynamoDB needs `npm ci` in tests/stores and a JDK.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks._harness import Demo, cpu_seconds, demo, machine, scratch
from benchmarks._load import burst
from gateway.allowance import NO_ROOM_NEEDED, Allowance, Room
from gateway.journal import Journal
from gateway.local.examined import demo_deployment
from gateway.policy.model import Policy
from gateway.server import wiring
from gateway.server.composition import Parts
from gateway.server.http1 import Server, new_event_loop
from gateway.server.opened import OpenStoresFor, dynamodb_opened, sqlite_opened
from gateway.tenants.policies import Change
from gateway.tenants.sqlite import Database
from gateway.tenants.stores import Stores, sqlite_stores
from tests.stores import local_dynamodb
from tests.stores.places import DynamoPlace

SIZE = 16_384
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
STEPS = ("nothing", "policy", "quota", "rate", "audit")
TABLE = "benchmark"
SPREAD = 8
"""Tenants that the requests are of."""


def document(tenant: str) -> dict[str, Any]:
    """A tenant with a quota; every second one has a rate, too."""
    paced = int(tenant.rpartition("-")[2]) % 2
    rate = {"per_second": 1_000_000, "burst": 1_000_000, "per": "tenant"} if paced else None
    quota = {"bytes": 2**60, "objects": 2**40}
    return {"version": 1, "tenant": tenant, "types": {"*/*": []}, "overwrite": True, "quota": quota, "rate": rate}


# One gateway, in a process of its own.


class _InMemory:
    """The policies of the store, looked up before."""

    def __init__(self, source: Any, names: Sequence[str]) -> None:
        self._source = source
        self._policies: dict[str, Policy] = {name: source.get(name) for name in names}

    def get(self, tenant: str) -> Policy | None:
        return self._policies.get(tenant)

    def issuers(self, issuer: str) -> Any:
        return self._source.issuers(issuer)


class _Free:
    """Room for everybody."""

    async def take(self, *_: Any, **__: Any) -> Room:
        return NO_ROOM_NEEDED

    def take_sync(self, *_: Any) -> Room:
        return NO_ROOM_NEEDED


def reduced(parts: Parts, step: str, names: Sequence[str]) -> Parts:
    """The gateway without what comes behind the step."""
    at = STEPS.index(step)
    if at < STEPS.index("audit"):
        parts = replace(parts, journal=Journal(clock=time.time))
    if at < STEPS.index("quota"):
        free: Any = _Free()
        allowance: Allowance = free
        parts = replace(parts, allowance=allowance)
    return replace(parts, policies=_InMemory(parts.policies, names)) if at < STEPS.index("policy") else parts


def opening(store: str) -> OpenStoresFor:
    """The stores that `store` names: a file, or the endpoint of DynamoDB."""
    if store.startswith("http"):
        return lambda: dynamodb_opened(table=TABLE, region="eu-central-1", endpoint=store)
    return lambda: sqlite_opened(Path(store))


async def serve(data: Path, store: str, step: str, names: Sequence[str]) -> None:
    """Serve until told to stop; the port is printed."""
    compose = vars(wiring)["compose"]

    def less(parts: Parts) -> Any:
        return compose(reduced(parts, step, names))

    vars(wiring)["compose"] = less
    deployment = replace(demo_deployment(data), stores=opening(store), folder=None)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with wiring.wired(deployment) as application:
        server = Server(application)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await server.start(sock=listener)
            print(server.port, flush=True)
            await stop.wait()
            await server.stop()


# The comparison.


@dataclass(frozen=True)
class Column:
    """A store: its name in the table, how a gateway is told of it, and the tenants that requests are of."""

    name: str
    store: str
    plain: list[str]
    paced: list[str]


@dataclass(frozen=True)
class Running:
    """A gateway that answers, and the requests that it gets."""

    pid: int
    port: int
    requests: list[bytes]


def chosen(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tenants without and with a rate, from all over the store."""
    picked = [names[number * 7919 % len(names)] for number in range(SPREAD * 4)]
    even = [name for name in dict.fromkeys(picked) if int(name.rpartition("-")[2]) % 2 == 0]
    odd = [name for name in dict.fromkeys(picked) if int(name.rpartition("-")[2]) % 2]
    return even[:SPREAD], odd[:SPREAD]


def fill(stores: Stores, names: Sequence[str]) -> None:
    for name in names:
        stores.policies.create(name, document(name), Change(at=0.0, by="benchmark"))


def sqlite_column(place: Path, tenants: int) -> Column:
    path, names = place / f"{tenants}.sqlite", [f"tenant-{number}" for number in range(tenants)]
    database = Database(path)
    stores = sqlite_stores(database)
    for start in range(0, tenants, 5_000):
        with database.writing():
            fill(stores, names[start : start + 5_000])
            for name in names[start : start + 5_000]:
                stores.ledger.correct(name, f"{name}/seed", 1, 0.0)
    database.close()
    return Column(f"SQLite, {tenants} tenants", str(path), *chosen(names))


def dynamodb_column(endpoint: str, tenants: int) -> Column:
    place, names = DynamoPlace(endpoint, TABLE), [f"tenant-{number}" for number in range(tenants)]
    place.table().create()
    fill(place.open(), names)
    return Column(f"DynamoDB Local, {tenants} tenants", endpoint, *chosen(names))


@contextmanager
def gateway(column: Column, step: str, running: Demo, data: Path, tokens: Callable[[str], str]) -> Iterator[Running]:
    tenants = column.plain if STEPS.index(step) < STEPS.index("rate") else column.paced
    command = [sys.executable, __file__, "--serve", str(data), column.store, step, *tenants]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            requests = []
            for number in range(64):
                tenant = tenants[number % len(tenants)]
                made = replace(running, port=port, token=tokens(tenant))
                head = made.gateway_head("/proxy", f"{step}-{number}.png", SIZE, "image/png")
                requests.append(head + PNG + os.urandom(SIZE - len(PNG)))
            yield Running(process.pid, port, requests)
        finally:
            process.send_signal(signal.SIGTERM)


def turn(target: Running, *, lanes: int, seconds: float) -> tuple[float, float]:
    """Microseconds a request: this process's processor time, and the median latency."""
    before = cpu_seconds(target.pid)
    load = burst(target.port, target.requests, lanes=lanes, seconds=seconds)
    used = cpu_seconds(target.pid) - before
    return used / load.count * 1e6, load.percentile(50) * 1e6


def told(name: str, found: dict[str, tuple[float, float]]) -> None:
    whole = found[STEPS[-1]]
    print(f"\n{name}: microseconds a request, and each thing's share of the whole")
    print(f"  {'':10} {'processor':>10} {'share':>7} {'latency':>10} {'share':>7}")
    last = (0.0, 0.0)
    for step in STEPS:
        parts = [found[step][at] - last[at] for at in (0, 1)]
        shares = [part / total for part, total in zip(parts, whole, strict=True)]
        label = "the rest" if step == "nothing" else step
        print(f"  {label:10} {parts[0]:10.0f} {shares[0]:7.1%} {parts[1]:10.0f} {shares[1]:7.1%}")
        last = found[step]
    print(f"  {'together':10} {whole[0]:10.0f} {'':7} {whole[1]:10.0f}")


def main(options: argparse.Namespace) -> None:
    print(machine())
    with ExitStack() as stack:
        place = stack.enter_context(scratch())
        running = stack.enter_context(demo(place))
        data, tokens = place / "data", {}

        def token(tenant: str) -> str:
            command = [str(Path(sys.executable).with_name("upload-gateway")), "token", "--data", str(data)]
            if tenant not in tokens:
                done = subprocess.run([*command, "--tenant", tenant], capture_output=True, text=True, check=True)
                tokens[tenant] = done.stdout.strip()
            return tokens[tenant]

        columns = [sqlite_column(place, tenants) for tenants in options.tenants]
        why = "Without DynamoDB." if options.no_dynamodb else local_dynamodb.why_not()
        if why:
            print(why)
        else:
            columns.append(dynamodb_column(stack.enter_context(local_dynamodb.serving()), 10))
        targets = {
            (column.name, step): stack.enter_context(gateway(column, step, running, data, token))
            for column in columns
            for step in STEPS
        }
        turns: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in targets}
        for number in range(options.rounds):
            order = list(targets) if number % 2 == 0 else list(reversed(targets))
            for key in order:
                turns[key].append(turn(targets[key], lanes=options.lanes, seconds=options.seconds))
        found: dict[str, dict[str, tuple[float, float]]] = {}
        for (name, step), rounds in turns.items():
            medians = statistics.median(each[0] for each in rounds), statistics.median(each[1] for each in rounds)
            found.setdefault(name, {})[step] = medians
        for name, rows in found.items():
            told(name, rows)
        if options.json:
            options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        place_, store_, step_, *names_ = sys.argv[2:]
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve(Path(place_), store_, step_, names_))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--seconds", type=float, default=3.0)
        parser.add_argument("--lanes", type=int, default=8)
        parser.add_argument("--tenants", type=int, nargs="+", default=[10, 100_000])
        parser.add_argument("--no-dynamodb", action="store_true")
        parser.add_argument("--json", type=Path)
        main(parser.parse_args())
