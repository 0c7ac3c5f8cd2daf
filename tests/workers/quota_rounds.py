"""Rounds of SIGKILL on a gateway of four workers whose tenants are at their quota.

    .venv/bin/python -m tests.workers.quota_rounds --rounds 100

Each round has a tenant of its own with room for ten objects, and clients that want four times as many, on all ways in.
At a moment that the seed chooses a worker is killed, or everything (gateway, workers and S3), which is started again on
the same directory and port. Then: S3 never has more than the quota; when the time of all reservations is over, the
ledger is what S3 has, object by object, and nothing is reserved; and exactly the room that is left can still be used.
Ends with status 1 at the first broken promise. Every wait is bounded.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from gateway.local.ports import choose
from tests.workers.running import Gateway, demo, kill_all
from tests.workers.standing import Clients, Standing, storm

WORKERS: Final = 4
MOST: Final = 10
WANTED: Final = 4 * MOST
WAYS: Final = ("proxy", "edge", "presigned", "plan")
SIZES: Final = (0, 700, 30_000, 300_000)
VICTIMS: Final = ("worker", "everything", "worker")
READY_WITHIN: Final = 60.0


class BrokenPromiseError(Exception):
    """More than the quota is stored, or the ledger is not what S3 has."""


@dataclass(slots=True, kw_only=True)
class Rounds:
    """A run over one directory; `killed` counts the victims, `stored` the objects of all rounds."""

    data: Path
    port: int
    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    stored: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def run(self, count: int) -> None:
        """All rounds; raises BrokenPromiseError."""
        chance = random.Random(self.seed)
        with ExitStack() as stack:
            gateway = stack.enter_context(demo(self.data, workers=WORKERS, port=self.port))
            for number in range(count):
                victim = VICTIMS[number] if number < len(VICTIMS) else chance.choice(VICTIMS)
                gateway = self._round(number, victim, chance, gateway, stack)

    def _round(self, number: int, victim: str, chance: random.Random, gateway: Gateway, stack: ExitStack) -> Gateway:
        standing, tenant = Standing(data=self.data), f"round-{number}"
        token = standing.tenant(tenant, quota={"bytes": None, "objects": MOST})
        wanted = [(chance.choice(WAYS), f"{each}", bytes(chance.choice(SIZES))) for each in range(WANTED)]
        moment = chance.uniform(0.02, 0.4)
        outcomes = asyncio.run(_under_fire(gateway, token, wanted, _killing(gateway, victim, chance), moment))
        if victim == "everything":
            stack.close()
            gateway = stack.enter_context(demo(self.data, workers=WORKERS, port=self.port))
        self.killed[victim] += 1
        self.outcomes += outcomes
        found = self._look(Standing(data=self.data), tenant, gateway, token)
        confirmed, refused = outcomes["200"], outcomes["quota-exceeded"]
        print(
            f"round {number:3}: {victim:10} killed after {moment:.2f} s; {confirmed:2} confirmed, {found:2} stored,"
            f" {refused:2} refused, {WANTED - confirmed - refused:2} broke off",
            flush=True,
        )
        return gateway

    def _look(self, standing: Standing, tenant: str, gateway: Gateway, token: str) -> int:
        """Hold S3 against the quota and the ledger against S3; then use what room is left. How many were stored."""
        asyncio.run(_ready(gateway.url))
        stored = standing.stored(tenant)
        _promise(len(stored) <= MOST, f"{tenant}: {len(stored)} objects are stored, and {MOST} may be")
        _agrees(standing, tenant)
        left = MOST - len(standing.stored(tenant))
        more = storm(gateway.url, token, [("proxy", f"more-{each}", b"x") for each in range(MOST + 2)])
        _promise(more["200"] == left, f"{tenant}: room for {left} was left, and {dict(more)} came of using it")
        _agrees(standing, tenant)
        self.stored += len(stored)
        return len(stored)


def _agrees(standing: Standing, tenant: str) -> None:
    usage, stored, counted = standing.settled(tenant), standing.stored(tenant), standing.counted(tenant)
    _promise(counted == stored, f"{tenant}: S3 has {stored}, the ledger {counted}")
    _promise(usage.objects == len(stored), f"{tenant}: {usage} for {len(stored)} objects")
    _promise(usage.bytes == sum(stored.values()), f"{tenant}: {usage} for {sum(stored.values())} bytes")
    _promise(not usage.reserved_objects and not usage.reserved_bytes, f"{tenant}: {usage}, and nothing is under way")


def _promise(holds: object, otherwise: str) -> None:
    if not holds:
        raise BrokenPromiseError(otherwise)


def _killing(gateway: Gateway, victim: str, chance: random.Random) -> Iterator[None]:
    """A step that kills when it is taken."""
    if victim == "everything":
        s3 = _all_below(gateway.process.pid)
        kill_all(gateway.process.pid)
        for pid in s3:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        gateway.process.wait()
    else:
        os.kill(chance.choice(_workers(gateway)), signal.SIGKILL)
    yield


def _workers(gateway: Gateway) -> list[int]:
    """The processes below the supervisor, which is the child of the demo that has children."""
    below = [_children(pid) for pid in _children(gateway.process.pid)]
    return max(below, key=len)


def _all_below(pid: int) -> list[int]:
    direct = _children(pid)
    return [*direct, *(each for child in direct for each in _all_below(child))]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, (task / "children").read_text().split())
    return found


async def _under_fire(
    gateway: Gateway, token: str, wanted: list[tuple[str, str, bytes]], killing: Iterator[None], moment: float
) -> Counter[str]:
    """All uploads, a few at a time, with the kill in the middle of them: how many came to what."""
    turn = asyncio.Semaphore(12)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(verify=False, limits=limits, timeout=20) as http:
        clients = Clients(gateway.url, token, http)

        async def one(way: str, name: str, body: bytes) -> str:
            async with turn:
                return (await clients.upload(way, name, body)).last

        tasks = [asyncio.ensure_future(one(*each)) for each in wanted]
        await asyncio.sleep(moment)
        await asyncio.to_thread(next, killing)
        return Counter(await asyncio.gather(*tasks))


async def _ready(url: str) -> None:
    """Wait until `/readyz` says 200."""
    deadline = time.monotonic() + READY_WITHIN
    async with httpx.AsyncClient(verify=False, timeout=10) as http:
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if (await http.get(f"{url}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise BrokenPromiseError(f"the gateway was not ready within {READY_WITHIN:.0f} s")


def run(folder: Path, *, rounds: int, seed: int) -> Rounds:
    """Run `rounds` rounds in an empty folder; raises BrokenPromiseError. Nothing is left running."""
    port = choose(1, random.Random(time.time_ns()).randrange)[0]
    done = Rounds(data=folder / "data", port=port, seed=seed)
    done.run(rounds)
    return done


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Kill a gateway whose tenants are at their quota, again and again.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="quota-rounds-") as folder:
        try:
            done = run(Path(folder), rounds=options.rounds, seed=options.seed)
        except BrokenPromiseError as error:
            print(f"BROKEN: {error}", flush=True)
            return 1
    print(
        f"{options.rounds} rounds, {done.killed['worker']} workers and {done.killed['everything']} times everything"
        f" killed: {done.stored} objects stored, never more than {MOST} of a tenant, every ledger what S3 has"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
