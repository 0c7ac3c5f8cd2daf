"""Real files of many formats, each with the type that it usually travels under, and their confusion matrix.

The files are the fixtures of sindresorhus/file-type (MIT), read where they are; `matrix` is pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.content import HELD, mismatch
from gateway.content.declared import TYPES, formats_of
from gateway.content.formats import Format

DIRECTORY: Final = Path(__file__).parents[3] / "shared/data/files/file-type"
ABSENT: Final = "the fixtures of sindresorhus/file-type are not beside the repository"

OOXML: Final = "application/vnd.openxmlformats-officedocument."
ODF: Final = "application/vnd.oasis.opendocument."

USUAL: Final[Mapping[str, str]] = {
    "7z": "application/x-7z-compressed",
    "apng": "image/apng",
    "avi": "video/x-msvideo",
    "bz2": "application/x-bzip2",
    "chm": "application/vnd.ms-htmlhelp",
    "class": "application/java-vm",
    "cpio": "application/x-cpio",
    "deb": "application/vnd.debian.binary-package",
    "dmg": "application/x-apple-diskimage",
    "docm": "application/vnd.ms-word.document.macroEnabled.12",
    "docx": OOXML + "wordprocessingml.document",
    "elf": "application/x-elf",
    "flv": "video/x-flv",
    "gif": "image/gif",
    "gz": "application/gzip",
    "ico": "image/vnd.microsoft.icon",
    "ics": "text/calendar",
    "jar": "application/java-archive",
    "jpg": "image/jpeg",
    "jxl": "image/jxl",
    "lnk": "application/x-ms-shortcut",
    "lz4": "application/x-lz4",
    "m4a": "audio/mp4",
    "m4v": "video/x-m4v",
    "macho": "application/x-mach-binary",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ods": ODF + "spreadsheet",
    "odt": ODF + "text",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "png": "image/png",
    "pptx": OOXML + "presentationml.presentation",
    "ps": "application/postscript",
    "rar": "application/vnd.rar",
    "rpm": "application/x-rpm",
    "rtf": "application/rtf",
    "sqlite": "application/vnd.sqlite3",
    "swf": "application/x-shockwave-flash",
    "tar": "application/x-tar",
    "vcf": "text/vcard",
    "vtt": "text/vtt",
    "wasm": "application/wasm",
    "webm": "video/webm",
    "webp": "image/webp",
    "woff2": "font/woff2",
    "xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
    "xlsx": OOXML + "spreadsheetml.sheet",
    "xml": "application/xml",
    "xz": "application/x-xz",
    "zip": "application/zip",
    "zst": "application/zstd",
}
"""The last extension, and the type that a file of it is usually sent as."""

OTHERWISE: Final[Mapping[str, str]] = {"fixture-json.webp": "application/json"}
"""Files that are not what their name says."""

COLUMNS: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "docx": USUAL["docx"],
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "tar": "application/x-tar",
    "gz": "application/gzip",
    "bz2": "application/x-bzip2",
    "xz": "application/x-xz",
    "7z": "application/x-7z-compressed",
    "rar": "application/vnd.rar",
}
"""The declared types of the matrix, by the short name that heads their column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A file: its name, its usual type, what the check is given of it, and whether that is all."""

    name: str
    usual: str
    head: bytes
    whole: bool

    def passes(self, content_type: str) -> bool:
        """Whether the check lets the file go on under the type."""
        return mismatch(content_type, self.head, whole=self.whole) is None


def samples(directory: Path = DIRECTORY) -> tuple[Sample, ...]:
    """The files of the directory, by name; raises KeyError for one whose usual type is not known here."""
    return tuple(_sample(path) for path in sorted(directory.glob("fixture*")))


def _sample(path: Path) -> Sample:
    body = path.read_bytes()
    usual = OTHERWISE.get(path.name) or USUAL[path.name.rpartition(".")[2]]
    return Sample(name=path.name, usual=usual, head=body[:HELD], whole=len(body) <= HELD)


def checked(content_type: str) -> bool:
    """Whether the type is one that the check knows."""
    return formats_of(content_type.lower()) is not None


def strangers(files: Iterable[Sample]) -> Iterator[tuple[Sample, str]]:
    """Every file with every checked type that it passes under although its own type allows other formats."""
    groups: dict[tuple[Format, ...], str] = {}
    for name, allowed in TYPES.items():
        groups.setdefault(allowed, name)
    for file in files:
        own = formats_of(file.usual.lower())
        for allowed, name in groups.items():
            if own != allowed and file.passes(name):
                yield file, name


def matrix(files: tuple[Sample, ...]) -> str:
    """The reference page's tables, in Markdown."""
    return "\n".join((*_counts(files), "", *_strangers(files)))


def _counts(files: tuple[Sample, ...]) -> Iterator[str]:
    yield "| files of | n | own type | " + " | ".join(COLUMNS) + " |"
    yield "| --- |" + " --: |" * (len(COLUMNS) + 2)
    for usual in sorted({file.usual for file in files}):
        rows = [file for file in files if file.usual == usual]
        own = str(sum(file.passes(usual) for file in rows)) if checked(usual) else "not checked"
        cells = (str(sum(file.passes(column) for file in rows) or "·") for column in COLUMNS.values())
        yield f"| `{usual}` | {len(rows)} | {own} | " + " | ".join(cells) + " |"


def _strangers(files: tuple[Sample, ...]) -> Iterator[str]:
    yield "| usual type | files | also pass as |"
    yield "| --- | --: | --- |"
    found: dict[tuple[str, tuple[str, ...]], int] = {}
    accepted = list(strangers(files))
    for file in files:
        names = tuple(name for other, name in accepted if other is file)
        if names:
            found[file.usual, names] = found.get((file.usual, names), 0) + 1
    for (usual, names), count in sorted(found.items()):
        yield f"| `{usual}` | {count} | " + ", ".join(f"`{name}`" for name in names) + " |"
