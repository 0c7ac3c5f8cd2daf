"""What holds for every input: a verdict of the hierarchy, and no second spelling of a good token."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity import Authenticator, Credential, JwksCache, JwksSource, JwtVerifier, NoFetcher
from gateway.identity.authenticate import credential
from gateway.identity.encoding import decode_base64url, parse_json
from gateway.identity.errors import JwtBaseError
from gateway.identity.keyset import parse_jwks, parse_jwks_text
from gateway.identity.testing import Signer, base64url, ec_signer, ed25519_signer, jwks, rsa_signer
from gateway.policy.model import IssuerRule, Principal
from gateway.policy.problems import Refusal

ISSUER = "https://issuer.example"
NOW = 1_800_000_000.0
GOOD = {"iss": ISSUER, "aud": "me", "sub": "s", "iat": NOW - 5, "exp": NOW + 60, "scope": "read", "tenant": "acme"}
SIGNERS = [rsa_signer("rsa"), ec_signer("ec"), ed25519_signer("ed")]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("iss", "aud", "sub", "exp", "nbf", "iat", "jti", "scope", "tenant", "token_use", "client_id", "typ", "events")


def verifier() -> JwtVerifier:
    """One issuer with all three keys."""
    cache = JwksCache(NoFetcher(), clock=lambda: NOW)
    made = JwtVerifier.create(
        issuer=ISSUER, audience="me", scope="read", jwks_uri=f"{ISSUER}/jwks", jwks_cache=cache, clock=lambda: NOW
    )
    made.cache_jwks(jwks(*SIGNERS))
    return made


def authenticator() -> Authenticator:
    """The same as the gateway has it."""
    cache = JwksCache(NoFetcher(), clock=lambda: NOW)
    rule = IssuerRule(issuer=ISSUER, audience=("me",), tenant_claim="tenant", jwks_uri=f"{ISSUER}/jwks")
    cache.add_jwks(JwksSource(ISSUER, rule.jwks_uri), jwks(*SIGNERS))
    return Authenticator([rule], jwks_cache=cache, clock=lambda: NOW)


VERIFIER = verifier()
AUTHENTICATOR = authenticator()


def held(token: Any) -> bool:
    """Whether both believe it; what they raise is of the hierarchy, or the test fails."""
    said = AUTHENTICATOR.authenticate(Credential(value=token, is_api_key=str(token).startswith("ugk_")))
    assert isinstance(said, (Principal, Refusal))
    try:
        VERIFIER.verify(token)
    except JwtBaseError:
        return False
    return True


@given(st.text() | st.binary().map(base64url) | st.from_regex(r"[\w-]{1,40}\.[\w-]{1,40}\.[\w-]{1,40}=*"))
def test_no_text_is_anything_but_refused(text: str) -> None:
    """Arbitrary text, base64 and things of the shape of a token."""
    assert not held(text)


@given(st.none() | st.integers() | st.binary() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()))
def test_no_other_value_is_anything_but_refused(value: Any) -> None:
    """What a careless caller hands over."""
    with pytest.raises(JwtBaseError):
        VERIFIER.verify(value)


@given(
    st.sampled_from(SIGNERS),
    st.dictionaries(st.sampled_from(NAMES), JSON),
    st.dictionaries(st.sampled_from(("alg", "kid", "typ", "crit", "b64", "x5c")), JSON),
)
@settings(max_examples=200)
def test_no_signed_claims_raise_anything_else(signer: Signer, claims: dict[str, Any], header: dict[str, Any]) -> None:
    """Properly signed, with any values in the claims that are looked at."""
    members = {"alg": signer.alg, "kid": signer.kid} | header
    held(signer.raw_token(json.dumps(members).encode(), json.dumps(GOOD | claims).encode()))


@given(st.sampled_from(SIGNERS), st.binary(max_size=200), st.binary(max_size=200))
def test_no_signed_bytes_raise_anything_else(signer: Signer, header: bytes, payload: bytes) -> None:
    """Properly signed, of any bytes."""
    assert not held(signer.raw_token(header, payload))


@given(st.sampled_from(SIGNERS), st.data())
@settings(max_examples=300)
def test_any_changed_character_of_a_good_token_is_refused(signer: Signer, data: st.DataObject) -> None:
    """Replaced, inserted or left out, anywhere: there is one spelling."""
    token = signer.token(GOOD)
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_=+/. \n.é") | st.characters())
    changed = data.draw(
        st.sampled_from(
            (token[:at] + letter + token[at + 1 :], token[:at] + letter + token[at:], token[:at] + token[at + 1 :])
        )
    )

    assert held(token)
    assert changed == token or not held(changed)


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.alg)
def test_every_single_bit_of_a_good_token_counts(signer: Signer) -> None:
    """Exhaustively: each character with each of its seven bits flipped."""
    token = signer.token(GOOD)
    changed = [
        token[:at] + chr(ord(token[at]) ^ 1 << bit) + token[at + 1 :] for at in range(len(token)) for bit in range(7)
    ]

    def believed(one: str) -> bool:
        try:
            VERIFIER.verify(one)
        except JwtBaseError:
            return False
        return True

    assert believed(token)
    assert [one for one in changed if believed(one)] == []


@given(st.binary(max_size=300))
def test_base64url_that_is_read_is_written_the_same(raw: bytes) -> None:
    """Decoding is one to one on what it accepts."""
    assert decode_base64url(base64url(raw)) == raw


@given(st.text(alphabet="ABab01-_=+/ \n", max_size=12))
def test_base64url_that_is_accepted_is_canonical(text: str) -> None:
    """Whatever decodes is exactly what its bytes would be written as."""
    try:
        raw = decode_base64url(text)
    except ValueError:
        return
    assert base64url(raw) == text


@given(JSON)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    """Strictness loses nothing: finite numbers and real characters come back the same, others are refused."""
    text = json.dumps(value)
    try:
        found = parse_json(text.encode())
    except ValueError:
        return
    assert found == value


@given(st.binary(max_size=300))
def test_no_key_set_raises_anything_else(raw: bytes) -> None:
    """Bytes that an issuer may publish."""
    with pytest.raises(JwtBaseError):
        parse_jwks_text(raw)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(("kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y")),
            JSON | st.sampled_from(("RSA", "EC", "OKP", "sig", "P-256", "Ed25519", "AQAB")),
        ),
        max_size=5,
    )
)
def test_no_keys_raise_anything_else(keys: list[dict[str, Any]]) -> None:
    """Values that an issuer may publish: skipped, every one."""
    assert set(parse_jwks({"keys": keys}).keys) == set()


@given(
    st.lists(st.tuples(st.sampled_from(("Authorization", "x-api-key", "X-API-KEY", "other")), st.text()), max_size=3)
)
def test_no_headers_are_anything_but_a_credential_or_a_refusal(headers: list[tuple[str, str]]) -> None:
    """And what is found in them is verified or refused."""
    found = credential(headers)

    assert isinstance(found, Refusal) or isinstance(AUTHENTICATOR.authenticate(found), Refusal)
