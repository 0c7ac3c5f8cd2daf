"""The headers a client may declare, and nothing else: allowlist, checksums, metadata.

Rules of the wire contract ("Headers"). A header that S3 would act on is allowed by name or refused, never forwarded
wholesale and never silently dropped; headers that S3 does not read are ignored.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.policy.model import Algorithm, Checksum
from gateway.policy.problems import Code, Fault, Refusal

METADATA_PREFIX: Final = "x-amz-meta-"

OBJECT_HEADERS: Final = ("content-encoding", "content-disposition", "content-language", "expires")
"""Standard headers that S3 stores with an object and serves again; allowed only where the policy lists them."""

DIGEST_BYTES: Final[Mapping[Algorithm, int]] = {
    Algorithm.CRC32: 4,
    Algorithm.CRC32C: 4,
    Algorithm.CRC64NVME: 8,
    Algorithm.SHA1: 20,
    Algorithm.SHA256: 32,
    Algorithm.MD5: 16,
}
"""The decoded length, in bytes, of each checksum S3 verifies."""

_CHECKSUM_HEADERS: Final = {Checksum(algorithm, "").header: algorithm for algorithm in Algorithm}
_DIGEST_HEADERS: Final = ("content-digest", "repr-digest")
_IGNORED: Final = frozenset({"x-amz-cf-id"})
_SINGLE: Final = frozenset({"content-type", "if-none-match", *_CHECKSUM_HEADERS, *_DIGEST_HEADERS, *OBJECT_HEADERS})
_NEVER: Final = {
    "if-match": "If-Match is not supported; send If-None-Match: * to create only.",
    # RFC 9110 section 14.5: a partial PUT taken for a whole one would lose the rest of the object.
    "content-range": "Content-Range is not supported; send the whole object, or begin with POST /uploads.",
}
_JUDGED: Final = _SINGLE.union(_NEVER)
_VALUE: Final = re.compile(r"[\t -~]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_DIGEST_MEMBER: Final = re.compile(r"[ \t]*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the headers of a request declare about the object; `fault` is the first thing no policy could allow."""

    content_type: str | None = None
    checksum: Checksum | None = None
    create_only: bool = False
    metadata: tuple[tuple[str, str], ...] = ()
    object_headers: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()
    fault: Refusal | None = None


def _not_allowed(detail: str) -> Refusal:
    return Refusal(code=Code.HEADER_NOT_ALLOWED, detail=detail)


def _invalid(header: str, detail: str) -> Refusal:
    pointer = "/headers/" + header.replace("~", "~0")  # RFC 6901 section 3; a header's name has no slash
    return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=(Fault(pointer, detail),))


def declared(headers: Iterable[tuple[str, str]]) -> Declared:
    """What raw header pairs (names in any case, values as on the wire) declare; never raises."""
    relevant: dict[str, str] = {}
    repeated: str | None = None
    for raw_name, raw_value in headers:
        name = raw_name.lower()
        if name not in _JUDGED and not name.startswith("x-amz-"):
            continue
        if (fault := _name_fault(name, raw_value)) is not None:
            return Declared(fault=fault)
        if name in _SINGLE or name.startswith(METADATA_PREFIX):
            repeated = name if name in relevant else repeated
            relevant[name] = raw_value.strip(" \t")
    if repeated is not None:
        return Declared(fault=_invalid(repeated, f"The header {repeated} is given more than once."))
    for name, value in relevant.items():
        if not _VALUE.fullmatch(value):
            return Declared(fault=_invalid(name, f"The header {name} has characters outside printable ASCII."))
    return _collect(relevant)


def _name_fault(name: str, value: str) -> Refusal | None:
    """Why this header may not be sent at all, whatever the policy, or None."""
    if name in _NEVER:
        return _not_allowed(_NEVER[name])
    if name == "if-none-match" and value.strip(" \t") != "*":
        return _not_allowed("If-None-Match may only be '*', which creates but never overwrites.")
    if name == "content-encoding" and "aws-chunked" in value.lower():
        return _not_allowed("The aws-chunked encoding is not supported; send the bytes as they are.")
    if not name.startswith("x-amz-") or name in _CHECKSUM_HEADERS or name in _IGNORED:
        return None
    if name.startswith(METADATA_PREFIX) and _TOKEN.fullmatch(name[len(METADATA_PREFIX) :]):
        return None
    return _not_allowed(f"The header {_shown(name)} is not allowed.")


def _shown(name: str) -> str:
    return name if _TOKEN.fullmatch(name) and len(name) <= 64 else "x-amz-…"


def _collect(relevant: Mapping[str, str]) -> Declared:
    checksum = _checksum(relevant)
    if isinstance(checksum, Refusal):
        return Declared(fault=checksum)
    return Declared(
        content_type=relevant.get("content-type"),
        checksum=checksum,
        create_only="if-none-match" in relevant,
        metadata=tuple(
            [
                (name[len(METADATA_PREFIX) :], value)
                for name, value in relevant.items()
                if name.startswith(METADATA_PREFIX)
            ]
        ),
        object_headers=tuple([(name, relevant[name]) for name in OBJECT_HEADERS if name in relevant]),
        unread=tuple([name for name in _DIGEST_HEADERS if name in relevant]),
    )


def _checksum(relevant: Mapping[str, str]) -> Checksum | Refusal | None:
    """The one checksum that is declared; two that say the same in two headers are one."""
    found: Checksum | None = None
    for name in (*_CHECKSUM_HEADERS, *_DIGEST_HEADERS):
        if name not in relevant:
            continue
        parsed = _digest(name, relevant[name]) if name in _DIGEST_HEADERS else parse_checksum(name, relevant[name])
        if isinstance(parsed, Refusal):
            return parsed
        if found is not None and found != parsed:
            return _invalid(name, "Two different checksums are given; send one.")
        found = parsed
    return found


def parse_checksum(header: str, value: str) -> Checksum | Refusal:
    """The checksum in one of S3's own headers: canonical base64 of exactly the algorithm's length."""
    algorithm = _CHECKSUM_HEADERS[header]
    if not is_checksum(algorithm, value):
        return _invalid(header, f"The header {header} is not the base64 of {DIGEST_BYTES[algorithm]} bytes.")
    return Checksum(algorithm, value)


def is_checksum(algorithm: Algorithm, value: str) -> bool:
    """Whether `value` is the one canonical base64 spelling (RFC 4648 section 4) of a digest of that algorithm."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == DIGEST_BYTES[algorithm] and base64.b64encode(raw).decode("ascii") == value


def _digest(header: str, value: str) -> Checksum | Refusal:
    """The sha-256 member of an RFC 9530 `Content-Digest` or `Repr-Digest` dictionary (RFC 8941 section 3.2)."""
    members: dict[str, str] = {}
    for part in value.split(","):
        match = _DIGEST_MEMBER.fullmatch(part)
        if match is None or match[1] in members:
            return _invalid(header, f"The header {header} is not a dictionary of digests as RFC 9530 defines it.")
        members[match[1]] = match[2]
    digest = members.get("sha-256")
    if digest is None or not is_checksum(Algorithm.SHA256, digest):
        return _invalid(header, f"The header {header} must carry sha-256 with the base64 of 32 bytes.")
    return Checksum(Algorithm.SHA256, digest)
