"""CRC-64/NVME, which S3 verifies over a whole object also when it came in parts, whose sums are combined here.

S3 User Guide, "Checking object integrity": base64 of the eight bytes, most significant first.
"""

import base64
from collections.abc import Iterable
from typing import Final

from awscrt.checksums import combine_crc64nvme, crc64nvme

ALGORITHM: Final = "crc64nvme"
HEADER: Final = f"x-amz-checksum-{ALGORITHM}"


def updated(data: bytes, before: int = 0) -> int:
    """The sum over what was before and `data`."""
    value: int = crc64nvme(data, before)
    return value


def combined(parts: Iterable[tuple[int, int]]) -> int:
    """The sum over all parts in their order: (sum, bytes) of each."""
    whole = 0
    for value, length in parts:
        whole = combine_crc64nvme(whole, value, length)
    return whole


def encoded(value: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(value.to_bytes(8, "big")).decode("ascii")


def decoded(text: str) -> int:
    """The value of what S3 writes; raises ValueError."""
    return int.from_bytes(base64.b64decode(text, validate=True), "big")
