"""API keys, for devices that can't get a token: made once, kept as a hash, compared in constant time.

    ugk_<id>_<secret><checksum>      id 16 of [a-z2-7], secret 43 and checksum 6 of [0-9A-Za-z]

The id finds the record, the secret proves the right to it; the checksum (CRC-32 of all before it) lets a typing error,
and a scanner for leaked secrets, be told without a look-up, and protects nothing. 256 random bits need no slow hash.
"""

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.identity.errors import JwtExpiredError, JwtInvalidSignatureError, JwtParseError
from gateway.policy.model import Principal

API_KEY_ISSUER: Final = "urn:upload-gateway:api-keys"
"""The issuer of every principal that came with an API key; no token can have it."""

USED_RESOLUTION: Final = 60.0
"""Seconds. A key's last use is kept to the minute, so that a busy key is not a write a request."""

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_SHAPE: Final = re.compile(r"ugk_([a-z2-7]{16})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRecord:
    """What is kept of a key: everything but the secret. Times are seconds since the epoch.

    `digest` is `digest_of`'s, in hexadecimal. `name_prefix` narrows the key to names that begin with it.
    """

    id: str
    tenant: str
    name: str
    digest: str = field(repr=False)
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    name_prefix: str | None = None
    last_used_at: float | None = None


class ApiKeySource(Protocol):
    """Where records are; it may raise `SourceUnavailableError`."""

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record of this id, if there is one that was not revoked."""
        ...

    def api_key_used(self, key_id: str, at: float) -> None:
        """Keep that the key was used; called at most once a `USED_RESOLUTION`, and it must not block for long."""
        ...


class NoApiKeys:
    """A deployment without API keys: none is known."""

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """None."""
        del key_id
        return None

    def api_key_used(self, key_id: str, at: float) -> None:
        """Nothing to keep."""


@dataclass(frozen=True, slots=True)
class MintedApiKey:
    """A new key: the text that is shown once, and what may be kept."""

    text: str = field(repr=False)
    record: ApiKeyRecord


def mint_api_key(
    *,
    tenant: str,
    name: str,
    scopes: tuple[str, ...],
    now: float,
    expires_at: float | None = None,
    name_prefix: str | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> MintedApiKey:
    """Make a key from 10 random bytes of id and 32 of secret."""
    key_id = base64.b32encode(random(10)).decode().lower()
    body = f"ugk_{key_id}_{_base62(int.from_bytes(random(32), 'big'), _SECRET_LENGTH)}"
    text = body + checksum_of(body)
    record = ApiKeyRecord(
        id=key_id,
        tenant=tenant,
        name=name,
        digest=digest_of(text),
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
        name_prefix=name_prefix,
    )
    return MintedApiKey(text, record)


def checksum_of(body: str) -> str:
    """Six characters that a typing error in `ugk_<id>_<secret>` would change."""
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_LENGTH)


def digest_of(text: str) -> str:
    """What is kept of a key's text: SHA-256 of all of it, id included, so that a hash can't move to another id."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def parse_api_key(text: str) -> str:
    """The id in a key's text; raises `JwtParseError` where it is not of the shape or its checksum is wrong."""
    match = _SHAPE.fullmatch(text)
    if match is None or match[3] != checksum_of(text[:-_CHECKSUM_LENGTH]):
        raise JwtParseError("API key is not complete")
    return match[1]


def verify_api_key(text: str, source: ApiKeySource, now: float) -> Principal:
    """Whoever the key speaks for; raises this room's errors.

    An unknown id costs the same comparison as a wrong secret, and gives the same error.
    """
    key_id = parse_api_key(text)
    record = source.api_key(key_id)
    kept = record.digest if record else _NOBODY
    if not hmac.compare_digest(kept.encode(), digest_of(text).encode()) or record is None or record.id != key_id:
        raise JwtInvalidSignatureError("API key is not known")
    if record.expires_at is not None and record.expires_at < now:
        raise JwtExpiredError("API key has expired", actual=record.expires_at, expected=now)
    if record.last_used_at is None or not 0 <= now - record.last_used_at < USED_RESOLUTION:
        source.api_key_used(key_id, now)
    return Principal(
        tenant=record.tenant,
        issuer=API_KEY_ISSUER,
        subject=record.id,
        scopes=frozenset(record.scopes),
        expires_at=record.expires_at,
        name_prefix=record.name_prefix,
    )


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


_NOBODY: Final = "0" * 64
