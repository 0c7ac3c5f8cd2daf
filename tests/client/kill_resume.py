"""A large file through `upload-gateway put`, the client and the gateway killed in turn, and no part sent twice.

    .venv/bin/python -m tests.client.kill_resume --size 5GiB --rounds 10

Each round kills the client with SIGKILL after a number of parts that the seed chooses and runs the same command again,
then kills the gateway (its S3 dies with it) and starts it again while the client is left alone. Whenever somebody died,
S3 is asked for its parts: one that it had must still be the one it took then (to the second, which is waited out). In
the end what is stored has the file's SHA-256. Ends with status 1 at the first broken promise.
"""

import argparse
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.cli.put import size_in_bytes
from tests.client.room import PART, Room, Terminal, room

NAME: Final = "large.bin"
KEY: Final = f"free/{NAME}"
_CHUNK: Final = 8 * 2**20


class BrokenPromiseError(Exception):
    """A part was sent again or lost, or what is stored is not the file."""


@dataclass(slots=True, kw_only=True)
class Rounds:
    """A run: who takes part, and what S3 was seen to have."""

    room: Room
    terminal: Terminal
    chance: random.Random
    part_size: int
    step: int
    seen: dict[int, tuple[str, str]] = field(default_factory=dict)
    kills: int = 0

    def run(self, rounds: int) -> str:
        """All rounds, and then to the end; what the last client printed. Raises BrokenPromiseError."""
        process = self._client(1)
        for number in range(rounds):
            if process.poll() is not None:
                break
            process = self._client_killed(process)
            if process.poll() is None:
                self._gateway_killed(process, stopped=number % 2 == 0)
                self.terminal.await_parts(process, self._soon())
            print(f"round {number + 1}: {len(self.seen)} parts in S3, none sent again", flush=True)
        printed, _ = process.communicate(timeout=600)
        if process.returncode != 0:
            raise BrokenPromiseError(f"put ended with {process.returncode}: {printed}")
        return printed

    def _soon(self) -> int:
        return self.terminal.sent_parts() + self.chance.randint(1, self.step)

    def _client(self, parts: int) -> subprocess.Popen[str]:
        arguments = ["--part-size", str(self.part_size), str(self.terminal.place / NAME)]
        return self.terminal.put_until(parts, arguments)

    def _client_killed(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        process.kill()
        process.communicate()
        self.kills += 1
        self._look()
        wait_for_another_second()
        return self._client(self._soon())

    def _gateway_killed(self, process: subprocess.Popen[str], *, stopped: bool) -> None:
        """Kill and start it; a client that is stopped meanwhile sends nothing before S3 was looked at."""
        if stopped:
            process.send_signal(signal.SIGSTOP)
        else:
            self._look()
        self.room.kill()
        self.kills += 1
        wait_for_another_second()
        self.room.start()
        self._look()
        if stopped:
            process.send_signal(signal.SIGCONT)

    def _look(self) -> None:
        """Hold what S3 has against what it had; once it is put together there are no parts any more."""
        there = self.room.parts(KEY)
        if not there and self.terminal.sent_parts() == 0:
            return
        for number, before in self.seen.items():
            if there.get(number, before) != before:
                raise BrokenPromiseError(f"part {number} was sent again: {before} became {there[number]}")
            if there and number not in there:
                raise BrokenPromiseError(f"part {number} is gone")
        self.seen |= there


def wait_for_another_second() -> None:
    """S3 says when it took a part to the second."""
    now = time.time()
    time.sleep(1 - now % 1 + 0.01)


def written(path: Path, size: int) -> str:
    """A new file of so many random bytes; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, _CHUNK):
            data = os.urandom(min(_CHUNK, size - start))
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def stored_digest(there: Room) -> str:
    """The SHA-256 of what S3 has."""
    digest = hashlib.sha256()
    with contextlib.closing(there.s3()) as s3:
        answer = s3.get_object(Bucket=there.described["bucket"], Key=KEY)
        for data in answer["Body"].iter_chunks(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def run(folder: Path, *, size: int, rounds: int, part_size: int, seed: int) -> Rounds:
    """A whole run in an empty folder; raises BrokenPromiseError. Nothing is left running."""
    digest = written(folder / NAME, size)
    count = -(-size // part_size)
    with room(folder / "data") as there:
        terminal = Terminal(folder, there, there.token(ttl=86_400))
        step = max(1, (count - 1) // (2 * rounds + 1))
        done = Rounds(room=there, terminal=terminal, chance=random.Random(seed), part_size=part_size, step=step)
        printed = done.run(rounds)
        if stored_digest(there) != digest:
            raise BrokenPromiseError("what is stored is not the file")
        if terminal.journals() or there.uploads(KEY):
            raise BrokenPromiseError("something is left of the upload")
        print(printed, end="")
    return done


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Kill the client and the gateway while a file is sent.")
    parser.add_argument("--size", type=size_in_bytes, default=5 * 2**30)
    parser.add_argument("--part-size", type=size_in_bytes, default=8 * 2**20)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-resume-") as folder:
        try:
            done = run(
                Path(folder),
                size=options.size,
                rounds=options.rounds,
                part_size=max(PART, options.part_size),
                seed=options.seed,
            )
        except BrokenPromiseError as error:
            print(f"BROKEN: {error}", flush=True)
            return 1
    took = time.monotonic() - began
    print(f"{options.size} bytes, {done.kills} kills, no part sent twice, equal by SHA-256; {took:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
