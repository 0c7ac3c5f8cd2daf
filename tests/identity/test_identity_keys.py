"""A published key is one that may verify, or is skipped with its reason; one bad key spoils no set."""

from typing import Any

import pytest

from gateway.identity import assert_is_signature_jwk, find_jwk_in_jwks, is_jwk, is_jwks, safe_json_parse
from gateway.identity.encoding import decode_base64url
from gateway.identity.errors import JwtBaseError
from gateway.identity.keys import parse_jwk, thumbprint
from gateway.identity.keyset import parse_jwks
from gateway.identity.testing import Signer, base64url, jwks, rsa_signer


def problem(jwk: Any) -> str:
    """`ok` or the error's class."""
    try:
        parse_jwk(jwk)
    except JwtBaseError as error:
        return type(error).__name__
    return "ok"


RSA_CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "ok"),
    ({"use": "enc"}, "JwkInvalidUseError"),
    ({"use": ""}, "JwkInvalidUseError"),
    ({"use": 1}, "JwkInvalidUseError"),
    ({"key_ops": ["verify"]}, "ok"),
    ({"key_ops": ["sign"]}, "JwkInvalidUseError"),
    ({"key_ops": "verify"}, "JwkInvalidUseError"),
    ({"kty": "oct"}, "JwkInvalidKtyError"),
    ({"kty": None}, "JwkInvalidKtyError"),
    ({"kty": ["RSA"]}, "JwkInvalidKtyError"),
    ({"kty": "EC"}, "JwkValidationError"),
    ({"kid": 1}, "JwkValidationError"),
    ({"alg": 1}, "JwkValidationError"),
    ({"alg": "ES256"}, "JwkValidationError"),
    ({"alg": "RSA-OAEP"}, "JwkValidationError"),
    ({"alg": "none"}, "JwkValidationError"),
    ({"alg": "RS512"}, "ok"),
    ({"n": None}, "JwkValidationError"),
    ({"n": "!"}, "JwkValidationError"),
    ({"n": "AAAA"}, "JwkValidationError"),
    ({"n": base64url(b"\xff" * 256)[:-1] + "="}, "JwkValidationError"),
    ({"n": base64url((2**2048 - 2).to_bytes(256, "big"))}, "JwkValidationError"),
    ({"n": base64url(b"\xff" * 1025)}, "JwkValidationError"),
    ({"e": "AQ"}, "JwkValidationError"),
    ({"e": "Ag"}, "JwkValidationError"),
    ({"e": "AA"}, "JwkValidationError"),
    ({"e": "AQAA"}, "JwkValidationError"),
    ({"e": "Aw"}, "ok"),
    ({"e": base64url(b"\xff" * 5)}, "JwkValidationError"),
    ({"d": "AQAB"}, "JwkValidationError"),
    ({"x5c": ["AAAA"], "x5u": "http://127.0.0.1:1", "x5t": "x"}, "ok"),
]


@pytest.mark.parametrize(("change", "expected"), RSA_CASES, ids=str)
def test_rsa_keys_are_judged(rsa_key: Signer, change: dict[str, Any], expected: str) -> None:
    """26, 27, T04, T19: purpose, members, size and exponent."""
    assert problem({**rsa_key.jwk, **change}) == expected


@pytest.mark.parametrize(
    ("bits", "expected"), [(1024, "JwkValidationError"), (2047, "JwkValidationError"), (2048, "ok")]
)
def test_small_rsa_keys_are_refused(bits: int, expected: str) -> None:
    """T19: at the bound and below it."""
    assert problem(rsa_signer("x", bits=bits).jwk) == expected


EC_CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "ok"),
    ({"crv": "P-384"}, "JwkValidationError"),
    ({"crv": "secp256k1"}, "JwkValidationError"),
    ({"crv": None}, "JwkValidationError"),
    ({"alg": "ES384"}, "JwkValidationError"),
    ({"x": base64url(bytes(32))}, "JwkValidationError"),
    ({"x": base64url(bytes(31))}, "JwkValidationError"),
    ({"y": base64url(bytes(33))}, "JwkValidationError"),
    ({"y": base64url(b"\xff" * 32)}, "JwkValidationError"),
]


@pytest.mark.parametrize(("change", "expected"), EC_CASES, ids=str)
def test_ec_keys_are_judged(ec_key: Signer, change: dict[str, Any], expected: str) -> None:
    """27: the curve has one algorithm, and the point is on it."""
    assert problem({**ec_key.jwk, **change}) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "ok"),
        ({"crv": "Ed448"}, "JwkValidationError"),
        ({"crv": "X25519"}, "JwkValidationError"),
        ({"x": base64url(bytes(31))}, "JwkValidationError"),
        ({"x": ""}, "JwkValidationError"),
        ({"alg": "ES256"}, "JwkValidationError"),
    ],
    ids=str,
)
def test_okp_keys_are_judged(ed_key: Signer, change: dict[str, Any], expected: str) -> None:
    """24: Ed25519 alone."""
    assert problem({**ed_key.jwk, **change}) == expected


def test_a_thumbprint_is_rfc_7638s() -> None:
    """The example of section 3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM"
        "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ"
        "zKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}

    expected = decode_base64url("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").hex()
    assert thumbprint(jwk) == expected


def test_one_bad_key_spoils_no_set(rsa_key: Signer, ec_key: Signer) -> None:
    """30: it is skipped, the reason kept; aws-jwt-verify refuses the whole set."""
    keys = [
        {"kty": "RSA"},
        1,
        None,
        {"kty": "oct", "k": "AA", "kid": "o"},
        dict(rsa_key.jwk),
        {**ec_key.jwk, "kid": None},
    ]
    found = parse_jwks({"keys": keys})

    assert set(found.keys) == {"rsa"}
    assert len(found.skipped) == 5


def test_two_keys_of_one_kid_are_both_skipped(rsa_key: Signer, ec_key: Signer, ed_key: Signer) -> None:
    """29: which was meant can't be known; the same key twice is one."""
    twins = [dict(rsa_key.jwk), {**ec_key.jwk, "kid": "rsa"}, dict(ed_key.jwk), dict(ed_key.jwk)]

    assert set(parse_jwks({"keys": twins}).keys) == {"ed"}
    assert set(parse_jwks({"keys": list(reversed(twins))}).keys) == {"ed"}


def test_an_empty_set_is_a_set() -> None:
    """30: an issuer may have withdrawn everything."""
    assert parse_jwks(jwks()).keys == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("AA", b"\0"),
        ("AAA", b"\0\0"),
        ("-_-_", b"\xfb\xff\xbf"),
        ("A", None),
        ("AB", None),
        ("AAB", None),
        ("AA==", None),
        ("A A", None),
        ("AA\n", None),
        ("+/+/", None),
        ("é", None),
        ("AAAA\0AAA", None),
        (".", None),
    ],
)
def test_base64url_has_one_spelling(text: str, expected: bytes | None) -> None:
    """T14: the alphabet, no padding, no unused bits."""
    try:
        found: bytes | None = decode_base64url(text)
    except ValueError:
        found = None

    assert found == expected


def test_shapes_can_be_asked_for(rsa_key: Signer) -> None:
    """3: the functions that say what a value is."""
    assert is_jwk(rsa_key.jwk)
    assert is_jwks(jwks(rsa_key))
    assert not is_jwks(rsa_key.jwk)
    assert not any(is_jwk(value) for value in (None, {}, {"kty": 1}, {"kty": "RSA", "n": 1}))
    assert_is_signature_jwk(rsa_key.jwk)
    with pytest.raises(JwtBaseError):
        assert_is_signature_jwk({"kty": "oct"})
    with pytest.raises(JwtBaseError):
        find_jwk_in_jwks(jwks(rsa_key), "other")


def test_json_can_be_read_as_strictly_elsewhere() -> None:
    """3: `safe_json_parse` refuses what a token may not have."""
    assert safe_json_parse('{"__proto__": 1}') == {"__proto__": 1}
    with pytest.raises(JwtBaseError):
        safe_json_parse('{"a": 1, "a": 2}')
