"""The development issuer: tokens that its own JWKS verifies, keys and names that stay."""

import json
from pathlib import Path
from urllib.request import urlopen

import jwt
import pytest

from gateway.local.errors import DemoError
from gateway.local.issuer import DevelopmentIssuer
from gateway.local.issuer_keys import ALGORITHMS, thumbprint


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("admin", [False, True])
def test_a_token_verifies_with_the_served_keys(tmp_path: Path, alg: str, admin: bool) -> None:
    """What another process mints from the directory verifies with what the running issuer serves."""
    with DevelopmentIssuer.open(tmp_path).serving() as issuer:
        token = DevelopmentIssuer.open(tmp_path).token(tenant="acme", subject="ada", alg=alg, admin=admin)
        one = issuer.operators if admin else issuer.tenants
        with urlopen(f"{one.issuer}/.well-known/openid-configuration") as answer:
            uri = json.load(answer)["jwks_uri"]
        with urlopen(uri) as answer:
            keys = jwt.PyJWKSet.from_dict(json.load(answer))
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, keys[kid], algorithms=[alg], audience=one.audience, issuer=one.issuer)
    assert (claims["sub"], claims["tenant"], claims["scope"]) == ("ada", "acme", "files:write")


def test_names_and_keys_stay(tmp_path: Path) -> None:
    """A second start has the same issuer, the same keys, and files for their owner alone."""
    first, second = DevelopmentIssuer.open(tmp_path).describe(), DevelopmentIssuer.open(tmp_path).describe()
    assert first == second
    pems = [tmp_path / key["pem"] for part in (first, first["admin"]) for key in part["signing_keys"]]
    assert len({pem.read_bytes() for pem in pems}) == 6
    assert {pem.stat().st_mode & 0o777 for pem in pems} == {0o600}


def test_a_taken_port_moves_the_issuer(tmp_path: Path) -> None:
    """Where somebody else listens on the kept port, the issuer takes another and keeps that."""
    with (
        DevelopmentIssuer.open(tmp_path).serving() as first,
        DevelopmentIssuer.open(tmp_path).serving() as second,
    ):
        assert first.port != second.port
        assert DevelopmentIssuer.open(tmp_path).port == second.port


def test_the_clock_and_the_lifetime_are_the_callers(tmp_path: Path) -> None:
    """`iat` and `exp` are made of what was given."""
    token = DevelopmentIssuer.open(tmp_path).token(tenant="acme", ttl=60, now=1000.9)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["iat"], claims["exp"]) == (1000, 1060)


def test_an_unknown_algorithm_is_named(tmp_path: Path) -> None:
    """There is no key for HS256, and the message says what there is."""
    with pytest.raises(DemoError, match="RS256, ES256, EdDSA"):
        DevelopmentIssuer.open(tmp_path).token(tenant="acme", alg="HS256")


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    """A PEM that is none stops the start with its path."""
    DevelopmentIssuer.open(tmp_path)
    (tmp_path / "keys" / "tenants-es256.pem").write_text("no key")
    with pytest.raises(DemoError, match=r"tenants-es256\.pem can't be read"):
        DevelopmentIssuer.open(tmp_path)


def test_the_thumbprint_of_the_rfc() -> None:
    """RFC 8037 appendix A.3 gives the thumbprint of its Ed25519 key."""
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
