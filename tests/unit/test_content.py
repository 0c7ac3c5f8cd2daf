"""First bytes against the declared type."""

import io
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.content import HELD, mismatch
from gateway.content.declared import TYPES
from gateway.content.formats import Format, _library, look_of

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
HTML = b"<!DOCTYPE html><script>alert(1)</script>"
ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 57
PE = b"MZ\x90\0\x03" + b"\0" * 59
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
FRAME = b"\xff\xfb\x90\x00" + b"\x5a" * 413  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes


def box(kind: bytes, *brands: bytes) -> bytes:
    body = kind + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return (4 + len(body)).to_bytes(4, "big") + body


def tar(**options: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as archive:  # type: ignore[call-overload]
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return out.getvalue()


def ebml(doc_type: bytes, size: bytes) -> bytes:
    return b"\x1aE\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82" + size + doc_type + b"\x42\x87\x81\x04"


TRUE = [
    ("image/png", PNG),
    ("image/apng", PNG),
    ("image/jpg", b"\xff\xd8\xff\xe1\0\0Exif"),
    ("image/gif", b"GIF89a\1\0\1\0"),
    ("image/webp", b"RIFF\0\0\0\0WEBPVP8X"),
    ("image/tiff", b"MM\0*\0\0\0\x08"),
    ("image/tiff", b"II+\0\x08\0\0\0"),
    ("image/bmp", b"BM" + b"\0" * 12 + b"\x28\0\0\0"),
    ("image/x-icon", b"\0\0\1\0\1\0"),
    ("image/heic", box(b"ftyp", b"heic", b"mif1", b"heic")),
    ("image/heic", box(b"ftyp", b"mif1", b"heic")),
    ("image/heif", box(b"ftyp", b"mif1", b"miaf")),
    ("image/avif", box(b"ftyp", b"avif", b"mif1", b"miaf")),
    ("image/avif", box(b"ftyp", b"mif1", b"avif")),
    ("image/jxl", b"\xff\x0a\xfa"),
    ("video/mp4", box(b"ftyp", b"isom", b"iso2", b"mp41")),
    ("video/mp4", box(b"ftyp", b"dash")),
    ("video/quicktime", box(b"ftyp", b"qt  ")),
    ("video/quicktime", b"\0\0\0\x08wide\0\x12\x34\x56mdat"),
    ("video/quicktime", b"\x12\x34\x56\x78mdat"),
    ("video/3gpp", box(b"ftyp", b"3gp4")),
    ("audio/x-m4a", box(b"ftyp", b"M4A ")),
    ("video/webm", ebml(b"webm", b"\x84")),
    ("video/webm", ebml(b"webm", b"\x01\0\0\0\0\0\0\x04")),
    ("video/x-matroska", ebml(b"matroska", b"\x88")),
    ("video/x-matroska", ebml(b"webm", b"\x84")),
    ("video/mpeg", b"\0\0\1\xba\x44"),
    ("video/mp2t", (b"G" + b"\0" * 187) * 3),
    ("video/mpeg", (b"\0\0\0\0G" + b"\0" * 187) * 3),
    ("audio/mpeg", b"ID3\x04\0\0\0\0\0\0"),
    ("audio/mpeg", FRAME),
    ("audio/mpeg", b"\0" * 100 + FRAME),
    ("audio/mpeg", b"\xff\xe3\x20\xc4"),
    ("audio/mpeg", b"\x5a" * 200 + FRAME * 2),
    ("audio/aac", b"\xff\xf1\x50\x80"),
    ("audio/ogg", b"OggS\0\2"),
    ("audio/flac", b"fLaC\0\0\0\x22"),
    ("audio/wav", b"RIFF\0\0\0\0WAVEfmt "),
    ("audio/x-wav", b"RF64\xff\xff\xff\xffWAVEds64"),
    ("application/pdf", PDF),
    ("application/pdf", b"\xef\xbb\xbf" + PDF),
    ("application/pdf", b"\r\n \t\0\n" + PDF),
    ("application/pdf", b"\n" * 1019 + PDF),
    ("application/postscript", PDF),
    ("application/msword", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("application/vnd.ms-excel", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("application/vnd.ms-excel", b"a;b\r\n1;2\r\n"),
    ("application/vnd.ms-excel", b"Stra\xdfe;b\r\n1;2\r\n"),
    ("application/vnd.ms-excel", "a\tb\r\n".encode("utf-16")),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\3\4"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("application/vnd.ms-excel.sheet.macroEnabled.12", b"PK\3\4"),
    ("application/vnd.oasis.opendocument.text", b"PK\3\4"),
    ("application/epub+zip", b"PK\3\4"),
    ("application/java-archive", b"PK\3\4"),
    ("application/zip", b"PK\5\6" + b"\0" * 18),
    ("application/x-zip-compressed", b"PK\7\x08PK\3\4"),
    ("application/x-tar", tar(format=tarfile.GNU_FORMAT)),
    ("application/x-tar", tar(format=tarfile.PAX_FORMAT)),
    ("application/x-tar", b"\0" * 10240),
    ("application/gzip", b"\x1f\x8b\x08\0"),
    ("application/x-gzip", b"\x1f\x8b\x08\0"),
    ("application/zstd", b"\x28\xb5\x2f\xfd"),
    ("application/zstd", b"\x50\x2a\x4d\x18\4\0\0\0"),
    ("font/otf", b"OTTO\0\x0c"),
    ("font/collection", b"ttcf\0\2"),
    ("font/woff2", b"wOF2\0\1\0\0"),
    ("application/x-dosexec", PE),
    ("application/x-elf", ELF),
]

FALSE = [
    ("image/png", HTML, "HTML or XML"),
    ("image/png", b"\xef\xbb\xbf \n" + HTML, "HTML or XML"),
    ("image/png", HTML.decode().encode("utf-16"), "HTML or XML"),
    ("image/png", b"<!-- \xe9 -->", "HTML or XML"),
    ("image/png", SVG, "HTML or XML"),
    ("image/png", b"alert(1)//", "text"),
    ("image/png", b"<?php system($_GET[0]);", "a script"),
    ("image/png", b"#!/bin/sh\n", "a script"),
    ("image/png", ELF, "an ELF program"),
    ("image/png", PE, "a Windows program"),
    ("image/png", b"\xcf\xfa\xed\xfe\x07", "a program"),
    ("image/png", PNG[1:], None),
    ("image/png", b"\x89PNG\n\x1a\n", None),
    ("image/png", b"\xff\xd8\xff\xe0", "a JPEG image"),
    ("image/gif", b"GIFt", "text"),
    ("image/gif", b"GIF90a", "text"),
    ("image/bmp", b"BMW is a car, not an image", "text"),
    ("image/webp", b"RIFF\0\0\0\0WAVEfmt ", "WAV audio"),
    ("image/heic", box(b"ftyp", b"isom"), "an MP4 or QuickTime file"),
    ("image/heic", box(b"ftyp", b"avif", b"mif1"), "an AVIF image"),
    ("image/avif", box(b"ftyp", b"heic", b"mif1"), "a HEIF image"),
    ("video/mp4", box(b"ftyp", b"heic"), "a HEIF image"),
    ("video/mp4", b"Get free stuff", "text"),
    ("video/mp4", b"<!--ftypisom-->" + HTML, "HTML or XML"),
    ("video/webm", ebml(b"matroska", b"\x88"), "a Matroska file"),
    ("audio/mpeg", HTML + FRAME * 3, "HTML or XML"),
    ("audio/mpeg", b"<\0" + b"\xff" * 20, None),
    ("audio/mpeg", PNG + FRAME * 3, "a PNG image"),
    ("audio/mpeg", b"\x5a" * 200 + FRAME, None),
    ("audio/mpeg", "text".encode("utf-16"), "text"),
    ("application/pdf", HTML + PDF, "HTML or XML"),
    ("application/pdf", b"GIF89a=1;" + PDF, "a GIF image"),
    ("application/pdf", b"\n" * 1024 + PDF, "text"),
    ("application/pdf", b"%pdf-1.4", "text"),
    ("application/zip", PE + b"PK\3\4", "a Windows program"),
    ("application/zip", b"PK\3", None),
    ("application/zip", b"Rar!\x1a\7\0", "a RAR archive"),
    ("application/msword", b"PK\3\4", "a ZIP archive"),
    ("application/vnd.ms-excel", HTML, "HTML or XML"),
    ("application/vnd.ms-excel", PDF, "a PDF document"),
    ("application/vnd.ms-excel", b"\0\1\2\3", None),
    ("application/x-tar", b"\0" * 512, None),
    ("application/x-tar", b"a" * 512, "text"),
    ("application/gzip", b"\x1f\x8b", None),
    ("image/jpeg", b"\0" * 2048, "zeros"),
    ("image/jpeg", b"\xff\xd8", None),
    ("image/jpeg", b"x", "text"),
]


@pytest.mark.parametrize(("content_type", "head"), TRUE)
def test_bytes_of_the_declared_type_pass(content_type: str, head: bytes) -> None:
    """A true file is never refused, whichever of its type's names it comes under."""
    assert mismatch(content_type, head[:HELD], whole=len(head) <= HELD) is None


@pytest.mark.parametrize(("content_type", "head", "look"), FALSE)
def test_bytes_of_another_type_are_refused_by_name(content_type: str, head: bytes, look: str | None) -> None:
    """The sentence names the declared type and what the bytes look like."""
    words = f"look like {look}" if look else "are no known type's"
    expected = f"The body was declared as {content_type}, but its first bytes {words}."
    assert mismatch(content_type, head, whole=True) == expected


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "image",
        "image/*",
        "*/*",
        "image/png, text/html",
        "application/octet-stream",
        "Application/Octet-Stream; x=y",
        "text/plain",
        "text/csv",
        "text/rtf",
        "application/json",
        "application/ld+json",
        "application/csv",
        "application/xml",
        "image/svg+xml",
        "application/x-foo",
        "application/x-brotli",
        "application/vnd.oasis.opendocument.text-flat-xml",
    ],
)
@pytest.mark.parametrize("head", [PNG, HTML, ELF, b"\0"])
def test_types_without_a_signature_are_not_checked(content_type: str | None, head: bytes) -> None:
    """Nothing can be told of them from the first bytes."""
    assert mismatch(content_type, head, whole=True) is None


def test_an_empty_body_is_of_every_type() -> None:
    """There is nothing in it to judge."""
    assert [name for name in TYPES if mismatch(name, b"", whole=True) is not None] == []


def test_no_bytes_of_a_body_that_has_some_prove_nothing() -> None:
    """A caller that shows nothing is refused, rather than trusted."""
    assert mismatch("image/png", b"", whole=False) is not None


def test_parameters_and_case_of_the_type_decide_nothing() -> None:
    """The essence is compared, and named."""
    found = mismatch("IMAGE/PNG; charset=utf-8", b"\xff\xd8\xff\xe0", whole=True)
    assert found == "The body was declared as image/png, but its first bytes look like a JPEG image."


def test_only_the_held_bytes_are_looked_at() -> None:
    """What comes after them can't change the verdict, so a proxy may decide as soon as it has them."""
    assert mismatch("application/vnd.ms-excel", b"a" * HELD + b"\0", whole=False) is None


def test_bytes_that_make_the_library_recurse_are_judged() -> None:
    """Skippable Zstandard frames of no length, one after another, nest the library's own matcher a level each."""
    head = (b"\x50\x2a\x4d\x18" + b"\0" * 4) * (HELD // 8)
    assert mismatch("image/png", head, whole=False) is not None
    assert mismatch("application/zstd", head, whole=False) is None


@pytest.mark.parametrize("each", Format)
def test_every_format_may_be_declared_or_named(each: Format) -> None:
    """The table has no dead entry: a type allows the format, or a refusal only names it."""
    named_only = {Format.MACH, Format.SCRIPT, Format.MARKUP}
    assert any(each in formats for formats in TYPES.values()) != (each in named_only)


def test_a_type_that_the_library_lost_is_told_at_import() -> None:
    """A release without a matcher that the table leans on must not pass for one that matches nothing."""
    with pytest.raises(LookupError, match="image/x-lost"):
        _library("image/x-lost")


MAGICS = [head for _, head in TRUE] + [head for _, head, _ in FALSE]


@given(
    st.sampled_from(sorted(TYPES)),
    st.binary(max_size=300)
    | st.builds(lambda a, n, b: a[:n] + b, st.sampled_from(MAGICS), st.integers(0, 64), st.binary()),
    st.booleans(),
)
@example("video/webm", b"\x1aE\xdf\xa3\x42\x82\x00", False)
@example("video/webm", b"\x1aE\xdf\xa3\x9f\x42\x82\x01", False)
def test_any_bytes_get_a_verdict(content_type: str, head: bytes, whole: bool) -> None:
    """The check never raises, and a refusal says nothing but the type and the look."""
    found = mismatch(content_type, head, whole=whole)
    looks = {f"look like {each.words}" for each in Format} | {"are no known type's"}
    assert found is None or found in {
        f"The body was declared as {content_type}, but its first bytes {x}." for x in looks
    }


@given(st.text(max_size=80), st.binary(max_size=80))
def test_any_declared_type_gets_a_verdict(content_type: str, head: bytes) -> None:
    """Whatever stands in the header, the check does not raise."""
    found = mismatch(content_type, head, whole=True)
    assert found is None or found.isascii()


@given(st.binary(max_size=300))
def test_what_bytes_look_like_passes_where_it_is_allowed(head: bytes) -> None:
    """The name in a refusal and the verdict come from the same test."""
    look = look_of(head)
    allowing = [name for name, formats in TYPES.items() if look in formats]
    assert [name for name in allowing if mismatch(name, head, whole=False) is not None] == []
