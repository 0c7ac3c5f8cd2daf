r"""The envelope of a published document: who may be believed, about which document, and until when.

    <key id>.<signature, base64url>\n<payload>

The signature is Ed25519 (RFC 8032) over a prefix that no other use of the key has, the key's id and the payload, so no
byte of the whole can change unseen. The payload is JSON and says its own name: one document can't stand in the place of
another. `version` only rises; whoever has seen one believes no older one. `not_after` bounds how long an old document
can be replayed to somebody who has seen none.

Pure: the time is a parameter. A key ring holds every public key that may sign now, so that keys can be replaced.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.identity.encoding import decode_base64url
from gateway.policy.problems import Fault
from gateway.policy.strict_json import loads

DOMAIN: Final = b"upload-gateway edge document 1\n"
"""Before all that is signed: a signature made for anything else is none here."""

MOST_BYTES: Final = 8 * 1_048_576
"""Of one document; a tenant's with a thousand API keys has under 400 KB."""

MAX_SKEW: Final = 300.0
"""Seconds that a reader's clock may be behind the publisher's. One that is further behind would take expired tokens and
expired documents for good ones, so a document that seems to come from the future is not believed."""

_KEY_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_SIGNATURE_BYTES: Final = 64


class DocumentError(Exception):
    """The document is not believed. The message is a sentence for a log and repeats nothing of the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One published document. Times are seconds since the epoch; `content` is JSON's values."""

    name: str
    version: int
    issued_at: float
    not_after: float
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningPair:
    """The key that signs, and the id by which readers find its public half."""

    key_id: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_bytes(cls, key_id: str, seed: bytes) -> "SigningPair":
        """The pair of a 32-byte seed (RFC 8032 section 5.1.5)."""
        return cls(key_id, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.private.public_key().public_bytes_raw()


class Ring:
    """The public keys that are believed, by id: from 32 bytes each. A key of another length is a `ValueError`."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("a ring without a key believes nothing")
        self._keys = {
            key_id.encode("ascii"): Ed25519PublicKey.from_public_bytes(public) for key_id, public in keys.items()
        }

    def verified(self, data: bytes) -> bytes:
        """The payload of a document whose signature is one of these keys'; raises `DocumentError`."""
        if len(data) > MOST_BYTES:
            raise DocumentError("it is too long")
        head, separator, payload = data.partition(b"\n")
        key_id, dot, text = head.partition(b".")
        if not separator or not dot or _KEY_ID.fullmatch(key_id) is None:
            raise DocumentError("it has no signature")
        key = self._keys.get(key_id)
        if key is None:
            raise DocumentError("its key is not one that is believed")
        try:
            signature = decode_base64url(text.decode("ascii"))
            key.verify(signature, _signed(key_id, payload))
        except (InvalidSignature, ValueError):
            raise DocumentError("its signature is not valid") from None
        return payload


def seal(document: Document, pair: SigningPair) -> bytes:
    """The document as it is kept: signed, in canonical JSON (members sorted, nothing between them)."""
    payload = json.dumps(
        {
            "name": document.name,
            "version": document.version,
            "issued_at": document.issued_at,
            "not_after": document.not_after,
            "content": document.content,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()
    key_id = pair.key_id.encode("ascii")
    signature = base64.urlsafe_b64encode(pair.private.sign(_signed(key_id, payload))).rstrip(b"=")
    return b"%b.%b\n%b" % (key_id, signature, payload)


def unseal(data: bytes, name: str, ring: Ring) -> Document:
    """The document of this name, or `DocumentError`; its time (`check_time`) and version are the caller's to judge."""
    payload = loads(ring.verified(data), max_bytes=MOST_BYTES)
    if isinstance(payload, Fault) or not isinstance(payload, dict):
        raise DocumentError("its payload is not a JSON object")
    version, content = payload.get("version"), payload.get("content")
    if payload.get("name") != name:
        raise DocumentError("it is another document than its place says")
    if type(version) is not int or not isinstance(content, dict):
        raise DocumentError("its payload is not one of this format")
    issued_at, not_after = (_seconds(payload.get(member)) for member in ("issued_at", "not_after"))
    return Document(name=name, version=version, issued_at=issued_at, not_after=not_after, content=content)


def check_time(document: Document, now: float) -> None:
    """Refuse a document that is over, or from the future; raises `DocumentError`."""
    if now >= document.not_after:
        raise DocumentError("its time is over")
    if now < document.issued_at - MAX_SKEW:
        raise DocumentError("it was issued in the future, so a clock is wrong")


def _signed(key_id: bytes, payload: bytes) -> bytes:
    return b"%b%b\n%b" % (DOMAIN, key_id, payload)


def _seconds(value: Any) -> float:
    if type(value) is int or type(value) is float:
        return value
    raise DocumentError("its payload is not one of this format")
