"""A JWT taken apart, and believed in nothing: sizes, parts, encoding, JSON and claim types.

What comes out is called unverified in its name. No cryptography, no clock, no issuer happens here (RFC 8725 section
3.10 and aws-jwt-verify's `decomposeUnverifiedJwt`); the one thing that makes it verified is `verifier.finish`.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.identity.encoding import decode_standard, is_flat, parse_json, to_standard
from gateway.identity.errors import JwtParseError

MAX_TOKEN_BYTES: Final = 8192
"""Node, Apache and API Gateway allow 8 to 16 KiB for all headers together; a longer token never gets through."""

_REMEMBERED_LENGTH: Final = 2048
"""Characters. Longer parts are rare, and what strangers could fill the memory with stays within a few MiB."""

_STRING_CLAIMS: Final = ("iss", "sub", "jti")
_DATE_CLAIMS: Final = ("exp", "nbf", "iat")
_NUMBERS: Final = (int, float)
_MAX_DATE: Final = 2**53
_NOT_THREE_PARTS: Final = "JWT string does not consist of exactly 3 parts (header, payload, signature)"


class UnverifiedToken(NamedTuple):
    """The parts of a token that nobody has verified; `signing_input` is the bytes that the signature covers."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    signature: bytes
    signing_input: bytes


def decompose_unverified_jwt(
    jwt: object, *, max_bytes: int = MAX_TOKEN_BYTES, scope_lists: bool = False
) -> UnverifiedToken:
    """Take a token apart (RFC 7519 section 7.2, steps 1 to 6) without believing it; raises `JwtParseError`."""
    header, payload, signature, signing_input = _split(jwt, max_bytes)
    try:
        return UnverifiedToken(
            _header_of(header), _claims_of(payload, scope_lists), decode_standard(signature), signing_input
        )
    except ValueError:
        raise JwtParseError(_NOT_THREE_PARTS) from None


def split_jws(jwt: object, *, max_bytes: int = MAX_TOKEN_BYTES) -> tuple[Mapping[str, Any], bytes, bytes, bytes]:
    """The header, the payload's and the signature's bytes of a compact JWS, and its signing input."""
    header, payload, signature, signing_input = _split(jwt, max_bytes)
    try:
        return _header_of(header), decode_standard(payload), decode_standard(signature), signing_input
    except ValueError:
        raise JwtParseError(_NOT_THREE_PARTS) from None


def _split(jwt: object, max_bytes: int) -> tuple[str, str, str, bytes]:
    """The three parts in base64's letters, none of them empty, and the signing input."""
    if not jwt:
        raise JwtParseError("Empty JWT")
    if not isinstance(jwt, str):
        raise JwtParseError("JWT is not a string")
    if len(jwt) > max_bytes:
        raise JwtParseError(f"JWT is longer than {max_bytes} bytes")
    try:
        header, payload, signature = to_standard(jwt).split(".")
        signing_input = jwt[: jwt.rindex(".")].encode("ascii")
    except ValueError:
        raise JwtParseError(_NOT_THREE_PARTS) from None
    if not header or not payload or not signature:
        raise JwtParseError(_NOT_THREE_PARTS)
    return header, payload, signature, signing_input


# An issuer writes the same few headers over and over, and a client sends its token again and again. What a text means
# never changes, so reading is remembered; believing never is: the signature over the text is verified each time.
# Only what nobody can change is remembered: members without lists or objects, behind a read-only view.


def _header_of(part: str) -> Mapping[str, Any]:
    """The header that this text means."""
    known = _flat_header(part) if len(part) <= _REMEMBERED_LENGTH else None
    return MappingProxyType(parse_header(decode_standard(part))) if known is None else known


@lru_cache(maxsize=128)
def _flat_header(part: str) -> Mapping[str, Any] | None:
    raw = decode_standard(part)
    return MappingProxyType(parse_header(raw)) if is_flat(raw) else None


def _claims_of(part: str, scope_lists: bool) -> Mapping[str, Any]:
    """The claims that this text means."""
    known = _flat_claims(part, scope_lists) if len(part) <= _REMEMBERED_LENGTH else None
    return _read_claims(decode_standard(part), scope_lists) if known is None else known


@lru_cache(maxsize=256)
def _flat_claims(part: str, scope_lists: bool) -> Mapping[str, Any] | None:
    raw = decode_standard(part)
    return _read_claims(raw, scope_lists) if is_flat(raw) else None


def _read_claims(raw: bytes, scope_lists: bool) -> Mapping[str, Any]:
    claims = parse_payload(raw)
    check_claim_types(claims, scope_lists=scope_lists)
    return MappingProxyType(claims)


def parse_header(raw: bytes) -> dict[str, Any]:
    """The JOSE header's members, `alg` and `kid` strings where present; raises `JwtParseError`."""
    header = _parse_object(raw, "header", "Header")
    for name in ("alg", "kid", "typ", "cty"):
        _check_string(header, "header", name)
    return header


def parse_payload(raw: bytes) -> dict[str, Any]:
    """The claims set's members, types unchecked; raises `JwtParseError`."""
    return _parse_object(raw, "payload", "Payload")


def _parse_object(raw: bytes, name: str, title: str) -> dict[str, Any]:
    try:
        value = parse_json(raw)
    except (ValueError, RecursionError):
        raise JwtParseError(f"Invalid JWT. {title} is not a valid JSON object") from None
    if not isinstance(value, dict):
        raise JwtParseError(f"JWT {name} is not an object")
    return value


def check_claim_types(payload: Mapping[str, Any], *, scope_lists: bool = False) -> None:
    """Refuse registered claims of the wrong type (RFC 7519 section 4.1); raises `JwtParseError`.

    `scope_lists` says that `scope` may be a list of strings too, as many issuers write it.
    """
    for name in _STRING_CLAIMS:
        if type(payload.get(name, "")) is not str:
            raise JwtParseError(f"JWT payload {name} claim is not a string")
    for name in _DATE_CLAIMS:
        if name in payload and not is_numeric_date(payload[name]):
            raise JwtParseError(f"JWT payload {name} claim is not a number")
    if type(payload.get("aud", "")) is not str and not is_string_or_strings(payload["aud"]):
        raise JwtParseError("JWT payload aud claim is not a string or array of strings")
    if type(payload.get("scope", "")) is not str and not (scope_lists and is_string_or_strings(payload["scope"])):
        raise JwtParseError("JWT payload scope claim is not a string")


def is_numeric_date(value: Any) -> bool:
    """Whether this is seconds since the epoch, whole or not (RFC 7519 section 2): a finite number, never a bool.

    Beyond 2**53 a float no longer tells seconds apart, and no calendar has the year.
    """
    return type(value) in _NUMBERS and -_MAX_DATE <= value <= _MAX_DATE


def is_string_or_strings(value: object) -> bool:
    """Whether this is a string or a list of nothing but strings."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _check_string(members: Mapping[str, Any], part: str, name: str) -> None:
    if name in members and not isinstance(members[name], str):
        raise JwtParseError(f"JWT {part} {name} claim is not a string")
