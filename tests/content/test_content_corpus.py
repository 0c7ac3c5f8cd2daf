"""The content check over real files: none refused under its own type, and every exception written down."""

import subprocess
import sys
from pathlib import Path

import pytest
from filetype.types import TYPES as LIBRARY  # type: ignore[import-untyped]

from gateway.content import mismatch
from gateway.content.declared import UNSIGNED, formats_of
from tests.content.corpus import ABSENT, COLUMNS, DIRECTORY, Sample, checked, samples, strangers

FILES = samples()
REPOSITORY = Path(__file__).parents[2]

NAMESAKES = frozenset(
    (
        ("application/json", "application/vnd.ms-excel"),
        ("application/pdf", "application/postscript"),
        ("application/rtf", "application/msword"),
        ("audio/mpeg", "audio/aac"),
        ("audio/mpeg", "audio/flac"),
        ("font/woff2", "application/font-woff"),
        ("text/calendar", "application/vnd.ms-excel"),
        ("text/vcard", "application/vnd.ms-excel"),
        ("text/vtt", "application/vnd.ms-excel"),
        ("video/webm", "video/x-matroska"),
    )
)
"""Usual type and declared type of what passes as something else, office documents as ZIP apart."""


@pytest.mark.skipif(not FILES, reason=ABSENT)
def test_corpus_is_whole() -> None:
    """A corpus that lost its files would prove nothing."""
    assert len(FILES) == 92
    assert sum(checked(file.usual) for file in FILES) == 70


@pytest.mark.skipif(not FILES, reason=ABSENT)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_file_passes_under_its_own_type(file: Sample) -> None:
    """No false refusal."""
    assert mismatch(file.usual, file.head, whole=file.whole) is None


@pytest.mark.skipif(not FILES, reason=ABSENT)
@pytest.mark.parametrize(
    ("name", "aliases"),
    [
        ("fixture.jpg", ("image/jpg", "image/pjpeg", "IMAGE/JPEG; q=1")),
        ("fixture.zip", ("application/x-zip-compressed", "application/x-zip", "application/epub+zip")),
        ("fixture.docx", ("application/zip", "application/x-zip-compressed")),
        ("fixture.mp4", ("video/quicktime", "video/x-m4v", "audio/mp4")),
        ("fixture.mov", ("video/mp4",)),
        ("fixture.m4a", ("audio/x-m4a", "audio/m4a", "video/mp4")),
        ("fixture.mp3", ("audio/mp3", "audio/x-mpeg")),
        ("fixture.ogg", ("application/ogg", "video/ogg", "audio/opus")),
        ("fixture.gz", ("application/x-gzip",)),
        ("fixture.tar.gz", ("application/x-tgz", "application/x-compressed-tar")),
        ("fixture.bz2", ("application/bzip2",)),
        ("fixture.rar", ("application/x-rar-compressed", "application/x-rar")),
        ("fixture.avi", ("video/avi", "video/msvideo")),
        ("fixture.deb", ("application/x-deb", "application/x-debian-package")),
        ("fixture.sqlite", ("application/x-sqlite3",)),
    ],
)
def test_file_passes_under_the_other_names_of_its_type(name: str, aliases: tuple[str, ...]) -> None:
    """What software calls a type decides nothing."""
    files = {file.name: file for file in FILES}
    if name == "fixture.mp4":
        name = "fixture-isom.mp4"
    assert [alias for alias in aliases if not files[name].passes(alias)] == []


@pytest.mark.skipif(not FILES, reason=ABSENT)
def test_what_passes_as_another_type_is_written_down() -> None:
    """No false acceptance but the families that share a name."""
    zip_files = formats_of("application/zip")
    found = {
        (file.usual, name)
        for file, name in strangers(FILES)
        if not (formats_of(name) == zip_files and set(zip_files or ()) <= set(formats_of(file.usual.lower()) or ()))
    }
    assert found == NAMESAKES


@pytest.mark.skipif(not FILES, reason=ABSENT)
@pytest.mark.parametrize("declared", ["image/png", "image/jpeg", "application/pdf", "application/zip"])
def test_f02_every_other_fixture_is_refused_under_a_type_of_the_demo(declared: str) -> None:
    """Control F02: each fixture under every other allowed type is refused."""
    passed = {file.usual for file in FILES if file.passes(declared)}
    own = {
        "image/png": {"image/png", "image/apng"},
        "application/zip": {file.usual for file in FILES if file.head.startswith(b"PK\x03\x04")},
    }
    assert passed == own.get(declared, {declared})


@pytest.mark.skipif(not FILES, reason=ABSENT)
def test_reference_page_carries_this_matrix() -> None:
    """The committed table is what the code gives."""
    script = [sys.executable, "scripts/content-matrix", "--check", str(DIRECTORY)]
    assert subprocess.run(script, cwd=REPOSITORY, check=False, timeout=60).returncode == 0


def test_every_type_of_the_library_is_decided_on() -> None:
    """A release of the library that knows a new type has to be looked at."""
    undecided = {kind.mime for kind in LIBRARY if formats_of(kind.mime) is None}
    assert undecided == UNSIGNED


def test_columns_of_the_matrix_are_checked_types() -> None:
    """A column of a type that is not checked would show acceptance."""
    assert [name for name, declared in COLUMNS.items() if not checked(declared)] == []
