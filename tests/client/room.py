"""A running demo with tenants of these tests, the command line as a user runs it, and a look into the bucket."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import boto3

from gateway.local.issuer import DevelopmentIssuer

COMMAND: Final = Path(sys.executable).parent / "upload-gateway"
PART: Final = 5_242_880
"""The smallest part size."""

RULES: Final[Mapping[str, Any]] = {
    "version": 1,
    "types": {"*/*": []},
    "metadata": {"keys": ["*"]},
    "multipart": {"threshold": 6_000_000, "part_size": PART, "max_age": 3600},
}
TENANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "free": {"overwrite": True},
    "once": {"checksum": "required"},
    "full": {"quota": {"bytes": 20_000_000, "objects": 1}},
    "asleep": {"status": "suspended"},
}
READY_WITHIN: Final = 60.0


@dataclass(slots=True)
class Room:
    """A demo on one directory, started as often as it is killed."""

    data: Path
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        folder = self.data / "tenants"
        if not folder.exists():
            folder.mkdir(parents=True)
            for tenant, rules in TENANTS.items():
                (folder / f"{tenant}.json").write_text(json.dumps({**RULES, "tenant": tenant, **rules}))
        command = [str(COMMAND), "demo", "--port", str(self.port), "--data", str(self.data)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        first = next(line for line in self.process.stdout if line.startswith("upload-gateway is ready at "))
        found = re.search(r"http://127\.0\.0\.1:(\d+)", first)
        assert found is not None
        self.port = int(found[1])

    def kill(self) -> None:
        """SIGKILL; its S3 dies with it."""
        if self.process is not None:
            self.process.kill()
            self._gone()

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self._gone()

    def _gone(self) -> None:
        assert self.process is not None
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def url(self) -> str:
        """The gateway's."""
        return f"http://127.0.0.1:{self.port}"

    def token(self, tenant: str = "free", **options: Any) -> str:
        """A token of the development issuer."""
        said = {"subject": "ann", "scope": "files:write", "ttl": 7200, "alg": "EdDSA", "admin": False, **options}
        return DevelopmentIssuer.open(self.data).token(tenant=tenant, **said)

    def s3(self) -> Any:
        """A client of the bucket with the operator's keys; closed by `closing`."""
        told = self.described
        return boto3.client(
            "s3",
            endpoint_url=told["s3_endpoint"],
            aws_access_key_id=told["access_key"],
            aws_secret_access_key=told["secret_key"],
            region_name=told["region"],
        )

    @property
    def described(self) -> dict[str, Any]:
        """`demo.json`."""
        told: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return told

    def body(self, key: str) -> bytes:
        """An object's bytes."""
        with contextlib.closing(self.s3()) as s3:
            return bytes(s3.get_object(Bucket=self.described["bucket"], Key=key)["Body"].read())

    def head(self, key: str) -> dict[str, Any]:
        """What S3 says of an object."""
        with contextlib.closing(self.s3()) as s3:
            return dict(s3.head_object(Bucket=self.described["bucket"], Key=key, ChecksumMode="ENABLED"))

    def parts(self, key: str) -> dict[int, tuple[str, str]]:
        """Of the one unfinished upload under a key: when S3 took each part (to the second), and its ETag."""
        with contextlib.closing(self.s3()) as s3:
            bucket = self.described["bucket"]
            uploads = s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
            found: dict[int, tuple[str, str]] = {}
            for upload in uploads:
                pages = s3.get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload["UploadId"])
                for page in pages:
                    found |= {
                        each["PartNumber"]: (str(each["LastModified"]), each["ETag"]) for each in page.get("Parts", [])
                    }
            return found

    def uploads(self, key: str) -> int:
        """How many uploads under a key are unfinished in S3."""
        with contextlib.closing(self.s3()) as s3:
            return len(s3.list_multipart_uploads(Bucket=self.described["bucket"], Prefix=key).get("Uploads", []))


@contextmanager
def room(data: Path) -> Iterator[Room]:
    """A demo that ends with the block."""
    made = Room(data)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a user types: a directory of their own, and what they have in the environment."""

    place: Path
    room: Room
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """Of every command."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(self.place),
            "XDG_STATE_HOME": str(self.place / "state"),
            "UPLOAD_GATEWAY_TOKEN": self.token,
        }

    def command(self, *arguments: str, at: str = "") -> list[str]:
        """`put` with these arguments."""
        return [str(COMMAND), "put", *arguments, self.room.url + at]

    def put(self, *arguments: str, at: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        environment = self.environment | options.pop("environment", {})
        return subprocess.run(
            self.command(*arguments, at=at),
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    def put_json(self, *arguments: str, at: str = "") -> tuple[int, list[dict[str, Any]]]:
        """Its status, and what it says of each file, by name."""
        done = self.put("--json", *arguments, at=at)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, sorted(said, key=lambda each: str(each["name"]))

    def journals(self) -> list[Path]:
        """What is kept between runs."""
        return sorted((self.place / "state" / "upload-gateway").glob("*"))

    def sent_parts(self) -> int:
        """How many parts the one journal says are sent."""
        return sum(path.read_bytes().count(b'\n{"part":') for path in self.journals())

    def put_until(self, parts: int, arguments: Sequence[str], at: str = "") -> subprocess.Popen[str]:
        """A running `put`, once its journal says that so many parts are sent, or it has ended."""
        process = subprocess.Popen(
            self.command(*arguments, at=at),
            cwd=self.place,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.await_parts(process, parts)
        return process

    def await_parts(self, process: subprocess.Popen[str], parts: int) -> None:
        """Wait until so many parts are sent, or the process has ended."""
        deadline = time.monotonic() + READY_WITHIN
        while self.sent_parts() < parts and process.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.sent_parts()} of {parts} parts after {READY_WITHIN:.0f} s")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.005)


@cache
def noise(size: int, seed: int = 0) -> bytes:
    """So many bytes of no pattern, always the same."""
    import random

    return random.Random(seed).randbytes(size)
