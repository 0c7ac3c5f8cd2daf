"""The parts of a verifier as functions, under aws-jwt-verify's names, for who brings their own keys or order.

A function that is handed a key is handed all it needs: no cache, no network. What fetches says so in its name.
"""

import time
from collections.abc import Mapping
from typing import Any, Unpack

from gateway.identity.core import check_header, check_signature, drive
from gateway.identity.encoding import parse_json
from gateway.identity.errors import (
    JwksValidationError,
    JwkValidationError,
    JwtBaseError,
    JwtWithoutValidKidError,
    ParameterValidationError,
)
from gateway.identity.expectations import (
    CREATE,
    CognitoVerifyProperties,
    IssuerProperties,
    read,
    read_cognito,
)
from gateway.identity.fetch import DEADLINE, Fetcher, HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.identity.keys import SigningKey, parse_jwk
from gateway.identity.keyset import KeySet, parse_jwks, parse_jwks_text
from gateway.identity.source import JwksSource
from gateway.identity.token import UnverifiedToken, check_claim_types, decompose_unverified_jwt
from gateway.identity.verifier import Claims, JwtVerifier, custom_check


def verify_jwt(
    jwt: str, jwks_uri: str, *, jwks_cache: JwksCache | None = None, **properties: Unpack[IssuerProperties]
) -> Claims:
    """The claims of a valid token; keys come from `jwks_uri`, fetched anew unless a cache is given."""
    return JwtVerifier.create(jwks_cache=jwks_cache, jwks_uri=jwks_uri, **properties).verify(jwt)


async def verify_jwt_async(
    jwt: str, jwks_uri: str, *, jwks_cache: JwksCache | None = None, **properties: Unpack[IssuerProperties]
) -> Claims:
    """As `verify_jwt`, from an event loop."""
    return await JwtVerifier.create(jwks_cache=jwks_cache, jwks_uri=jwks_uri, **properties).verify_async(jwt)


def verify_jwt_sync(
    jwt: str, keys: Mapping[str, Any], *, now: float | None = None, **properties: Unpack[IssuerProperties]
) -> Claims:
    """The claims of a token that is valid under this JWK or JWK Set; no I/O. Raises this room's errors."""
    expected = read(properties, CREATE - {"jwks_uri"})
    token = decompose_unverified_jwt(jwt)
    key = _key_for(keys, check_header(token, expected.algorithms, kid_required="keys" in keys))
    believed = check_signature(token, key)
    expected.check(believed, time.time() if now is None else now)
    if expected.custom_jwt_check is not None:
        drive(custom_check(believed, key, expected.custom_jwt_check), _no_key)
    return believed.payload


def _key_for(keys: Mapping[str, Any], kid: str) -> SigningKey:
    if is_jwks(keys):
        return find_jwk_in_jwks(keys, kid)
    if not is_jwk(keys):
        raise ParameterValidationError("Expected a JWK or a JWKS; an address is for verify_jwt")
    key = parse_jwk(dict(keys))
    if kid and key.kid and kid != key.kid:
        raise JwtWithoutValidKidError("JWT header's kid is not the given key's")
    return key


def _no_key(source: JwksSource, kid: str) -> SigningKey:
    del source, kid
    raise ParameterValidationError("No key is looked for here")


def validate_jwt_fields(
    payload: Mapping[str, Any], *, now: float | None = None, **properties: Unpack[IssuerProperties]
) -> None:
    """Hold claims against expectations; says nothing of a signature. Raises the claim's error."""
    check_claim_types(payload)
    read(properties, CREATE).check_claims(payload, time.time() if now is None else now)


def validate_cognito_jwt_fields(payload: Mapping[str, Any], **properties: Unpack[CognitoVerifyProperties]) -> None:
    """Hold Cognito's own claims against expectations, for a custom check. Raises the claim's error."""
    read_cognito(properties).check(payload)


def fetch_jwks(uri: str, *, fetcher: Fetcher | None = None) -> KeySet:
    """The key set at this address, fetched now; raises `FetchError` or `JwksValidationError`."""
    return parse_jwks_text((fetcher or HttpsFetcher()).fetch(uri, DEADLINE))


def fetch_jwk(uri: str, token: UnverifiedToken, *, fetcher: Fetcher | None = None) -> SigningKey:
    """The key at this address that the token names, fetched now; raises this room's errors."""
    return fetch_jwks(uri, fetcher=fetcher).find(check_header(token))


def find_jwk_in_jwks(jwks: Mapping[str, Any], kid: str) -> SigningKey:
    """The key of this `kid`, or `KidNotFoundInJwksError`."""
    return parse_jwks(jwks).find(kid)


def assert_is_jwks(value: object) -> None:
    """Raise `JwksValidationError` unless this is a JWK Set."""
    parse_jwks(value)


def is_jwks(value: object) -> bool:
    """Whether this is a JWK Set."""
    try:
        assert_is_jwks(value)
    except JwksValidationError:
        return False
    return True


def assert_is_jwk(value: object) -> None:
    """Raise `JwkValidationError` unless this has a JWK's shape: an object with a string `kty`."""
    if not isinstance(value, Mapping) or not isinstance(value.get("kty"), str):
        raise JwkValidationError("JWK is not an object with a kty")
    for name in ("use", "alg", "kid", "n", "e", "crv", "x", "y"):
        if name in value and not isinstance(value[name], str):
            raise JwkValidationError(f"JWK {name} is not a string")


def is_jwk(value: object) -> bool:
    """Whether this has a JWK's shape."""
    try:
        assert_is_jwk(value)
    except JwkValidationError:
        return False
    return True


def assert_is_signature_jwk(value: object) -> None:
    """Raise `JwkValidationError`, `JwkInvalidUseError` or `JwkInvalidKtyError` unless this key verifies signatures."""
    parse_jwk(value)


def safe_json_parse(text: str | bytes) -> Any:
    """The value of a JSON text, read as strictly as a token's; raises `JwtBaseError`."""
    try:
        return parse_json(text.encode("utf-8") if isinstance(text, str) else text)
    except (ValueError, RecursionError):
        raise JwtBaseError("Not valid JSON") from None
