"""Sealed values: text a client carries for us and can neither read, make nor change.

AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce, under a ring of keys: the first seals, any of them opens, so a
key is rotated by putting a new one in front. The purpose is authenticated with the value, so that what was sealed for
one use is nothing for another.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


class Sealer:
    """Seals and opens; `keys` are 32 bytes each, newest first; `randomness` gives that many unpredictable bytes."""

    def __init__(self, keys: Sequence[bytes], randomness: Callable[[int], bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("A sealer needs at least one key of 32 bytes.")
        self._ring = tuple(AESGCM(key) for key in keys)
        self._randomness = randomness

    def seal(self, value: bytes, *, purpose: str) -> str:
        """The value as URL-safe text (base64url without padding, RFC 4648 section 5)."""
        nonce = self._randomness(_NONCE_BYTES)
        sealed = _VERSION + nonce + self._ring[0].encrypt(nonce, value, _VERSION + purpose.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")

    def open(self, text: str, *, purpose: str) -> bytes | None:
        """What was sealed, or None for anything that this ring did not seal for this purpose; never raises."""
        sealed = _decode(text)
        if sealed is None or sealed[:1] != _VERSION:
            return None
        nonce, box = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for key in self._ring:
            try:
                return key.decrypt(nonce, box, _VERSION + purpose.encode())
            except (InvalidTag, ValueError):
                continue
        return None


def _decode(text: str) -> bytes | None:
    """The bytes of the one canonical unpadded base64url spelling, or None."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == text.encode() else None
