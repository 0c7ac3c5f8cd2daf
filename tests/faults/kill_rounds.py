"""Rounds of SIGKILL under load: what a client was told is stored is there afterwards, whole, and nothing else is.

    .venv/bin/python -m tests.faults.kill_rounds --rounds 200

Each round runs `upload-gateway demo` on the same directory with clients on all three backends, kills the gateway, its
S3 or both (or asks it to stop) at a moment that the seed chooses, waits until the demo is ready again (a killed gateway
is started anew, a killed S3 is the demo's own affair), and reads the bucket with the operator's keys. Ends with status
1 at the first broken promise. Bounded: a round's load ends after some seconds or `MOST_UPLOADS` a client, and so does
every wait.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.local.issuer import DevelopmentIssuer
from gateway.local.ports import choose
from gateway.storage.sigv4 import Credentials
from tests.faults.bucket import Bucket
from tests.faults.client import Client, sha256
from tests.processes import children

BACKENDS: Final = ("proxy", "presigned", "edge")
VICTIMS: Final = ("gateway", "s3", "both", "nobody")
"""Who is killed; `nobody`: the demo is asked to stop (SIGTERM), in the middle of it all."""

SIZES: Final = (0, 700, 16_384, 65_536, 300_000, 1_500_000)
CLIENTS: Final = 6
MOST_UPLOADS: Final = 40
READY_WITHIN: Final = 60.0


class BrokenPromiseError(Exception):
    """The bucket is not what the clients were told."""


@dataclass(slots=True, kw_only=True)
class Name:
    """What one name may hold: digests of whole bodies, and None for no object."""

    may_hold: set[str | None] = field(default_factory=lambda: {None})

    def sent(self, digest: str) -> None:
        """A body is on its way; nobody knows yet whether it will be stored."""
        self.may_hold.add(digest)

    def stored(self, digest: str) -> None:
        """A client got a 200: from now on it is this one."""
        self.may_hold = {digest}


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What clients sent and what they were told."""

    names: dict[str, Name] = field(default_factory=dict)
    sent: int = 0
    confirmed: int = 0

    def name(self, key: str) -> Name:
        """The entry of a key."""
        return self.names.setdefault(key, Name())

    def check(self, key: str, body: bytes | None) -> None:
        """Hold what the bucket has under a key against what it may have."""
        digest = None if body is None else hashlib.sha256(body).hexdigest()
        if key not in self.names:
            raise BrokenPromiseError(f"{key}: nobody sent an object of this name")
        if digest not in self.names[key].may_hold:
            what = "missing" if body is None else f"{len(body)} bytes that are not the ones that were sent"
            raise BrokenPromiseError(f"{key}: {what}")


@dataclass(slots=True, kw_only=True)
class Demo:
    """`upload-gateway demo` on one directory and port, started as often as it is killed."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output goes on in one log."""
        program = Path(sys.executable).with_name("upload-gateway")
        command = [str(program), "demo", "--port", str(self.port), "--data", str(self.folder / "state")]
        with (self.folder / "demo.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def s3_pid(self) -> int | None:
        """The process id of its S3, its only child."""
        if self.process is None:
            return None
        return next(iter(children(self.process.pid)), None)

    async def ready(self) -> None:
        """Wait until `/readyz` says 200."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise BrokenPromiseError(f"the demo did not start again: {self.tail()}")
            with suppress(OSError, TimeoutError):
                client = await Client.connect(self.port)
                await client.head("/readyz", {"connection": "close"}, method="GET")
                answer = await client.answer()
                await client.close()
                if answer is not None and answer.status == 200:
                    return
            await asyncio.sleep(0.05)
        raise BrokenPromiseError(f"the demo was not ready within {READY_WITHIN:.0f} s: {self.tail()}")

    def kill(self, victim: str) -> None:
        """SIGKILL; S3 dies with the gateway (the kernel sees to it), so that `both` is only another order."""
        s3 = self.s3_pid
        if victim == "nobody" and self.process is not None:
            self.process.terminate()
            self.process.wait(READY_WITHIN)
            return
        if victim != "gateway" and s3 is not None:
            os.kill(s3, signal.SIGKILL)
        if victim != "s3" and self.process is not None:
            self.process.kill()
            self.process.wait()
            deadline = time.monotonic() + 10
            while s3 is not None and Path(f"/proc/{s3}").exists() and time.monotonic() < deadline:
                time.sleep(0.005)

    def stop(self) -> None:
        """End it in order, or else by force."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """The end of its log."""
        return (self.folder / "demo.log").read_text(errors="replace")[-1000:]

    def bucket(self) -> Bucket:
        """The bucket as `demo.json` describes it."""
        told = json.loads((self.folder / "state" / "demo.json").read_text())
        url = urlsplit(told["s3_endpoint"])
        operator = Credentials(told["access_key"], told["secret_key"])
        return Bucket(port=url.port or 80, host=url.netloc, name=told["bucket"], region=told["region"], who=operator)

    def token(self) -> str:
        """A token that outlives the run."""
        issuer = DevelopmentIssuer.open(self.folder / "state")
        return issuer.token(
            tenant="acme",
            subject="kill-rounds",
            scope="files:write",
            ttl=86_400,
            alg="EdDSA",
            admin=False,
            now=time.time(),
        )


@dataclass(slots=True, kw_only=True)
class Load:
    """The clients of one round."""

    demo: Demo
    ledger: Ledger
    round_number: int
    seed: int
    token: str
    over: bool = False

    async def client(self, number: int) -> None:
        """Upload after upload, until the round is over or this client had its share."""
        chance = random.Random(f"{self.seed}/{self.round_number}/{number}")
        for turn in range(MOST_UPLOADS):
            if self.over:
                return
            body = chance.randbytes(chance.choice(SIZES))
            # Every fifth overwrites the client's one name, all others are new.
            name = f"client-{number}" if turn % 5 == 4 else f"round-{self.round_number:04}/{number}-{turn}"
            await self._upload(chance.choice(BACKENDS), name, body)

    async def _upload(self, backend: str, name: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()
        entry = self.ledger.name(f"acme/{name}")
        entry.sent(digest)
        self.ledger.sent += 1
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            if await self._put(backend, name, body) == 200:
                entry.stored(digest)
                self.ledger.confirmed += 1
                return
        await asyncio.sleep(0.05)  # a client that was refused does not come back at once

    async def _put(self, backend: str, name: str, body: bytes) -> int | None:
        headers = {"content-type": "application/octet-stream", "content-length": str(len(body)), **sha256(body)}
        bearer = {"authorization": f"Bearer {self.token}"}
        if backend != "presigned":
            return (await _exchange(self.demo.port, f"/{backend}/{name}", {**headers, **bearer}, body))[0]
        status, location = await _exchange(self.demo.port, f"/presigned/{name}", {**headers, **bearer}, b"")
        if status != 307:
            return None
        url = urlsplit(location)
        return (await _exchange(url.port or 80, f"{url.path}?{url.query}", headers, body, host=url.netloc))[0]


async def _exchange(
    port: int, target: str, headers: dict[str, str], body: bytes, host: str = "127.0.0.1"
) -> tuple[int | None, str]:
    """One PUT on a connection of its own: the status, None without an answer, and where a redirect leads."""
    client = await Client.connect(port)
    try:
        await client.head(target, headers, host=host)
        sending = asyncio.ensure_future(client.side.send(body))
        answer = await client.answer()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    finally:
        await client.close()
    return (None, "") if answer is None else (answer.status, answer.headers.get("location", ""))


@dataclass(slots=True, kw_only=True)
class Rounds:
    """A run: its demo, its ledger, and what was seen."""

    demo: Demo
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    longest_wait: float = 0.0

    async def run(self, count: int) -> None:
        """All rounds, and a last look at everything; raises BrokenPromiseError."""
        chance = random.Random(self.seed)
        self.demo.start()
        await self.demo.ready()
        for number in range(count):
            victim = VICTIMS[number] if number < len(VICTIMS) else chance.choice(VICTIMS)
            await self._round(number, victim, chance.uniform(0.05, 1.0))
        await self._look("acme/")

    async def _round(self, number: int, victim: str, moment: float) -> None:
        sent, confirmed = self.ledger.sent, self.ledger.confirmed
        token = self.demo.token()
        load = Load(demo=self.demo, ledger=self.ledger, round_number=number, seed=self.seed, token=token)
        clients = [asyncio.create_task(load.client(index)) for index in range(CLIENTS)]
        await asyncio.sleep(moment)
        await asyncio.to_thread(self.demo.kill, victim)
        await asyncio.sleep(0.1)
        load.over = True
        since = time.monotonic()
        if victim != "s3":
            self.demo.start()
        await asyncio.gather(*clients)
        await self.demo.ready()
        self.longest_wait = max(self.longest_wait, time.monotonic() - since)
        found = await self._look(f"acme/round-{number:04}/")
        sent, confirmed = self.ledger.sent - sent, self.ledger.confirmed - confirmed
        fate = "stopped" if victim == "nobody" else f"{victim} killed"
        print(
            f"round {number:4}: {fate:14} after {moment:.2f} s; {sent} sent, {confirmed} confirmed;"
            f" {found} new objects in the bucket, all whole",
            flush=True,
        )

    async def _look(self, prefix: str) -> int:
        """Hold the bucket against the ledger: what is there, and what is not."""
        bucket = self.demo.bucket()
        found = await asyncio.to_thread(bucket.keys, prefix)
        missing = {key for key in self.ledger.names if key.startswith(prefix)} - set(found)
        for key in missing:
            self.ledger.check(key, None)
        for key in found:
            self.ledger.check(key, await asyncio.to_thread(bucket.get, key))
        return len(found)


def run(folder: Path, *, rounds: int, seed: int) -> Rounds:
    """Run `rounds` rounds in an empty folder; raises BrokenPromiseError. Nothing is left running."""
    port = choose(1, random.Random(time.time_ns()).randrange)[0]
    done = Rounds(demo=Demo(folder=folder, port=port), seed=seed)
    try:
        asyncio.run(done.run(rounds))
    finally:
        done.demo.stop()
    return done


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Kill the demo under load, again and again, and look what is stored.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kill-rounds-") as folder:
        try:
            done = run(Path(folder), rounds=options.rounds, seed=options.seed)
        except BrokenPromiseError as error:
            print(f"BROKEN: {error}", flush=True)
            return 1
    ledger = done.ledger
    print(
        f"{options.rounds} rounds: {ledger.sent} uploads sent, {ledger.confirmed} confirmed, all of those there and"
        f" whole, nothing partial; ready again after {done.longest_wait:.1f} s at most"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
