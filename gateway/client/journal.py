"""What is remembered of an upload between two runs: a private file of lines, added to as parts arrive.

A line that a crash cut short is not there. Nothing in it lets anybody upload: no token, no URL; the upload's id is one
only for those with the tenant's credential. One process at a time has a journal; the kernel lets go of it.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from gateway.client.errors import FileError, UnavailableError
from gateway.client.source import Identity


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where journals are kept (XDG Base Directory Specification, `XDG_STATE_HOME`)."""
    named = environment.get("XDG_STATE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path(environment.get("HOME") or Path.home()) / ".local/state"
    return base / "upload-gateway"


@dataclass(slots=True)
class Begun:
    """An upload that was begun: what was asked for under which idempotency key, of which state of the file.

    `id`, `strategy` and `part_size` are empty until the gateway has answered. `parts` are those that S3 confirmed:
    the ETag without quotes, and the CRC-64/NVME of what was sent.
    """

    request: dict[str, Any]
    key: str
    identity: Identity
    id: str = ""
    strategy: str = ""
    part_size: int = 0
    parts: dict[int, tuple[str, int]] = field(default_factory=dict)


class Journal:
    """The journal of one name at one gateway; `begun` is what it says, None for a new one."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.begun = _read(descriptor)

    @classmethod
    def open(cls, folder: Path, gateway: str, name: str) -> Self:
        """The journal, locked; raises UnavailableError if another process has it, FileError where there can be none."""
        digest = hashlib.sha256(json.dumps([gateway, name]).encode()).hexdigest()[:32]
        path = folder / f"{digest}.jsonl"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(path, _locked(path))
        except BlockingIOError:
            raise UnavailableError(f"{name} is being sent to {gateway} by another process.") from None
        except OSError as error:
            raise FileError(f"{path} can't be kept: {error.strerror}.") from None

    def begin(self, request: dict[str, Any], key: str, identity: Identity) -> None:
        """Start anew; what was remembered is forgotten."""
        os.ftruncate(self._descriptor, 0)
        self.begun = Begun(request=request, key=key, identity=identity)
        self._add({"request": request, "key": key, "identity": asdict(identity)})

    def answered(self, upload_id: str, strategy: str, part_size: int) -> None:
        """What the gateway made of it."""
        if self.begun is not None:
            self.begun.id, self.begun.strategy, self.begun.part_size = upload_id, strategy, part_size
            self._add({"id": upload_id, "strategy": strategy, "part_size": part_size})

    def rebound(self, identity: Identity) -> None:
        """The file is in another state now; what was sent of the one before is to be compared with it."""
        if self.begun is not None:
            self.begun.identity, self.begun.parts = identity, {}
            self._add({"identity": asdict(identity)})

    def part(self, number: int, etag: str, crc: int) -> None:
        """S3 has this part."""
        if self.begun is not None:
            self.begun.parts[number] = (etag, crc)
            self._add({"part": number, "etag": etag, "crc": crc})

    def forget_begun(self) -> None:
        """There is nothing to go on with, but something may be begun."""
        os.ftruncate(self._descriptor, 0)
        self.begun = None

    def forget(self) -> None:
        """It is done with."""
        self.forget_begun()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it; what it says stays."""
        if self.begun is None:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _add(self, line: dict[str, Any]) -> None:
        try:
            os.write(self._descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise FileError(f"{self._path} can't be kept: {error.strerror}.") from None


def _locked(path: Path) -> int:
    """The open file, ours alone; raises BlockingIOError. One that its owner removed meanwhile is opened again."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _read(descriptor: int) -> Begun | None:
    """What the lines say together; damaged ones count as none."""
    begun: Begun | None = None
    try:
        for line in _lines(descriptor):
            if "request" in line:
                begun = Begun(request=line["request"], key=line["key"], identity=Identity(**line["identity"]))
            elif begun is not None and "id" in line:
                begun.id, begun.strategy, begun.part_size = line["id"], line["strategy"], int(line["part_size"])
            elif begun is not None and "identity" in line:
                begun.identity, begun.parts = Identity(**line["identity"]), {}
            elif begun is not None:
                begun.parts[int(line["part"])] = (str(line["etag"]), int(line["crc"]))
    except (KeyError, TypeError, ValueError):
        return begun
    return begun


def _lines(descriptor: int) -> Iterator[dict[str, Any]]:
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    whole = data[: data.rfind(b"\n") + 1]
    os.ftruncate(descriptor, len(whole))  # what is added next begins a line
    for line in whole.splitlines():
        value = json.loads(line)
        if isinstance(value, dict):
            yield value
