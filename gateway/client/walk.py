"""Which files the arguments name, and what each is called in the bucket.

Directories are walked as `cp -r` has it: `photos` gives `photos/a.png`, `photos/.` and `.` give `a.png`. Links to files
are followed, links to directories are not; what is neither file nor directory is told, not sent.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.client.address import Target
from gateway.client.errors import UsageError

STDIN: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file to send, None for standard input, and the name it is to have."""

    path: Path | None
    name: str

    @property
    def label(self) -> str:
        """As a person calls it."""
        return "standard input" if self.path is None else os.fsencode(self.path).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The files, and those that were left out, each with the reason."""

    items: tuple[Item, ...]
    skipped: tuple[str, ...]


def found(arguments: Sequence[str], target: Target, *, name: str | None) -> Found:
    """What the arguments name; raises UsageError where it can't be meant. `name` is the one of a single file."""
    whole = _whole_name(arguments, target, name)
    items: list[Item] = []
    skipped: list[str] = []
    for argument in arguments:
        if argument == STDIN or _is_stream(argument):
            path = None if argument == STDIN else Path(argument)
            items.append(Item(path=path, name=_required(whole)))
            continue
        for path, own in _walked(argument, skipped):
            items.append(Item(path=path, name=whole if whole is not None else target.place + _decoded(own)))
    _refuse_doubles(items)
    return Found(items=tuple(items), skipped=tuple(skipped))


def _whole_name(arguments: Sequence[str], target: Target, name: str | None) -> str | None:
    """The one name that was given, in the URL or as an option."""
    if name is None and not target.is_name:
        return None
    if name is not None and target.is_name:
        raise UsageError("The URL is a whole name already (it has no slash at its end), so --name can't be one too.")
    if len(arguments) > 1 or Path(arguments[0]).is_dir():
        raise UsageError("One name is for one file: end the URL with a slash to make it the beginning of many names.")
    return target.place if name is None else target.place + name


def _required(name: str | None) -> str:
    if name is None:
        raise UsageError("A stream has no name of its own: say --name.")
    return name


def _is_stream(argument: str) -> bool:
    """Whether it is a pipe or a terminal, such as a shell's <(…)."""
    try:
        mode = Path(argument).stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _walked(argument: str, skipped: list[str]) -> Iterator[tuple[Path, str]]:
    """Each file and its own name; raises UsageError for what is not there."""
    path = Path(argument)
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"There is no file {argument}.")
        yield path, path.name
        return
    last = argument.rstrip("/").rpartition("/")[2]
    own = "" if last in {"", ".", ".."} else last + "/"

    def unreadable(error: OSError) -> None:
        skipped.append(f"{error.filename}: {error.strerror}")

    for folder, folders, files in os.walk(path, onerror=unreadable):
        folders.sort()
        inside = Path(folder).relative_to(path).as_posix()
        before = own + ("" if inside == "." else inside + "/")
        skipped += [f"{Path(folder) / each}: a link to a directory" for each in folders if _is_link(folder, each)]
        for each in sorted(files):
            file = Path(folder) / each
            if file.is_file():
                yield file, before + each
            else:
                skipped.append(f"{file}: no regular file")


def _is_link(folder: str, name: str) -> bool:
    return (Path(folder) / name).is_symlink()


def _decoded(name: str) -> str:
    """A name as text; the kernel's are bytes, and need not be UTF-8."""
    try:
        return os.fsencode(name).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name!r} is not UTF-8, which every name in S3 is: rename the file.") from None


def _refuse_doubles(items: Sequence[Item]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        if item.name in seen:
            raise UsageError(f"{seen[item.name].label} and {item.label} would both be called {item.name}.")
        seen[item.name] = item
