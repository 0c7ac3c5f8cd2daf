"""A JWK Set as it was fetched: bounded, read key by key, indexed by `kid`.

One unusable key does not take the others with it; it is skipped, with the reason kept. Two different keys under one
`kid` are both skipped: which of them was meant can't be known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.identity.encoding import parse_json
from gateway.identity.errors import JwksValidationError, JwtBaseError, KidNotFoundInJwksError
from gateway.identity.keys import SigningKey, parse_jwk

MAX_KEYS: Final = 100
"""Large providers publish under ten; every key costs a parse."""

MAX_KID_LENGTH: Final = 1024


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of an issuer by `kid`, and why the others were skipped."""

    keys: Mapping[str, SigningKey]
    skipped: tuple[str, ...] = ()

    def find(self, kid: str) -> SigningKey:
        """The key of this `kid`, or `KidNotFoundInJwksError`."""
        key = self.keys.get(kid)
        if key is None:
            raise KidNotFoundInJwksError("The issuer's keys have none with the JWT's kid")
        return key


def parse_jwks_text(raw: bytes) -> KeySet:
    """Read a JWK Set (RFC 7517 section 5) from its bytes; raises `JwksValidationError`."""
    try:
        jwks = parse_json(raw)
    except (ValueError, RecursionError):
        raise JwksValidationError("JWKS is not valid JSON") from None
    return parse_jwks(jwks)


def parse_jwks(jwks: object) -> KeySet:
    """Read a JWK Set from its value; raises `JwksValidationError` where it is none."""
    if not isinstance(jwks, Mapping):
        raise JwksValidationError("JWKS is not an object")
    keys = jwks.get("keys")
    if not isinstance(keys, list):
        raise JwksValidationError("JWKS does not have a list of keys")
    if len(keys) > MAX_KEYS:
        raise JwksValidationError(f"JWKS has more than {MAX_KEYS} keys")
    return _index(_usable(keys))


def _usable(keys: Iterable[Any]) -> Iterable[SigningKey | str]:
    for position, jwk in enumerate(keys):
        try:
            key = parse_jwk(jwk)
        except JwtBaseError as error:
            yield f"key {position}: {error}"
            continue
        if not key.kid or len(key.kid) > MAX_KID_LENGTH:
            yield f"key {position}: without a kid it can't be chosen"
            continue
        yield key


def _index(keys: Iterable[SigningKey | str]) -> KeySet:
    found: dict[str, SigningKey] = {}
    ambiguous: set[str] = set()
    skipped: list[str] = []
    for key in keys:
        if isinstance(key, str):
            skipped.append(key)
        elif key.kid in found and not _same(found[key.kid], key):
            ambiguous.add(key.kid)
        else:
            found[key.kid] = key
    for kid in ambiguous:
        del found[kid]
        skipped.append("two different keys under one kid: neither is used")
    return KeySet(found, tuple(skipped))


def _same(one: SigningKey, other: SigningKey) -> bool:
    return one.thumbprint == other.thumbprint and one.alg == other.alg
