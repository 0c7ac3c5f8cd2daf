"""`JwtVerifier`: what a token must be, said in tables; each case is held against all three ways to verify."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.identity import (
    JwksCache,
    JwtVerifier,
    NoFetcher,
    ParameterValidationError,
    VerifiedJwt,
    decompose_unverified_jwt,
    validate_cognito_jwt_fields,
    validate_jwt_fields,
    verify_jwt_sync,
)
from gateway.identity.errors import (
    JwtBaseError,
    JwtExpiredError,
    JwtInvalidAudienceError,
    JwtInvalidClaimError,
    JwtInvalidSignatureError,
    JwtIssuerNotConfiguredError,
    JwtParseError,
)
from gateway.identity.testing import Signer, jwks, rsa_signer

ISSUER = "https://issuer.example"
NOW = 1_800_000_000.0
GOOD = {"iss": ISSUER, "aud": "me", "sub": "s", "iat": NOW - 5, "exp": NOW + 60, "scope": "read write"}


def verifier_of(*signers: Signer, **properties: Any) -> JwtVerifier:
    """A verifier of one issuer whose keys are these, and who can ask nobody."""
    given: dict[str, Any] = {"issuer": ISSUER, "audience": "me", "jwks_uri": f"{ISSUER}/jwks", **properties}
    verifier = JwtVerifier.create(jwks_cache=JwksCache(NoFetcher(), clock=lambda: NOW), clock=lambda: NOW, **given)
    verifier.cache_jwks(jwks(*signers))
    return verifier


def verdict(verifier: JwtVerifier, token: Any, **properties: Any) -> str:
    """`ok` or the error's class; the three ways must agree."""

    def said(call: Any) -> str:
        try:
            call()
        except JwtBaseError as error:
            return type(error).__name__
        return "ok"

    verdicts = {
        said(lambda: verifier.verify(token, **properties)),
        said(lambda: verifier.verify_sync(token, **properties)),
        said(lambda: asyncio.run(verifier.verify_async(token, **properties))),
    }
    assert len(verdicts) == 1
    return verdicts.pop()


def without(*names: str) -> dict[str, Any]:
    """Good claims but these."""
    return {name: value for name, value in GOOD.items() if name not in names}


JUNK_DATES: tuple[Any, ...] = ("1", None, True, [], {})
JUNK_NAMES: tuple[Any, ...] = (1, None, [], {})
JUNK_AUDIENCES: tuple[Any, ...] = (1, None, {}, [1], [["me"]], ["me", None])

CLAIMS: list[tuple[dict[str, Any], str]] = [
    (GOOD, "ok"),
    # Times: `exp` is good in its own second (13); fractions count.
    (GOOD | {"exp": NOW}, "ok"),
    (GOOD | {"exp": NOW - 0.5}, "JwtExpiredError"),
    (GOOD | {"exp": NOW - 1}, "JwtExpiredError"),
    (GOOD | {"exp": 0}, "JwtExpiredError"),
    (GOOD | {"exp": -1}, "JwtExpiredError"),
    (GOOD | {"exp": -(2**53)}, "JwtExpiredError"),
    (without("exp"), "JwtExpiredError"),
    (GOOD | {"nbf": NOW}, "ok"),
    (GOOD | {"nbf": NOW + 0.5}, "JwtNotBeforeError"),
    (GOOD | {"iat": NOW}, "ok"),
    (GOOD | {"iat": NOW + 1}, "JwtIssuedInFutureError"),
    (without("iat"), "ok"),
    (without("sub"), "ok"),
    # Issuer: exactly (T09).
    (GOOD | {"iss": ISSUER + "/"}, "JwtInvalidIssuerError"),
    (GOOD | {"iss": ISSUER[:-1]}, "JwtInvalidIssuerError"),
    (GOOD | {"iss": ISSUER.upper()}, "JwtInvalidIssuerError"),
    (without("iss"), "JwtInvalidIssuerError"),
    # Audience: exactly one of them (T08).
    (GOOD | {"aud": ["you", "me"]}, "ok"),
    (GOOD | {"aud": "m"}, "JwtInvalidAudienceError"),
    (GOOD | {"aud": "me too"}, "JwtInvalidAudienceError"),
    (GOOD | {"aud": []}, "JwtInvalidAudienceError"),
    (GOOD | {"aud": ["you"]}, "JwtInvalidAudienceError"),
    (without("aud"), "JwtInvalidAudienceError"),
    # Types, before any signature (9, T07).
    *((GOOD | {name: value}, "JwtParseError") for name in ("exp", "nbf", "iat") for value in JUNK_DATES),
    *((GOOD | {name: value}, "JwtParseError") for name in ("iss", "sub", "jti", "scope") for value in JUNK_NAMES),
    *((GOOD | {"aud": value}, "JwtParseError") for value in JUNK_AUDIENCES),
    (GOOD | {"exp": 10**400}, "JwtParseError"),
    (GOOD | {"exp": 2.0**60}, "JwtParseError"),
    (GOOD | {"name": "Ünï😀"}, "ok"),
]


@pytest.mark.parametrize(("claims", "expected"), CLAIMS, ids=str)
def test_claims_are_judged(ec_key: Signer, claims: dict[str, Any], expected: str) -> None:
    """One row a rule."""
    assert verdict(verifier_of(ec_key), ec_key.token(claims)) == expected


def test_every_algorithm_verifies(signers: list[Signer]) -> None:
    """RS256, ES256, ES384, ES512, EdDSA; each with a key that names its algorithm, and with one that does not (25)."""
    for signer in [*signers, rsa_signer("rs512", "RS512"), rsa_signer("rs384", "RS384")]:
        bare = Signer(signer.kid, signer.alg, {k: v for k, v in signer.jwk.items() if k != "alg"}, signer.sign_bytes)

        assert verdict(verifier_of(signer), signer.token(GOOD)) == "ok"
        assert verdict(verifier_of(bare), signer.token(GOOD)) == "ok"


def test_pss_is_behind_a_switch() -> None:
    """`PS256` verifies only where the verifier says so."""
    signer = rsa_signer("pss", "PS256")

    assert verdict(verifier_of(signer), signer.token(GOOD)) == "JwtInvalidSignatureAlgorithmError"
    assert verdict(verifier_of(signer, allow_pss=True), signer.token(GOOD)) == "ok"


HEADERS: list[tuple[dict[str, Any], str]] = [
    *(
        ({"alg": alg}, "JwtInvalidSignatureAlgorithmError")
        for alg in ("none", "None", "nOnE", "HS256", "HS512", "rs256")
    ),
    *(({"alg": alg}, "JwtInvalidSignatureAlgorithmError") for alg in ("PS256", "ES256K", "", "RS256 ", None)),
    *(({"alg": alg}, "JwtInvalidSignatureAlgorithmError") for alg in ("RS512", "ES256", "EdDSA")),
    ({"kid": None}, "JwtWithoutValidKidError"),
    ({"kid": 1}, "JwtParseError"),
    ({"alg": 1}, "JwtParseError"),
    ({"kid": ""}, "JwksUnavailableError"),
    ({"crit": ["x"]}, "JwtCriticalHeaderError"),
    ({"crit": []}, "JwtCriticalHeaderError"),
    ({"crit": ["b64"], "b64": False}, "JwtCriticalHeaderError"),
    ({"b64": False}, "JwtCriticalHeaderError"),
    ({"typ": None}, "ok"),
    ({"typ": "anything"}, "ok"),
    ({"jwk": {"kty": "oct", "k": "AA"}, "jku": "http://127.0.0.1:1", "x5u": "x", "x5c": ["x"]}, "ok"),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS, ids=str)
def test_headers_are_judged(rsa_key: Signer, header: dict[str, Any], expected: str) -> None:
    """T02, T03, T05, T06: the algorithm is the key's, extensions are refused, keys in the token are not seen."""
    token = rsa_key.token(GOOD, **header)
    verifier = verifier_of(rsa_key)
    verdicts = set()
    for call in (verifier.verify, lambda one: asyncio.run(verifier.verify_async(one))):
        try:
            call(token)
            verdicts.add("ok")
        except JwtBaseError as error:
            verdicts.add(type(error).__name__)

    assert verdicts == {expected}


def public_texts(signer: Signer) -> dict[str, bytes]:
    """The ways in which people write an RSA key down."""
    numbers = [int.from_bytes(urlsafe_b64decode(signer.jwk[name] + "==")) for name in ("e", "n")]
    key = rsa.RSAPublicNumbers(*numbers).public_key()
    return {
        "PEM": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "PKCS1": key.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "DER": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": json.dumps(signer.jwk).encode(),
        "JWKS": json.dumps(jwks(signer)).encode(),
        "nothing": b"",
    }


@pytest.mark.parametrize("text", ["PEM", "PKCS1", "DER", "JWK", "JWKS", "nothing"])
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_never_a_secret(rsa_key: Signer, alg: str, text: str) -> None:
    """T02: a MAC keyed with whatever text the public key has."""
    secret = public_texts(rsa_key)[text]
    forged = Signer("rsa", alg, {}, lambda data: hmac.digest(secret, data, f"sha{alg[2:]}"))

    assert verdict(verifier_of(rsa_key), forged.token(GOOD)) == "JwtInvalidSignatureAlgorithmError"


SPELLINGS = [
    ("", "Empty JWT"),
    (None, "Empty JWT"),
    (b"a.b.c", "JWT is not a string"),
    ({"a": 1}, "JWT is not a string"),
    ("a.b", "exactly 3 parts"),
    ("a.b.c.d", "exactly 3 parts"),
    ("..", "exactly 3 parts"),
    ("TOKEN\n", "exactly 3 parts"),
    (" TOKEN", "exactly 3 parts"),
    ("Bearer TOKEN", "exactly 3 parts"),
    ("TOKEN=", "exactly 3 parts"),
    ("TOKEN==", "exactly 3 parts"),
    ("TOKEN.", "exactly 3 parts"),
    ('{"payload": "TOKEN"}', "exactly 3 parts"),
    ("TOKEN\u2028", "exactly 3 parts"),
    ("x" * 8193, "longer than 8192 bytes"),
]


@pytest.mark.parametrize(("spelling", "message"), SPELLINGS, ids=range(len(SPELLINGS)))
def test_a_token_has_one_spelling(ec_key: Signer, spelling: Any, message: str) -> None:
    """T14, 6: anything around or after it is no token."""
    token = spelling.replace("TOKEN", ec_key.token(GOOD)) if isinstance(spelling, str) else spelling

    with pytest.raises(JwtParseError, match=message):
        verifier_of(ec_key).verify(token)


RAW = [
    (b'{"alg":"ES256","kid":"ec"}', b'{"tenant":"a","tenant":"b"}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec","kid":"x"}', b"{}", "Header is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"a":{"b":1,"b":1}}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"a":"\xff"}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"a":"\\ud800"}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"\\udfff":1}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"a":["\\ud800"]}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"exp":NaN}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"exp":-Infinity}', "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"exp":1e999}', "exp claim is not a number"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"exp":' + b"9" * 5000 + b"}", "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b"[" * 2000 + b"]" * 2000, "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b'{"a":' * 17 + b"1" + b"}" * 17, "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b"[]", "JWT payload is not an object"),
    (b'{"alg":"ES256","kid":"ec"}', b'"x"', "JWT payload is not an object"),
    (b'{"alg":"ES256","kid":"ec"}', b"{} {}", "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b"\xef\xbb\xbf{}", "Payload is not a valid JSON object"),
    (b'{"alg":"ES256","kid":"ec"}', b"{'a':1}", "Payload is not a valid JSON object"),
    (b"[1]", b"{}", "JWT header is not an object"),
    (b"x", b"{}", "Header is not a valid JSON object"),
]


@pytest.mark.parametrize(("header", "payload", "message"), RAW, ids=range(len(RAW)))
def test_json_has_one_meaning(ec_key: Signer, header: bytes, payload: bytes, message: str) -> None:
    """T15, 8, 10, 11: ambiguous or broken JSON is refused though it is signed."""
    with pytest.raises(JwtParseError, match=message):
        verifier_of(ec_key).verify(ec_key.raw_token(header, payload))


def test_nesting_up_to_the_limit_is_read(ec_key: Signer) -> None:
    """Sixteen levels; brackets in strings are none."""
    deep: Any = "[{" * 40
    for _ in range(14):
        deep = [deep]

    assert verdict(verifier_of(ec_key), ec_key.token(GOOD | {"deep": deep, "flat": [[]] * 30})) == "ok"


OPTIONS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"require_exp": False}, without("exp"), "ok"),
    ({"check_iat": False}, GOOD | {"iat": NOW + 10}, "ok"),
    ({"grace_seconds": 10}, GOOD | {"exp": NOW - 10}, "ok"),
    ({"grace_seconds": 10}, GOOD | {"exp": NOW - 11}, "JwtExpiredError"),
    ({"grace_seconds": 10}, GOOD | {"nbf": NOW + 10, "iat": NOW + 10}, "ok"),
    ({"grace_seconds": 10}, GOOD | {"nbf": NOW + 11}, "JwtNotBeforeError"),
    ({"max_lifetime": 65}, GOOD, "ok"),
    ({"max_lifetime": 64}, GOOD, "JwtLifetimeError"),
    ({"max_lifetime": 60}, without("iat"), "ok"),
    ({"max_lifetime": 59}, without("iat"), "JwtLifetimeError"),
    ({"audience": None}, without("aud"), "ok"),
    ({"audience": ["you", "me"]}, GOOD, "ok"),
    ({"audience": "you"}, GOOD, "JwtInvalidAudienceError"),
    ({"scope": "read"}, GOOD, "ok"),
    ({"scope": ["admin", "write"]}, GOOD, "ok"),
    ({"scope": "admin"}, GOOD, "JwtInvalidScopeError"),
    ({"scope": "read"}, GOOD | {"scope": "a  read"}, "ok"),
    ({"scope": "read"}, GOOD | {"scope": "reader"}, "JwtInvalidScopeError"),
    ({"scope": "read"}, without("scope"), "JwtInvalidScopeError"),
    ({"all_scopes": ["read", "write"]}, GOOD, "ok"),
    ({"all_scopes": ["read", "admin"]}, GOOD, "JwtInvalidScopeError"),
    ({"typ": "jwt"}, GOOD, "ok"),
    ({"typ": ["at+jwt", "application/JWT"]}, GOOD, "ok"),
    ({"typ": "at+jwt"}, GOOD, "JwtInvalidTypeError"),
]


@pytest.mark.parametrize(("options", "claims", "expected"), OPTIONS, ids=str)
def test_properties_hold_for_a_verifier_or_for_one_call(
    ec_key: Signer, options: dict[str, Any], claims: dict[str, Any], expected: str
) -> None:
    """5: what is given to `create` is a default, and a call may say otherwise."""
    token = ec_key.token(claims)

    assert verdict(verifier_of(ec_key, **options), token) == expected
    assert verdict(verifier_of(ec_key), token, **options) == expected


WRONG: list[dict[str, Any]] = [
    {},
    {"issuer": ISSUER},
    {"audience": "me"},
    {"issuer": None, "audience": "me"},
    {"issuer": [ISSUER], "audience": "me"},
    {"issuer": ISSUER, "audience": []},
    {"issuer": ISSUER, "audience": ""},
    {"issuer": ISSUER, "audience": [1]},
    {"issuer": ISSUER, "audience": "me", "scope": []},
    {"issuer": ISSUER, "audience": "me", "grace_seconds": -1},
    {"issuer": ISSUER, "audience": "me", "max_lifetime": 0},
    {"issuer": ISSUER, "audience": "me", "unknown": 1},
    {"several": []},
    {"several": [{"issuer": ISSUER, "audience": "me"}] * 2},
    {"several": [{"issuer": ISSUER, "audience": "me"}, {"issuer": None, "audience": "me", "jwks_uri": "https://x"}]},
    {"several": [{"issuer": ISSUER, "audience": "me"}], "audience": "me"},
]


@pytest.mark.parametrize("properties", WRONG, ids=str)
def test_what_can_not_be_meant_is_refused_at_construction(properties: dict[str, Any]) -> None:
    """19, 21, 32, 34: a security parameter is given or explicitly None, and a list has something in it."""
    with pytest.raises(ParameterValidationError):
        JwtVerifier.create(**properties)


@pytest.mark.parametrize("name", ["issuer", "jwks_uri", "allow_pss", "client_id", "nonsense"])
def test_what_a_call_may_not_say(ec_key: Signer, name: str) -> None:
    """5: an issuer for one call is refused, where aws-jwt-verify silently honours it."""
    overrides: Any = {name: "x"}
    with pytest.raises(ParameterValidationError, match=name):
        verifier_of(ec_key).verify(ec_key.token(GOOD), **overrides)


def test_several_issuers_are_told_apart_before_any_network(ec_key: Signer, ed_key: Signer) -> None:
    """33, T09: `iss` chooses the rules and the keys; another issuer's key is no key, an unknown issuer nobody."""
    other = "https://other.example"
    cache = JwksCache(NoFetcher(), clock=lambda: NOW)
    verifier = JwtVerifier.create(
        [
            {"issuer": ISSUER, "audience": "me", "jwks_uri": f"{ISSUER}/jwks"},
            {"issuer": other, "audience": "you", "jwks_uri": f"{other}/jwks"},
        ],
        jwks_cache=cache,
        clock=lambda: NOW,
    )
    verifier.cache_jwks(jwks(ec_key), ISSUER)
    verifier.cache_jwks(jwks(Signer("ec", ed_key.alg, {**ed_key.jwk, "kid": "ec"}, ed_key.sign_bytes)), other)

    assert verdict(verifier, ec_key.token(GOOD)) == "ok"
    assert verdict(verifier, ec_key.token(GOOD | {"iss": other})) == "JwtInvalidSignatureAlgorithmError"
    assert verdict(verifier, ec_key.token(GOOD | {"iss": "https://unknown.example"})) == "JwtIssuerNotConfiguredError"
    assert verdict(verifier, ec_key.token(without("iss"))) == "JwtIssuerNotConfiguredError"
    for wrong in (None, "https://unknown.example"):
        with pytest.raises(ParameterValidationError):
            verifier.cache_jwks(jwks(ec_key), wrong)


def test_one_issuer_is_checked_after_the_signature(ec_key: Signer) -> None:
    """33: with one issuer its keys are used whatever the token says, and then `iss` must be it."""
    forged = Signer("ec", "ES256", {}, lambda _: bytes(64))

    assert verdict(verifier_of(ec_key), forged.token(GOOD | {"iss": "x"})) == "JwtInvalidSignatureError"
    assert verdict(verifier_of(ec_key), ec_key.token(GOOD | {"iss": "x"})) == "JwtInvalidIssuerError"


class RefusedError(JwtInvalidClaimError):
    """A caller's own error."""


def test_a_custom_check_has_the_last_word(ec_key: Signer) -> None:
    """22: it sees header, claims and key, after all else held."""
    seen: list[VerifiedJwt] = []
    assert verdict(verifier_of(ec_key, custom_jwt_check=seen.append), ec_key.token(GOOD)) == "ok"

    def refuse(token: VerifiedJwt) -> None:
        raise RefusedError("no", token.payload["sub"], "another")

    assert (seen[0].header["kid"], seen[0].payload["sub"], seen[0].jwk.kid) == ("ec", "s", "ec")
    assert verdict(verifier_of(ec_key), ec_key.token(GOOD), custom_jwt_check=refuse) == "RefusedError"
    assert (
        verdict(verifier_of(ec_key), ec_key.token(without("aud")), custom_jwt_check=refuse) == "JwtInvalidAudienceError"
    )


def test_a_custom_check_may_wait_where_there_is_an_event_loop(ec_key: Signer) -> None:
    """22: elsewhere that is the caller's mistake, and nothing is left unawaited."""

    async def wait(token: VerifiedJwt) -> None:
        await asyncio.sleep(0)
        if token.payload["sub"] != "s":
            raise RefusedError("no")

    def check(token: VerifiedJwt) -> Awaitable[None]:
        return wait(token)

    verifier = verifier_of(ec_key, custom_jwt_check=check)

    assert asyncio.run(verifier.verify_async(ec_key.token(GOOD)))["sub"] == "s"
    with pytest.raises(RefusedError):
        asyncio.run(verifier.verify_async(ec_key.token(GOOD | {"sub": "t"})))
    for call in (verifier.verify, verifier.verify_sync):
        with pytest.raises(ParameterValidationError, match="must be synchronous"):
            call(ec_key.token(GOOD))


def test_the_raw_token_is_in_an_error_only_where_asked_and_verified(ec_key: Signer) -> None:
    """23: after a valid signature, on claims' errors, a caller's own included; per call or per verifier."""

    def error_of(token: str, **properties: Any) -> JwtBaseError:
        with pytest.raises(JwtBaseError) as caught:
            verifier_of(ec_key).verify(token, **properties)
        return caught.value

    expired = ec_key.token(GOOD | {"exp": 1})
    quiet, loud = error_of(expired), error_of(expired, include_raw_jwt_in_errors=True)
    assert isinstance(quiet, JwtExpiredError)
    assert isinstance(loud, JwtExpiredError)
    assert quiet.raw_jwt is None
    assert loud.raw_jwt is not None
    assert (loud.raw_jwt.header["kid"], loud.raw_jwt.payload["sub"]) == ("ec", "s")
    assert loud.failed_assertion.actual == 1
    broken = error_of(Signer("ec", "ES256", {}, lambda _: bytes(64)).token(GOOD), include_raw_jwt_in_errors=True)
    assert isinstance(broken, JwtInvalidSignatureError)
    assert not hasattr(broken, "raw_jwt")


def test_messages_say_what_was_expected_and_nothing_the_token_said(ec_key: Signer) -> None:
    """20: expected values in the sentence, the actual one in `failed_assertion` alone."""
    with pytest.raises(JwtInvalidAudienceError, match=r"^Wrong Audience. Expected one of: a, b$") as caught:
        verifier_of(ec_key, audience=["a", "b"]).verify(ec_key.token(GOOD | {"aud": "secret"}))
    assert (caught.value.failed_assertion.actual, caught.value.failed_assertion.expected) == ("secret", ("a", "b"))

    with pytest.raises(JwtExpiredError, match=r"^Token expired at 1970-01-01T00:00:01"):
        verifier_of(ec_key).verify(ec_key.token(GOOD | {"exp": 1}))
    with pytest.raises(JwtIssuerNotConfiguredError) as unknown:
        JwtVerifier.create(
            [{"issuer": one, "audience": None} for one in ("https://a.example", "https://b.example")]
        ).verify(ec_key.token(GOOD | {"iss": "secret"}))
    assert "secret" not in str(unknown.value)


def test_verify_jwt_sync_takes_a_key_or_a_set(ec_key: Signer, ed_key: Signer) -> None:
    """3, 42: no cache and no network; anything else is the caller's mistake."""
    token, bare = ec_key.token(GOOD), ec_key.token(GOOD, kid=None)
    given: dict[str, Any] = {"issuer": ISSUER, "audience": "me", "now": NOW}

    assert verify_jwt_sync(token, ec_key.jwk, **given)["sub"] == "s"
    assert verify_jwt_sync(bare, ec_key.jwk, **given)["sub"] == "s"
    assert verify_jwt_sync(token, jwks(ed_key, ec_key), **given)["sub"] == "s"
    for wrong, keys in ((bare, jwks(ec_key)), (token, ed_key.jwk), (token, {}), (token, {"keys": 1})):
        with pytest.raises(JwtBaseError):
            verify_jwt_sync(wrong, keys, **given)


def test_claims_can_be_judged_alone(ec_key: Signer) -> None:
    """3, 47: a Cognito check inside a generic verifier, for instance."""
    unverified = decompose_unverified_jwt(ec_key.token(GOOD)).payload
    validate_jwt_fields(unverified, issuer=ISSUER, audience="me", now=NOW)

    with pytest.raises(JwtExpiredError):
        validate_jwt_fields(unverified, issuer=ISSUER, audience="me", now=NOW + 100)

    def check(token: VerifiedJwt) -> None:
        validate_cognito_jwt_fields(token.payload, client_id="c", token_use="access")

    cognito = GOOD | {"token_use": "access", "client_id": "c"}
    assert verdict(verifier_of(ec_key, audience=None, custom_jwt_check=check), ec_key.token(cognito)) == "ok"
    expected = "CognitoJwtInvalidTokenUseError"
    assert verdict(verifier_of(ec_key, audience=None, custom_jwt_check=check), ec_key.token(GOOD)) == expected


def test_a_verifier_may_expect_any_issuer_of_one_address(ec_key: Signer) -> None:
    """32: `issuer` None needs to be told where the keys are."""
    verifier = verifier_of(ec_key, issuer=None)

    assert verdict(verifier, ec_key.token(without("iss"))) == "ok"


def test_hydrated_keys_need_no_fetch(ec_key: Signer) -> None:
    """2: `hydrate` and its twin fetch, and say so where nothing could be had."""
    verifier = JwtVerifier.create(
        issuer=ISSUER, audience="me", jwks_cache=JwksCache(NoFetcher(), clock=lambda: NOW), clock=lambda: NOW
    )
    for call in (verifier.hydrate, lambda: asyncio.run(verifier.hydrate_async())):
        with pytest.raises(JwtBaseError):
            call()


def test_what_a_caller_does_to_claims_changes_no_later_verdict(ec_key: Signer) -> None:
    """A token that comes again is read as it is written, whatever was done to what it was read into before."""
    token = ec_key.token(GOOD | {"aud": ["you"], "deep": {"a": 1}}, x5c=["a"])
    flat = ec_key.token(GOOD)

    def widen(one: VerifiedJwt) -> None:
        one.payload["aud"].append("me")
        one.payload["deep"]["a"] = 2
        one.header["x5c"].append("b")

    verifier_of(ec_key, audience="you", custom_jwt_check=widen).verify(token)
    assert verdict(verifier_of(ec_key), token) == "JwtInvalidAudienceError"
    again = decompose_unverified_jwt(token)
    assert (again.payload["deep"], again.header["x5c"]) == ({"a": 1}, ["a"])
    for one in (decompose_unverified_jwt(flat).payload, verifier_of(ec_key).verify(flat)):
        with pytest.raises(TypeError):
            one["aud"] = "you"  # type: ignore[index]


def test_claims_come_back_as_they_were(ec_key: Signer) -> None:
    """The verified payload, nothing added."""
    claims: Mapping[str, Any] = verifier_of(ec_key).verify(ec_key.token(GOOD))

    assert dict(claims) == GOOD
