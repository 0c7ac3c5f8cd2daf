"""What bytes can be: every format with the name that a refusal calls it by and the test that tells it.

The library's matchers do the common work; where one of them is too loose, too strict, or unsafe on hostile bytes,
our own test stands in its place. The library's `guess` is never called: the first match of a fixed order says nothing
of the format that was declared, and one matcher in that order recurses as deep as the bytes tell it to.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from filetype.types import TYPES  # type: ignore[import-untyped]

from gateway.content import signatures as own

Test = Callable[[bytes], bool]


def _library(mime: str) -> Test:
    """The library's matchers of a type; raises LookupError at import if a release no longer has one."""
    matchers = tuple(matcher.match for matcher in TYPES if matcher.mime == mime)
    if not matchers:
        raise LookupError(f"the signature library knows no {mime}")
    return lambda head: any(match(head) for match in matchers)


def _prefix(*prefixes: bytes) -> Test:
    return lambda head: head.startswith(prefixes)


class Format(Enum):
    """Every kind of bytes, in the order in which bytes are named: what is told by little comes last.

    `words` completes "the bytes look like …"; `test` tells the kind by a body's first bytes.
    """

    def __init__(self, words: str, test: Test) -> None:
        self.words = words
        self.test = test

    PNG = ("a PNG image", _prefix(b"\x89PNG\r\n\x1a\n"))
    JPEG = ("a JPEG image", _library("image/jpeg"))
    GIF = ("a GIF image", _prefix(b"GIF87a", b"GIF89a"))
    WEBP = ("a WebP image", _library("image/webp"))
    TIFF = ("a TIFF image", _prefix(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
    BMP = ("a BMP image", own.is_bmp)
    ICON = ("an icon", _library("image/x-icon"))
    HEIF = ("a HEIF image", own.is_heif)
    AVIF = ("an AVIF image", own.is_avif)
    JXL = ("a JPEG XL image", _prefix(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"))
    JP2 = ("a JPEG 2000 image", _prefix(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"))
    JXR = ("a JPEG XR image", _library("image/vnd.ms-photo"))
    PSD = ("a Photoshop image", _library("image/vnd.adobe.photoshop"))
    DWG = ("a DWG drawing", _library("image/vnd.dwg"))
    XCF = ("a GIMP image", _library("image/x-xcf"))
    DICOM = ("a DICOM image", _library("application/dicom"))

    ISO_MEDIA = ("an MP4 or QuickTime file", own.is_iso_media)
    MATROSKA = ("a Matroska file", own.is_matroska)
    WEBM = ("a WebM file", own.is_webm)
    AVI = ("an AVI video", _library("video/x-msvideo"))
    ASF = ("a Windows Media file", _library("video/x-ms-wmv"))
    MPEG = ("an MPEG video", _library("video/mpeg"))
    MPEG_TS = ("an MPEG transport stream", own.is_transport_stream)
    FLV = ("a Flash video", _library("video/x-flv"))

    ID3 = ("tagged audio", _prefix(b"ID3"))
    ADTS = ("AAC audio", _library("audio/aac"))
    ADIF = ("AAC audio", _prefix(b"ADIF"))
    MPEG_AUDIO = ("MPEG audio", own.is_mpeg_audio)
    OGG = ("an Ogg file", _library("audio/ogg"))
    FLAC = ("FLAC audio", _library("audio/x-flac"))
    WAVE = ("WAV audio", own.is_wave)
    AIFF = ("AIFF audio", own.is_aiff)
    AMR = ("AMR audio", _library("audio/amr"))
    MIDI = ("a MIDI file", _library("audio/midi"))

    PDF = ("a PDF document", own.is_pdf)
    POSTSCRIPT = ("a PostScript document", _prefix(b"%!PS", b"\x04%!PS", b"\xc5\xd0\xd3\xc6"))
    RTF = ("an RTF document", _library("application/rtf"))
    OLE = ("an OLE document", _prefix(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))
    SQLITE = ("an SQLite database", _prefix(b"SQLite format 3\0"))

    ZIP = ("a ZIP archive", _prefix(b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))
    TAR = ("a tar archive", own.is_tar)
    GZIP = ("gzip data", _library("application/gzip"))
    BZIP2 = ("bzip2 data", _library("application/x-bzip2"))
    XZ = ("xz data", _library("application/x-xz"))
    ZSTD = ("Zstandard data", own.is_zstd)
    LZ4 = ("LZ4 data", _library("application/x-lz4"))
    LZIP = ("lzip data", _library("application/x-lzip"))
    LZOP = ("lzop data", _library("application/x-lzop"))
    COMPRESS = ("compress data", _library("application/x-compress"))
    SEVEN_ZIP = ("a 7z archive", _library("application/x-7z-compressed"))
    RAR = ("a RAR archive", _library("application/x-rar-compressed"))
    CAB = ("a cabinet archive", _library("application/vnd.ms-cab-compressed"))
    AR = ("an ar archive", _prefix(b"!<arch>\n"))
    RPM = ("an RPM package", _library("application/x-rpm"))
    CRX = ("a browser extension", _library("application/x-google-chrome-extension"))

    WOFF = ("a WOFF font", _prefix(b"wOFF"))
    WOFF2 = ("a WOFF2 font", _prefix(b"wOF2"))
    SFNT = ("a font", _prefix(b"\0\1\0\0\0", b"OTTO\0", b"true\0", b"ttcf\0", b"typ1\0"))

    EXE = ("a Windows program", _library("application/x-msdownload"))
    ELF = ("an ELF program", _library("application/x-executable"))
    MACH = ("a program", own.is_mach)
    WASM = ("a WebAssembly module", _prefix(b"\0asm"))
    FLASH = ("a Flash program", _library("application/x-shockwave-flash"))
    NES = ("a NES program", _library("application/x-nintendo-nes-rom"))

    SCRIPT = ("a script", _prefix(b"#!/", b"#! /", b"<?php"))
    MARKUP = ("HTML or XML", own.is_markup)
    CUT_MPEG_AUDIO = ("MPEG audio", own.is_cut_mpeg_audio)
    ZEROS = ("zeros", own.is_zeros)
    TEXT = ("text", own.is_text)
    OLD_TEXT = ("text", own.is_old_text)


WEAK: Final = frozenset((Format.CUT_MPEG_AUDIO, Format.ZEROS, Format.TEXT, Format.OLD_TEXT))
"""Formats that bytes of another may pass for: they count only where no other format is told."""


def look_of(head: bytes) -> Format | None:
    """The first format that the bytes have the signature of; None if there is none."""
    return next((each for each in Format if each.test(head)), None)
