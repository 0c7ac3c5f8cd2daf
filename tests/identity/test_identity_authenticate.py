"""A credential becomes a principal or a refusal, and nothing else."""

import asyncio
from collections.abc import Iterator

import pytest

from gateway.identity.authenticate import Authenticator, credential
from gateway.identity.credential import Credential
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.identity.testing import LocalIssuer, Signer, ec_signer
from gateway.policy.model import IssuerRule, Principal
from gateway.policy.problems import Code, Refusal

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def signer() -> Signer:
    """One key for the module."""
    return ec_signer("one")


@pytest.fixture
def issuer(signer: Signer) -> Iterator[LocalIssuer]:
    """An issuer on loopback."""
    with LocalIssuer(signer) as running:
        yield running


@pytest.fixture
def authenticator(issuer: LocalIssuer) -> Authenticator:
    """An authenticator that knows that issuer as the operator's."""
    rule = IssuerRule(issuer=issuer.url, audience=("gateway",), tenant_claim="tenant")
    cache = JwksCache(HttpsFetcher(allow_private=True), clock=lambda: NOW)
    return Authenticator([rule], jwks_cache=cache, clock=lambda: NOW)


def claims(issuer: LocalIssuer, **changes: object) -> dict[str, object]:
    """Good claims, with changes."""
    good = {
        "iss": issuer.url,
        "aud": "gateway",
        "exp": NOW + 60,
        "iat": NOW,
        "sub": "s",
        "tenant": "acme",
        "scope": "a b",
    }
    return good | changes


def jwt(value: str) -> Credential:
    """A credential, as the header gave it."""
    found = credential([("Authorization", f"Bearer {value}")])
    assert isinstance(found, Credential)
    return found


def test_a_good_token_is_a_principal(authenticator: Authenticator, issuer: LocalIssuer, signer: Signer) -> None:
    """Keys are discovered once, then a token is its claims' principal."""
    token = jwt(signer.token(claims(issuer)))

    expected = Principal(
        tenant="acme", issuer=issuer.url, subject="s", scopes=frozenset({"a", "b"}), expires_at=NOW + 60
    )
    assert expected == authenticator.authenticate(token)
    assert expected == asyncio.run(authenticator.authenticate_async(token))
    assert issuer.requests == ["/.well-known/openid-configuration", "/.well-known/jwks.json"]


def test_an_unknown_issuer_costs_no_request(authenticator: Authenticator, issuer: LocalIssuer, signer: Signer) -> None:
    """Who nobody configured is refused before any network."""
    answer = authenticator.authenticate(jwt(signer.token(claims(issuer, iss="https://other.example"))))

    assert isinstance(answer, Refusal)
    assert (answer.code, issuer.requests) == (Code.TOKEN_INVALID, [])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], Code.TOKEN_MISSING),
        ([("Authorization", "")], Code.TOKEN_MISSING),
        ([("authorization", "Basic dTpw")], Code.TOKEN_MISSING),
        ([("authorization", "Bearer")], Code.TOKEN_INVALID),
        ([("authorization", "Bearer  ")], Code.TOKEN_INVALID),
        ([("x-api-key", "something")], Code.TOKEN_INVALID),
        ([("Authorization", "Bearer a"), ("AUTHORIZATION", "Bearer a")], Code.REQUEST_INVALID),
        ([("x-api-key", "ugk_a"), ("X-Api-Key", "ugk_a")], Code.REQUEST_INVALID),
        ([("x-api-key", "ugk_a"), ("Authorization", "Bearer a")], Code.REQUEST_INVALID),
    ],
)
def test_headers_without_one_credential_are_refused(headers: list[tuple[str, str]], code: Code) -> None:
    """No credential, an empty one, or two."""
    answer = credential(headers)

    assert isinstance(answer, Refusal)
    assert code == answer.code
    assert (answer.status == 401) == any(name == "www-authenticate" for name, _ in answer.headers)
