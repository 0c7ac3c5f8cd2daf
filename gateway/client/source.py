"""A local file as what is sent from it: opened once, read at positions, and known again by what the kernel says of it.

A stream has no length, and S3 is told one before the first byte; so a stream becomes a temporary file first.
"""

import asyncio
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gateway.client.checksums import updated
from gateway.client.errors import FileError

CHUNK: Final = 1_048_576
"""Bytes that are read at once."""


class Stream(Protocol):
    """What can be read once; without a buffer of its own, whose lock a thread that nobody waits for would keep."""

    def read(self, size: int, /) -> bytes | None:
        """At most so many bytes, none at its end."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one state of one file from another without reading it."""

    device: int
    inode: int
    size: int
    modified_ns: int


@dataclass(slots=True)
class Sum:
    """The CRC-64/NVME of what was read, and how much that was."""

    value: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An open regular file; `label` is how the user calls it."""

    label: str
    identity: Identity
    _descriptor: int

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""
        return self.identity.size

    async def chunks(self, start: int, length: int, total: Sum) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, summed up in `total`; raises FileError where the file is shorter now."""
        while total.read < length:
            data = await asyncio.to_thread(self._read, start, length, total)
            yield data

    def _read(self, start: int, length: int, total: Sum) -> bytes:
        data = self._bytes(start + total.read, min(CHUNK, length - total.read))
        total.value = updated(data, total.value)
        total.read += len(data)
        return data

    async def sums(self, start: int, length: int, *, also: Callable[[bytes], object] | None = None) -> int:
        """The CRC of `length` bytes from `start`, each chunk also given to `also`."""
        total = Sum()
        async for data in self.chunks(start, length, total):
            if also is not None:
                also(data)
        return total.value

    def _bytes(self, at: int, count: int) -> bytes:
        try:
            data = os.pread(self._descriptor, count, at)
        except OSError as error:
            raise FileError(f"{self.label} can't be read: {error.strerror}.") from None
        if not data:
            raise FileError(f"{self.label} became shorter while it was read.")
        return data

    def check(self) -> None:
        """Raise FileError if the file was changed since it was opened."""
        if _identity(os.fstat(self._descriptor)) != self.identity:
            raise FileError(f"{self.label} was changed while it was sent. Run the command again when it is finished.")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def opened(path: Path, label: str) -> Source:
    """The regular file at a path; raises FileError."""
    try:
        # Without O_NONBLOCK a path that became a pipe meanwhile would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise FileError(f"{label} can't be read: {error.strerror}.") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise FileError(f"{label} is no regular file.")
    return Source(label=label, identity=_identity(status), _descriptor=descriptor)


def spooled(stream: Stream, label: str, *, limit: int) -> Source:
    """All of a stream as a temporary file that has no name; raises FileError above `limit` bytes."""
    try:
        with tempfile.TemporaryFile(prefix="upload-gateway-") as file:
            while data := stream.read(CHUNK):
                if file.tell() + len(data) > limit:
                    raise FileError(
                        f"{label} has more than {limit} bytes, the most that is kept in {tempfile.gettempdir()}:"
                        " store it as a file, or say --spool-limit."
                    )
                file.write(data)
            file.flush()
            descriptor = os.dup(file.fileno())
    except OSError as error:
        raise FileError(f"{label} can't be kept in {tempfile.gettempdir()}: {error.strerror}.") from None
    return Source(label=label, identity=_identity(os.fstat(descriptor)), _descriptor=descriptor)


def _identity(status: os.stat_result) -> Identity:
    return Identity(device=status.st_dev, inode=status.st_ino, size=status.st_size, modified_ns=status.st_mtime_ns)
