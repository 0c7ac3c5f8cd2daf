"""Project Wycheproof's JWS, JWK and JWE vectors: each decided as its file says, or listed with the reason.

The vectors are signatures over `foo`, not JWTs, so they go to the layer below the claims: parts, header, key,
signature. They are read in place and never copied here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.core import check_header, check_signature
from gateway.identity.errors import JwtBaseError, JwtParseError
from gateway.identity.keys import ALGORITHMS_WITH_PSS, parse_jwk
from gateway.identity.keyset import parse_jwks
from gateway.identity.token import UnverifiedToken, split_jws

VECTORS = Path(__file__).parents[3] / "shared" / "data" / "jwt" / "wycheproof"

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="the Wycheproof vectors are not there")

HMAC = "HMAC is never accepted: who can verify could sign"
ES521 = "the key's alg is ES521, which is no algorithm (RFC 7518 section 3.1 has ES512)"
PS384 = "the key's alg is PS256 and the header's PS384: a key is for one algorithm"
EMPTY = "an empty payload is a JWS, but no JWT: it has no claims"

STRICTER: dict[str, dict[int, str]] = {
    "json_web_signature_test.json": {
        **dict.fromkeys((1, 348, 352, 357, 358, 359, 372, 373, 376, 377), HMAC),
        **dict.fromkeys((259, 264, 268, 272, 320, 325), EMPTY),
        **dict.fromkeys((346, 350), PS384),
        **dict.fromkeys((347, 351), ES521),
    },
    "json_web_key_test.json": dict.fromkeys((2, 13, 14, 15), HMAC),
    "json_web_crypto_test.json": dict.fromkeys((1, 48), HMAC),
}
"""Vectors that a file calls valid and this verifier refuses. There is none the other way round."""

SAME_BYTES = {367: 357, 370: 357}
"""Vectors the file calls invalid whose token is the very token of a valid one; both are refused here (HMAC)."""


def vectors(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each signature vector of a file with the public key, or key set, of its group."""
    for group in json.loads((VECTORS / name).read_text())["testGroups"]:
        for vector in group["tests"]:
            if "jws" in vector:
                yield vector, group.get("public") or group["private"]


def accepted(jws: object, keys: dict[str, Any]) -> bool:
    """Whether the JWS verifies under this key or set; anything but this room's errors is the test's failure."""
    try:
        header, payload, signature, signing_input = split_jws(jws)
        token = UnverifiedToken(header, {"payload": payload}, signature, signing_input)
        kid = check_header(token, ALGORITHMS_WITH_PSS, kid_required="keys" in keys)
        check_signature(token, parse_jwks(keys).find(kid) if "keys" in keys else parse_jwk(keys))
    except JwtBaseError:
        return False
    return True


@pytest.mark.parametrize("name", STRICTER)
def test_every_signature_is_decided_as_the_file_says(name: str) -> None:
    """All vectors of a file; the exceptions are the listed ones, no more and no fewer."""
    differing = {
        vector["tcId"]
        for vector, keys in vectors(name)
        if accepted(vector["jws"], keys) != (vector["result"] == "valid")
    }

    assert set(STRICTER[name]) == differing


def test_the_vectors_are_all_there() -> None:
    """A file that shrank would make the test above say little."""
    assert [len(list(vectors(name))) for name in STRICTER] == [401, 26, 49]


def test_what_the_file_calls_invalid_is_the_same_token_as_a_valid_one() -> None:
    """The two vectors that no verifier can tell from another are indeed the same bytes."""
    tokens = {vector["tcId"]: vector["jws"] for vector, _ in vectors("json_web_signature_test.json")}

    assert all(tokens[one] == tokens[other] for one, other in SAME_BYTES.items())


def test_no_encrypted_token_is_taken_for_a_signed_one() -> None:
    """A JWE has five parts and no place here (T20)."""
    groups = json.loads((VECTORS / "json_web_encryption_test.json").read_text())["testGroups"]
    tokens = [vector["jwe"] for group in groups for vector in group["tests"]]

    assert len(tokens) > 50
    for token in tokens:
        with pytest.raises(JwtParseError):
            split_jws(token, max_bytes=1_000_000)
