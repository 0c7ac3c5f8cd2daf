"""Signatures that no fixed prefix expresses: one predicate a format, each on the first bytes of a body.

A predicate takes any bytes, the empty string included, never raises, and looks at a bounded part of them. It says
that the bytes begin as the format does, not that a reader of the format would be content with the rest.
"""

import re
from collections.abc import Mapping
from typing import Final

_BLOCK: Final = 512
_BOM: Final = b"\xef\xbb\xbf"
_PDF_SPACE: Final = b"\0\t\n\f\r "  # ISO 32000-2 section 7.2.3, white-space characters
_PDF_LEAD: Final = 1024

_STILL_BRANDS: Final = frozenset(
    (b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
)
_AVIF_BRANDS: Final = frozenset((b"avif", b"avis"))
_RAW_BRANDS: Final = frozenset((b"crx ",))
_QUICKTIME_ATOMS: Final = frozenset((b"moov", b"wide", b"free", b"skip", b"pnot"))
_FTYP_LIMIT: Final = 256

_BITRATES: Final[Mapping[int, tuple[int, ...]]] = {  # kbit/s by layer bits; 0 stands for MPEG-2 and 2.5
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SYNC: Final = re.compile(rb"\xff(?=[\xe2-\xe5\xf2-\xf5\xfa-\xfd][^\xf0-\xff])")
_SAMPLE_RATES: Final = (44_100, 48_000, 32_000)
_HALVINGS: Final[Mapping[int, int]] = {3: 0, 2: 1, 0: 2}  # MPEG-1, 2, 2.5
_PACKETS: Final = ((0, 188), (4, 192))

_BMP_HEADERS: Final = frozenset((12, 16, 40, 52, 56, 64, 108, 124))
_TEXT_CONTROLS: Final = frozenset(b"\t\n\f\r\x1b")
_PRINTABLE: Final = bytes(byte for byte in range(256) if byte >= 0x20 or byte in _TEXT_CONTROLS)
_APART: Final = re.compile(rb"[\t\n ,;]")
_MARKUP_NEXT: Final = frozenset("!?/abcdefghijklmnopqrstuvwxyz")
_MACH_MAGICS: Final = frozenset(
    (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
)


def is_pdf(head: bytes) -> bool:
    """`%PDF-` as the first thing (ISO 32000-2 section 7.5.2), after a byte order mark and white space at most.

    Readers that search the first 1,024 bytes for it are what makes a file a PDF and a page at once; what they would
    skip is not skipped here.
    """
    return head[:_PDF_LEAD].removeprefix(_BOM).lstrip(_PDF_SPACE).startswith(b"%PDF-")


def is_tar(head: bytes) -> bool:
    """A header block whose checksum holds, with or without `ustar` (POSIX.1-2017, pax, "ustar Interchange Format").

    The checksum is what tells the format of 1979, which has no magic.
    """
    block = head[:_BLOCK]
    if len(block) < _BLOCK:
        return False
    stated = block[148:156].strip(b"\0 ")
    if not stated or len(stated) > 7 or stated.translate(None, b"01234567"):
        return False
    unsigned = sum(block[:148]) + sum(block[156:]) + 8 * 0x20
    signed = unsigned - 256 * sum(byte > 0x7F for byte in block[:148] + block[156:])
    return int(stated, 8) in (unsigned, signed)  # old writers summed signed characters


def is_zeros(head: bytes) -> bool:
    """Two empty blocks and nothing else, as far as it was seen: a tar archive of nothing."""
    return len(head) >= 2 * _BLOCK and not any(head)


def _brands(head: bytes) -> frozenset[bytes]:
    """The major and compatible brands of a file that begins with `ftyp` (ISO/IEC 14496-12 section 4.3), else none."""
    if head[4:8] != b"ftyp" or head[:2] != b"\0\0":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), _FTYP_LIMIT)
    return frozenset((head[8:12], *(head[at : at + 4] for at in range(16, end, 4))))


def is_avif(head: bytes) -> bool:
    """A brand of AVIF (AV1 Image File Format, section 6)."""
    return not _AVIF_BRANDS.isdisjoint(_brands(head))


def is_heif(head: bytes) -> bool:
    """A brand of HEIF or HEIC (ISO/IEC 23008-12 section 10), and none of AVIF, which shares `mif1`."""
    return not _STILL_BRANDS.isdisjoint(_brands(head)) and not is_avif(head)


def is_iso_media(head: bytes) -> bool:
    """MP4, M4A, 3GP or QuickTime: `ftyp` of no still image, or QuickTime's atoms before there was an `ftyp`.

    One family, because players, phones and browsers take its names for each other. An atom before the film's bytes
    is far below 16 MiB, so that its length begins with a zero, which no text does.
    """
    brands = _brands(head)
    if brands:
        return len(head) >= 12 and (_STILL_BRANDS | _AVIF_BRANDS | _RAW_BRANDS).isdisjoint(brands)
    return head[4:8] == b"mdat" or (head[:1] == b"\0" and head[4:8] in _QUICKTIME_ATOMS)


def _doc_type(head: bytes) -> bytes:
    """The DocType of an EBML header (RFC 8794 section 11.2), whatever length its size is written in; else empty."""
    at = head.find(b"\x42\x82", 5, 128) if head.startswith(b"\x1aE\xdf\xa3") else -1
    if at < 0 or len(head) < at + 3 or not head[at + 2]:
        return b""
    width = 9 - head[at + 2].bit_length()
    size = int.from_bytes(head[at + 2 : at + 2 + width], "big") - (1 << 7 * width)
    return head[at + 2 + width : at + 2 + width + min(size, 16)].rstrip(b"\0")


def is_webm(head: bytes) -> bool:
    """The DocType `webm`."""
    return _doc_type(head) == b"webm"


def is_matroska(head: bytes) -> bool:
    """The DocType `matroska` (RFC 9559)."""
    return _doc_type(head) == b"matroska"


def _frame_length(head: bytes, at: int) -> int:
    """The length in bytes of the MPEG audio frame whose header is at `at`; 0 if there is no header.

    ISO/IEC 11172-3 section 2.4.1.3 and 13818-3: layers II and III, reserved values refused; of a free bitrate only
    the header counts. Layer I, which nobody sends, would make a frame of every UTF-16 byte order mark.
    """
    if len(head) < at + 3 or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[at + 1] >> 3 & 3, head[at + 1] >> 1 & 3
    bitrate, rate = head[at + 2] >> 4, head[at + 2] >> 2 & 3
    if version == 1 or layer not in (1, 2) or bitrate == 15 or rate == 3:
        return 0
    kilobits = _BITRATES[layer if version == 3 else 0][bitrate]
    samples = 576 if layer == 1 and version != 3 else 1152
    hertz = _SAMPLE_RATES[rate] >> _HALVINGS[version]
    return samples * 125 * kilobits // hertz + (head[at + 2] >> 1 & 1) or 1


def is_mpeg_audio(head: bytes) -> bool:
    """A frame of MPEG audio, first thing or after padding with zeros."""
    return _frame_length(head, len(head) - len(head.lstrip(b"\0"))) > 0


def is_cut_mpeg_audio(head: bytes) -> bool:
    """A stream cut inside a frame, as recorders cut and decoders play it: somewhere one frame right after another."""
    for sync in _SYNC.finditer(head):
        length = _frame_length(head, sync.start())
        if length > 1 and _frame_length(head, sync.start() + length):
            return True
    return False


def is_transport_stream(head: bytes) -> bool:
    """A sync byte every 188 bytes (ISO/IEC 13818-1 section 2.4.3.2), or every 192 after four (Blu-ray's)."""
    return any(len(head) > at + 2 * step and not head[at : at + 3 * step : step].strip(b"G") for at, step in _PACKETS)


def is_bmp(head: bytes) -> bool:
    """`BM` and, at 14, the length of a known information header; two letters alone begin too many texts."""
    return head.startswith(b"BM") and len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def is_wave(head: bytes) -> bool:
    """`WAVE` in RIFF, or in the RF64 and BW64 of files over 4 GiB (ITU-R BS.2088)."""
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"


def is_aiff(head: bytes) -> bool:
    """`AIFF`, or `AIFC`, in an IFF form."""
    return head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")


def is_zstd(head: bytes) -> bool:
    """A frame, or a skippable frame before it (RFC 8878 section 3.1)."""
    return head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5)


def is_mach(head: bytes) -> bool:
    """Mach-O, thin or fat; a Java class begins as a fat one does, and is a program as well."""
    return head[:4] in _MACH_MAGICS


def _as_text(head: bytes) -> str | None:
    """The head as text: UTF-16 with a byte order mark, or UTF-8 without control characters; None if it is neither."""
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not wide and head.translate(None, _PRINTABLE):
        return None
    for cut in range(4):  # the head may end inside a character
        try:
            text = head[: len(head) - cut].decode("utf-16" if wide else "utf-8")
        except UnicodeDecodeError:
            continue
        binary = not text or (wide and any(ord(c) < 0x20 and ord(c) not in _TEXT_CONTROLS for c in text))
        return None if binary else text
    return None


def is_text(head: bytes) -> bool:
    """Nothing but text, and no markup, as far as it was seen."""
    return _as_text(head) is not None and not is_markup(head)


def is_old_text(head: bytes) -> bool:
    """Words apart, without control characters: text of an 8-bit character set, as spreadsheets still write it."""
    return not head.translate(None, _PRINTABLE) and _APART.search(head) is not None and not is_markup(head)


def is_markup(head: bytes) -> bool:
    """Text whose first character that is no white space opens a tag, a comment or a declaration: HTML, SVG, XML."""
    if b"<" not in head:
        return False
    text = (_as_text(head) or head.decode("latin-1")).removeprefix("\ufeff").removeprefix("\xef\xbb\xbf").lstrip()
    return text[:1] == "<" and text[1:2].lower() in _MARKUP_NEXT
