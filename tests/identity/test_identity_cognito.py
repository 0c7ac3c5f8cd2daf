"""`CognitoJwtVerifier`: pools, clients, uses and groups, under every name a pool signs with."""

import asyncio
from typing import Any

import pytest

from gateway.identity import CognitoJwtVerifier, JwksCache, NoFetcher, ParameterValidationError
from gateway.identity.cognito import issuers_of
from gateway.identity.errors import JwtBaseError, KidNotFoundInJwksError
from gateway.identity.testing import Signer, jwks

NOW = 1_800_000_000.0
POOL = "eu-west-1_AbCdEf123"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
UPDATED = f"https://issuer-cognito-idp.eu-west-1.amazonaws.com/{POOL}"
ACCESS = {
    "iss": ISSUER,
    "sub": "s",
    "token_use": "access",
    "client_id": "client",
    "exp": NOW + 60,
    "iat": NOW,
    "scope": "openid files",
    "cognito:groups": ["admins", "users"],
}
ID = {"iss": ISSUER, "sub": "s", "token_use": "id", "aud": "client", "exp": NOW + 60, "iat": NOW}


def verifier_of(signer: Signer, **properties: Any) -> CognitoJwtVerifier:
    """A verifier of one pool with this key."""
    given: dict[str, Any] = {"user_pool_id": POOL, "client_id": "client", "token_use": None, **properties}
    cache = JwksCache(NoFetcher(), clock=lambda: NOW)
    verifier = CognitoJwtVerifier.create(jwks_cache=cache, clock=lambda: NOW, **given)
    verifier.cache_jwks(jwks(signer))
    return verifier


def verdict(verifier: CognitoJwtVerifier, token: str, **properties: Any) -> str:
    """`ok` or the error's class; the three ways must agree."""
    verdicts = set()
    for call in (verifier.verify, verifier.verify_sync, lambda *a, **k: asyncio.run(verifier.verify_async(*a, **k))):
        try:
            call(token, **properties)
            verdicts.add("ok")
        except JwtBaseError as error:
            verdicts.add(type(error).__name__)
    assert len(verdicts) == 1
    return str(verdicts.pop())


CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, ACCESS, "ok"),
    ({}, ID, "ok"),
    ({"token_use": "access"}, ACCESS, "ok"),
    ({"token_use": "access"}, ID, "CognitoJwtInvalidTokenUseError"),
    ({"token_use": "id"}, ACCESS, "CognitoJwtInvalidTokenUseError"),
    ({}, ACCESS | {"token_use": "refresh"}, "CognitoJwtInvalidTokenUseError"),
    ({}, ACCESS | {"token_use": None}, "CognitoJwtInvalidTokenUseError"),
    ({"client_id": ["other", "client"]}, ACCESS, "ok"),
    ({"client_id": None}, ACCESS | {"client_id": 1}, "ok"),
    ({"client_id": "other"}, ACCESS, "CognitoJwtInvalidClientIdError"),
    ({"client_id": "other"}, ID, "CognitoJwtInvalidClientIdError"),
    ({}, ID | {"aud": ["client"]}, "CognitoJwtInvalidClientIdError"),
    ({}, ACCESS | {"client_id": None}, "CognitoJwtInvalidClientIdError"),
    ({"group": "users"}, ACCESS, "ok"),
    ({"group": ["x", "admins"]}, ACCESS, "ok"),
    ({"group": "x"}, ACCESS, "CognitoJwtInvalidGroupError"),
    ({"group": "users"}, ID, "CognitoJwtInvalidGroupError"),
    ({"group": "users"}, ACCESS | {"cognito:groups": "users"}, "ok"),
    ({"group": "users"}, ACCESS | {"cognito:groups": {"users": 1}}, "CognitoJwtInvalidGroupError"),
    ({"scope": "files"}, ACCESS, "ok"),
    ({"scope": "admin"}, ACCESS, "JwtInvalidScopeError"),
    ({}, ACCESS | {"iss": UPDATED}, "ok"),
    ({}, ACCESS | {"iss": ISSUER + "x"}, "JwtIssuerNotConfiguredError"),
    ({}, ACCESS | {"exp": NOW - 1}, "JwtExpiredError"),
    ({"grace_seconds": 1}, ACCESS | {"exp": NOW - 1}, "ok"),
]


@pytest.mark.parametrize(("options", "claims", "expected"), CASES, ids=str)
def test_cognito_claims_are_judged(
    rsa_key: Signer, options: dict[str, Any], claims: dict[str, Any], expected: str
) -> None:
    """46: for a verifier and for one call."""
    token = rsa_key.token(claims)

    assert verdict(verifier_of(rsa_key, **options), token) == expected
    assert verdict(verifier_of(rsa_key), token, **options) == expected


POOLS = [
    ("us-east-1_a", "amazonaws.com"),
    ("us-gov-west-1_a", "amazonaws.com"),
    ("ap-southeast-12_a", "amazonaws.com"),
    ("mx-central-1_a", "amazonaws.com"),
    ("cn-north-1_a", "amazonaws.com.cn"),
    ("us-iso-east-1_a", "c2s.ic.gov"),
    ("us-isob-east-1_a", "sc2s.sgov.gov"),
    ("us-isof-south-1_a", "csp.hci.ic.gov"),
    ("eu-isoe-west-1_a", "cloud.adc-e.uk"),
    ("eusc-de-east-1_a", "amazonaws.eu"),
]


@pytest.mark.parametrize(("pool", "domain"), POOLS)
def test_every_partition_has_its_domain(pool: str, domain: str) -> None:
    """43: Regions of two digits, China, the isolated and the sovereign ones."""
    region = pool.partition("_")[0]
    issuers = issuers_of(pool)

    assert f"https://cognito-idp.{region}.{domain}/{pool}" in issuers
    assert f"https://issuer-cognito-idp.{region}.{domain}/{pool}" in issuers
    assert CognitoJwtVerifier.parse_user_pool_id(pool).issuer == issuers[0]
    assert CognitoJwtVerifier.parse_user_pool_id(pool, issuers[-1]).uri == f"{issuers[-1]}/.well-known/jwks.json"


@pytest.mark.parametrize(
    "pool",
    ["", "x", "us-east-1", "us-east-1_", "us-east-1_a/b", "us-east-1.evil.example/_a", "US-EAST-1_a", "us-east-1_a\n"],
)
def test_what_is_no_pool_is_refused(pool: str) -> None:
    """43: an id is a host's name in the making."""
    with pytest.raises(ParameterValidationError):
        issuers_of(pool)


def test_replicas_of_a_pool_are_known_by_their_regions(rsa_key: Signer) -> None:
    """45: the issuer has the replica's Region and the pool's own id."""
    token = rsa_key.token(ACCESS | {"iss": f"https://cognito-idp.us-west-2.amazonaws.com/{POOL}"})

    assert verdict(verifier_of(rsa_key), token) == "JwtIssuerNotConfiguredError"
    assert verdict(verifier_of(rsa_key, additional_regions=["us-west-2"]), token) == "ok"
    with pytest.raises(ParameterValidationError):
        verifier_of(rsa_key, additional_regions=["evil.example/"])


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"user_pool_id": POOL},
        {"user_pool_id": POOL, "client_id": "c"},
        {"user_pool_id": POOL, "token_use": "id"},
        {"user_pool_id": POOL, "client_id": "c", "token_use": "refresh"},
        {"user_pool_id": POOL, "client_id": [], "token_use": None},
        {"user_pool_id": POOL, "client_id": "c", "token_use": None, "audience": "x"},
        {"user_pool_id": POOL, "client_id": "c", "token_use": None, "issuer": "x"},
    ],
    ids=str,
)
def test_what_can_not_be_meant_is_refused_at_construction(properties: dict[str, Any]) -> None:
    """46: the client and the use are given or explicitly None."""
    with pytest.raises(ParameterValidationError):
        CognitoJwtVerifier.create(**properties)


def test_several_pools_have_their_own_rules_and_keys(rsa_key: Signer, ec_key: Signer) -> None:
    """1, 34: keys are given by pool, for both forms of its issuer."""
    other = "us-east-1_Other"
    verifier = CognitoJwtVerifier.create(
        [
            {"user_pool_id": POOL, "client_id": "client", "token_use": "access"},
            {"user_pool_id": other, "client_id": "another", "token_use": "id"},
        ],
        jwks_cache=JwksCache(NoFetcher(), clock=lambda: NOW),
        clock=lambda: NOW,
    )
    verifier.cache_jwks(jwks(rsa_key), POOL)
    verifier.cache_jwks(jwks(ec_key), other)
    elsewhere = f"https://issuer-cognito-idp.us-east-1.amazonaws.com/{other}"

    assert verdict(verifier, rsa_key.token(ACCESS)) == "ok"
    assert verdict(verifier, ec_key.token(ID | {"iss": elsewhere, "aud": "another"})) == "ok"
    with pytest.raises(KidNotFoundInJwksError):
        verifier.verify_sync(rsa_key.token(ID | {"iss": elsewhere, "aud": "another"}))
    for wrong in (None, "us-east-1_Unknown"):
        with pytest.raises(ParameterValidationError):
            verifier.cache_jwks(jwks(rsa_key), wrong)


def test_raw_claims_are_in_cognito_errors_too(rsa_key: Signer) -> None:
    """23: where asked."""
    with pytest.raises(JwtBaseError) as caught:
        verifier_of(rsa_key, include_raw_jwt_in_errors=True).verify(rsa_key.token(ACCESS | {"client_id": "x"}))

    assert getattr(caught.value, "raw_jwt").payload["client_id"] == "x"  # noqa: B009 - not on the base class
