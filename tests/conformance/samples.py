"""Bodies whose first bytes are what their type says, made here so that each is exactly as long as a case needs."""

import struct
import zlib
from typing import Final

TEXT: Final = b"upload me\n"
EMPTY: Final = b""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size: int) -> bytes:
    """A valid one-pixel PNG of exactly `size` bytes (at least 79), filled up with an ancillary chunk."""
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    end = _chunk(b"IDAT", zlib.compress(b"\0\0")) + _chunk(b"IEND", b"")
    return start + _chunk(b"fiLL", b"\x5a" * (size - len(start) - len(end) - 12)) + end


def jpeg(size: int) -> bytes:
    """The head of a JFIF file and its end marker, `size` bytes, filled up behind a comment marker."""
    start = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    return start + b"\xff\xfe\x00\x02" + b"\0" * (size - len(start) - 6) + b"\xff\xd9"


PNG: Final = png(1200)
JPEG: Final = jpeg(1200)
PDF: Final = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
ZIP: Final = b"PK\x05\x06" + b"\0" * 18
JSON: Final = b'{"a": 1}\n'
CSV: Final = b"a,b\n1,2\n"
