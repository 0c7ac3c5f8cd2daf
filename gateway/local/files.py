"""The local deployment's own files: private, written whole, and one owner of a directory at a time.

Every failure of the file system becomes a `DemoError` that names the directory and what to do.
"""

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any, Final

from gateway.local.errors import DemoError

LEAST_FREE_BYTES: Final = 256 * 1024 * 1024
"""Below this the embedded S3 can't make the volumes that it writes to (at least two of 64 MiB, and some room)."""


def explain(directory: Path, error: OSError) -> DemoError:
    """The sentence for what the file system said about something in a directory."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DemoError(f"The disk of {directory} is full: free some space or choose another directory.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DemoError(f"The directory {directory} can't be written: {os.strerror(error.errno)}.")
    return DemoError(f"The directory {directory} can't be used: {error.strerror or error}.")


def prepare(directory: Path) -> None:
    """Make a private directory, with its parents, and show that it can be written to."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(directory / ".writable", b"yes")
        (directory / ".writable").unlink()
    except OSError as error:
        raise explain(directory, error) from error


def free_bytes(directory: Path) -> int:
    """Bytes that this user may still write on the directory's disk."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def demand_room(directory: Path, least: int = LEAST_FREE_BYTES) -> None:
    """Refuse to start on a disk that has fewer than `least` bytes free."""
    if (free := free_bytes(directory)) < least:
        raise DemoError(
            f"The disk of {directory} is full: {free >> 20} MiB are free and at least {least >> 20} MiB are needed."
        )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read (0600), whole or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise explain(path.parent, error) from error


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object that a file holds; None if there is no such file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain(path.parent, error) from error
    except ValueError as error:
        raise DemoError(f"{path} is damaged: delete it and start again.") from error
    if not isinstance(value, dict):
        raise DemoError(f"{path} is damaged: delete it and start again.")
    return value


def write_object(path: Path, value: dict[str, Any]) -> None:
    """Keep a JSON object in a private file."""
    write_private(path, json.dumps(value, indent=2).encode() + b"\n")


class DirectoryLock:
    """Says that a directory is this process's; the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the directory, or raise a `DemoError` if another process has it."""
        try:
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain(self._directory, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise explain(self._directory, error) from error
            raise DemoError(
                f"Another demo is running on {self._directory}: stop it or choose another --data."
            ) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the directory; once is enough and twice does no harm."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
