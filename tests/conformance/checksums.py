"""The integrity values a client declares, computed here by table and `hashlib`, apart from the code under test.

CRC-32C and CRC-64/NVME are the reflected forms of the CRC catalogue (polynomials 0x1EDC6F41 and 0xAD93D23594C93659).
All values are base64 (RFC 4648 section 4) of the big-endian digest, as S3 reads them.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

_CRC32C_REFLECTED: Final = 0x82F63B78
_CRC64NVME_REFLECTED: Final = 0x9A6C9329AC4BC9B5


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register >> 1) ^ (polynomial if register & 1 else 0)
        entries.append(register)
    return tuple(entries)


def _crc(data: bytes, polynomial: int, width: int) -> bytes:
    table = _table(polynomial)
    ones = (1 << width) - 1
    register = ones
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return (register ^ ones).to_bytes(width // 8, "big")


DIGESTS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: _crc(data, _CRC32C_REFLECTED, 32),
    "crc64nvme": lambda data: _crc(data, _CRC64NVME_REFLECTED, 64),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
}
"""Algorithm to the function that digests a body."""


def value(algorithm: str, data: bytes) -> str:
    """The base64 value of `data` under `algorithm`."""
    return base64.b64encode(DIGESTS[algorithm](data)).decode("ascii")


def header(algorithm: str, data: bytes) -> tuple[str, str]:
    """The header pair that declares `data` to S3."""
    name = "Content-MD5" if algorithm == "md5" else f"x-amz-checksum-{algorithm}"
    return name, value(algorithm, data)


def digest_field(data: bytes, *, name: str = "Content-Digest", algorithm: str = "sha-256") -> tuple[str, str]:
    """An RFC 9530 header pair, a dictionary member with a byte sequence (RFC 8941 section 3.3.5)."""
    digest = hashlib.new(algorithm.replace("-", ""), data, usedforsecurity=False).digest()
    return name, f"{algorithm}=:{base64.b64encode(digest).decode('ascii')}:"
