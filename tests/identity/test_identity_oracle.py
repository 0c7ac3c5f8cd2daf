"""aws-jwt-verify itself as the oracle: thousands of mutated tokens and key sets, every verdict compared.

`npm ci` in this directory makes the test run. A verdict that differs must be explained by one of `STRICTER`, each a
line of the list of weaknesses this verifier means not to share. Nothing is ever accepted here that is refused there.
"""

import base64
import json
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.identity import JwtVerifier
from gateway.identity.errors import JwtBaseError
from gateway.identity.testing import Signer, base64url, ec_signer, jwks, rsa_signer

HERE = Path(__file__).parent
COUNT = 6000
ISSUER = "https://issuer.example"
NOW = int(time.time())

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (HERE / "node_modules" / "aws-jwt-verify").exists(),
        reason="aws-jwt-verify is not installed: run `npm ci` in tests/identity",
    ),
]


@dataclass(frozen=True)
class Case:
    """A token and the keys to hold it against; `names` are the mutations that made them."""

    names: tuple[str, ...]
    jwt: str
    jwks: Mapping[str, Any]


STRICTER = {
    "padding": "7: padded tokens are an application load balancer's; one spelling of a token everywhere else",
    "duplicate member": "10: the last one wins there",
    "not UTF-8": "11: decoded with replacement characters there",
    "no exp": "15: never required there",
    "iat in the future": "16: never checked there",
    "crit": "17: ignored there",
    "b64": "17: ignored there",
    "ES256 with P-384": "27: the algorithm is not bound to the curve there",
    "RSA of 1024 bits": "27: any size is accepted there",
    "empty use": "26: an empty string is taken for none there",
    "key_ops": "27: ignored there",
    "two keys of one kid": "29: the first wins there",
    "private key": "a published private key is nobody's any more",
    "unused bits": "6: decoded leniently there",
    "deep": "nesting is bounded here",
    "lone surrogate": "11: no character, and refused here",
    "large date": "a date beyond 2**53 has no seconds; refused here",
    "coordinate size": "RFC 7518 section 6.2.1.2: coordinates are of the curve's full size",
}
"""A mutation that may be accepted there and refused here, and which line of the list says why."""


def reencode(signer: Signer, header: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    """A properly signed token of whatever members these are."""
    return signer.raw_token(json.dumps(header).encode(), json.dumps(payload).encode())


def mismatched_signer(kid: str) -> Signer:
    """A P-384 key that signs as ES256 would, were it for that curve."""
    private = ec.generate_private_key(ec.SECP384R1())
    numbers = private.public_key().public_numbers()
    point = {name: base64url(value.to_bytes(48, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))}

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")

    return Signer(kid, "ES256", {"kty": "EC", "crv": "P-384", "kid": kid, **point}, sign)


class Mutator:
    """Makes cases from a seeded generator, so that a difference can be looked at again."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.signers = [rsa_signer("rsa"), ec_signer("ec"), ec_signer("ec384", "P-384")]
        self.small = rsa_signer("small", bits=1024)
        self.mismatched = mismatched_signer("ec384")

    def claims(self) -> dict[str, Any]:
        """Good ones."""
        return {
            "iss": ISSUER,
            "aud": "me",
            "sub": "s",
            "iat": NOW - 5,
            "exp": NOW + 3600,
            "scope": "a b",
            "tenant": "acme",
        }

    def header(self, signer: Signer) -> dict[str, Any]:
        """A good one."""
        return {"typ": "JWT", "alg": signer.alg, "kid": signer.kid}

    def cases(self, count: int) -> Iterator[Case]:
        """So many, a tenth of them untouched."""
        for _ in range(count):
            signer = self.random.choice(self.signers)
            roll = self.random.random()
            if roll < 0.1:
                yield Case((), reencode(signer, self.header(signer), self.claims()), jwks(*self.signers))
            elif roll < 0.45:
                yield self.signed(signer)
            elif roll < 0.75:
                yield self.broken(signer)
            else:
                yield self.other_keys(signer)

    def signed(self, signer: Signer) -> Case:
        """A token that the issuer signed, of members it should not have."""
        header, payload = self.header(signer), self.claims()
        names = []
        for _ in range(self.random.choice((1, 1, 2))):
            name, change = self.random.choice(MEMBERS)
            change(header, payload, self.random)
            names.append(name)
        token = reencode(signer, header, payload)
        if self.random.random() < 0.15:
            name, raw = self.random.choice(RAW_PAYLOADS)
            token = signer.raw_token(json.dumps(header).encode(), raw(json.dumps(payload)))
            names.append(name)
        return Case(tuple(names), token, jwks(*self.signers))

    def broken(self, signer: Signer) -> Case:
        """A good token, and then its text was changed."""
        token = reencode(signer, self.header(signer), self.claims())
        name, change = self.random.choice(TEXTS)
        return Case((name,), change(token, self.random), jwks(*self.signers))

    def other_keys(self, signer: Signer) -> Case:
        """A good token, and a key set that was changed."""
        keys = jwks(*self.signers)
        own = next(key for key in keys["keys"] if key["kid"] == signer.kid)
        name, change = self.random.choice(KEYS)
        if name == "RSA of 1024 bits":
            return Case((name,), reencode(self.small, self.header(self.small), self.claims()), jwks(self.small))
        if name == "ES256 with P-384":
            token = reencode(self.mismatched, self.header(self.mismatched), self.claims())
            return Case((name,), token, jwks(self.mismatched))
        change(own, keys["keys"], self.random)
        return Case((name,), reencode(signer, self.header(signer), self.claims()), keys)


def put(where: str, member: str, *values: Any) -> Callable[[dict[str, Any], dict[str, Any], random.Random], None]:
    """A change that sets a member of the header or the payload to one of these."""

    def change(header: dict[str, Any], payload: dict[str, Any], chance: random.Random) -> None:
        (header if where == "header" else payload)[member] = chance.choice(values)

    return change


def drop(where: str, member: str) -> Callable[[dict[str, Any], dict[str, Any], random.Random], None]:
    """A change that leaves a member out."""

    def change(header: dict[str, Any], payload: dict[str, Any], chance: random.Random) -> None:
        (header if where == "header" else payload).pop(member, None)

    return change


ALGS = ("none", "None", "HS256", "HS512", "RS256", "RS384", "ES256", "ES512", "EdDSA", "PS256", "rs256", "")

JUNK: tuple[Any, ...] = (None, True, False, 0, -1, 1.5, "", "x", "1800000000", [], ["a"], [1], {}, {"a": 1})

MEMBERS: list[tuple[str, Callable[[dict[str, Any], dict[str, Any], random.Random], None]]] = [
    ("alg", put("header", "alg", *ALGS)),
    ("alg type", put("header", "alg", *JUNK)),
    ("no alg", drop("header", "alg")),
    ("kid", put("header", "kid", "rsa", "ec", "unknown", "", "../x", "RSA")),
    ("null claim", put("header", "kid", *JUNK)),
    ("no kid", drop("header", "kid")),
    ("typ", put("header", "typ", "JWT", "at+jwt", "x")),
    ("crit", put("header", "crit", ["x"], [], ["exp"], "x")),
    ("b64", put("header", "b64", False, True)),
    ("jwk", put("header", "jwk", {"kty": "oct", "k": "AA"})),
    ("jku", put("header", "jku", "http://127.0.0.1:1/")),
    ("x5u", put("header", "x5u", "http://127.0.0.1:1/")),
    ("iss", put("payload", "iss", ISSUER + "/", "https://issuer.example.evil", "https://issuer", "", ISSUER.upper())),
    ("iss type", put("payload", "iss", *JUNK)),
    ("no iss", drop("payload", "iss")),
    ("aud", put("payload", "aud", "you", "me ", "ME", ["me"], ["you", "me"], ["you"], "m", "")),
    ("aud type", put("payload", "aud", *JUNK, [["me"]])),
    ("no aud", drop("payload", "aud")),
    ("exp", put("payload", "exp", NOW - 100, NOW + 100, NOW + 100.5, NOW - 100.5, 0, -1, 1e12)),
    ("exp type", put("payload", "exp", *(j for j in JUNK if j is not None))),
    ("large date", put("payload", "exp", 2**60, 1e300, 10**25)),
    ("no exp", drop("payload", "exp")),
    ("nbf", put("payload", "nbf", NOW - 100, NOW + 1000, 0, NOW - 0.5)),
    ("nbf type", put("payload", "nbf", *JUNK)),
    ("iat in the future", put("payload", "iat", NOW + 1000, NOW + 1e6)),
    ("iat", put("payload", "iat", NOW - 1000, 0)),
    ("iat type", put("payload", "iat", *JUNK)),
    ("scope", put("payload", "scope", "a", "b", "c", "", " a ", "A", "aa b")),
    ("scope type", put("payload", "scope", *JUNK)),
    ("no scope", drop("payload", "scope")),
    ("sub type", put("payload", "sub", *JUNK)),
    ("jti type", put("payload", "jti", *JUNK)),
    ("more", put("payload", "more", "ü\u0000😀", {"__proto__": {"x": 1}}, [[[[]]]], 1e-5, "\\", '"')),
]

RAW_PAYLOADS: list[tuple[str, Callable[[str], bytes]]] = [
    ("duplicate member", lambda text: (text[:-1] + ', "tenant": "globex"}').encode()),
    ("duplicate member", lambda text: ('{"exp": 1, ' + text[1:]).encode()),
    ("not UTF-8", lambda text: (text[:-1] + ', "x": "').encode() + b'\xff"}'),
    ("not UTF-8", lambda text: (text[:-1] + ', "x": "').encode() + b'\xed\xa0\x80"}'),
    ("lone surrogate", lambda text: (text[:-1] + ', "x": "\\ud800"}').encode()),
    ("deep", lambda text: (text[:-1] + ', "x": ' + "[" * 40 + "]" * 40 + "}").encode()),
    ("NaN", lambda text: (text[:-1] + ', "x": NaN}').encode()),
    ("Infinity", lambda text: (text[:-1] + ', "exp": Infinity}').encode()),
    ("white space", lambda text: (" \n" + text + "\t ").encode()),
    ("BOM", lambda text: b"\xef\xbb\xbf" + text.encode()),
    ("trailing", lambda text: (text + "{}").encode()),
    ("list", lambda text: f"[{text}]".encode()),
    ("string", lambda text: json.dumps(text).encode()),
    ("not JSON", lambda text: text[:-1].encode()),
    ("single quotes", lambda text: text.replace('"', "'").encode()),
    ("control character", lambda text: (text[:-1] + ', "x": "\n"}').encode()),
]


def flip_bit(token: str, chance: random.Random) -> str:
    """One character is another one of the alphabet."""
    at = chance.choice([i for i, letter in enumerate(token) if letter != "."])
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:at] + chance.choice(letters.replace(token[at], "")) + token[at + 1 :]


def foreign(token: str, chance: random.Random) -> str:
    """A character of no alphabet somewhere."""
    at = chance.randrange(len(token) + 1)
    return token[:at] + chance.choice("+/= \n\t.%é\u2028\x00~") + token[at:]


def unused_bits(token: str, chance: random.Random) -> str:
    """The last character of the signature, with bits that mean nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) | 1]


def der(token: str, chance: random.Random) -> str:
    """A signature of another length, as DER's is."""
    return token[: token.rindex(".") + 1] + base64url(b"\x30\x44\x02\x20" + bytes(32) + b"\x02\x20" + bytes(32))


TEXTS: list[tuple[str, Callable[[str, random.Random], str]]] = [
    ("unused bits", flip_bit),
    ("padding", foreign),
    ("unused bits", unused_bits),
    ("padding", lambda token, chance: token + "=" * chance.choice((1, 2))),
    ("DER signature", der),
    ("no signature", lambda token, _: token[: token.rindex(".") + 1]),
    ("two parts", lambda token, _: token[: token.rindex(".")]),
    ("four parts", lambda token, chance: token + "." + chance.choice(("", "x"))),
    ("truncated", lambda token, chance: token[: chance.randrange(len(token))]),
    ("empty", lambda _token, _: ""),
    ("bearer", lambda token, _: "Bearer " + token),
    ("newline", lambda token, _: token + "\n"),
    ("swapped", lambda token, _: ".".join(reversed(token.split(".")))),
    ("json", lambda token, _: json.dumps(token.split("."))),
    ("zero signature", lambda token, _: token[: token.rindex(".") + 1] + base64url(bytes(64))),
]


def key(member: str, *values: Any) -> Callable[[dict[str, Any], list[Any], random.Random], None]:
    """A change of one member of the token's own key."""

    def change(own: dict[str, Any], keys: list[Any], chance: random.Random) -> None:
        own[member] = chance.choice(values)

    return change


def without(member: str) -> Callable[[dict[str, Any], list[Any], random.Random], None]:
    """The token's own key without a member."""

    def change(own: dict[str, Any], keys: list[Any], chance: random.Random) -> None:
        own.pop(member, None)

    return change


def shorten(own: dict[str, Any], keys: list[Any], chance: random.Random) -> None:
    """A coordinate, or the modulus, with a zero byte before it."""
    name = "n" if own["kty"] == "RSA" else "x"
    raw = base64.urlsafe_b64decode(own[name] + "==")
    own[name] = base64url(b"\0" + raw)


KEYS: list[tuple[str, Callable[[dict[str, Any], list[Any], random.Random], None]]] = [
    ("RSA of 1024 bits", without("x")),
    ("ES256 with P-384", without("x")),
    ("use", key("use", "enc", "SIG")),
    ("empty use", key("use", "")),
    ("no use", without("use")),
    ("no alg", without("alg")),
    ("alg of the key", key("alg", "RS256", "RS512", "ES256", "ES384", "EdDSA", "none", "HS256", "x")),
    ("kty", key("kty", "oct", "RSA", "EC", "OKP", "", "rsa")),
    ("crv", key("crv", "P-256", "P-384", "P-521", "secp256k1", "Ed25519", "x")),
    ("kid", key("kid", "other", "")),
    ("no kid", without("kid")),
    ("no n", without("n")),
    ("no x", without("x")),
    ("bad x", key("x", "AAAA", "", "!!")),
    ("bad e", key("e", "AQ", "Ag", "AAAA", "AQAB")),
    ("key_ops", key("key_ops", ["encrypt"], [], ["sign"])),
    ("key_ops", key("key_ops", ["verify"], ["sign", "verify"])),
    ("private key", key("d", "AAAA")),
    ("x5c", key("x5c", ["AAAA"], [])),
    ("coordinate size", shorten),
    ("two keys of one kid", lambda own, keys, _: keys.append(ec_other(own["kid"]))),
    ("two keys of one kid", lambda own, keys, _: keys.insert(0, ec_other(own["kid"]))),
    ("none", lambda _own, keys, _: keys.clear()),
    ("oct beside", lambda _own, keys, _: keys.append({"kty": "oct", "k": "AA", "kid": "o"})),
]

OTHER = ec_signer("other")


def ec_other(kid: str) -> dict[str, Any]:
    """Somebody else's key under this kid."""
    return {**OTHER.jwk, "kid": kid}


def verdict(case: Case) -> str:
    """Ours; anything but this room's errors is the test's failure."""
    verifier = JwtVerifier.create(issuer=ISSUER, audience="me", scope=["a", "b"], jwks_uri=ISSUER + "/jwks")
    try:
        verifier.cache_jwks(case.jwks)
        verifier.verify_sync(case.jwt)
    except JwtBaseError as error:
        return type(error).__name__
    return "accepted"


def theirs(cases: list[Case]) -> list[str]:
    """The oracle's verdicts, one process for all."""
    options = {"issuer": ISSUER, "audience": "me", "scope": ["a", "b"]}
    lines = [json.dumps({"jwt": case.jwt, "jwks": case.jwks, "options": options}) for case in cases]
    done = subprocess.run(
        ["node", str(HERE / "oracle.cjs")], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
    )
    return [json.loads(line)["verdict"] for line in done.stdout.splitlines()]


def test_every_difference_from_aws_jwt_verify_is_a_listed_one() -> None:
    """Nothing is accepted that the oracle refuses; what it accepts and we refuse is on the list."""
    cases = list(Mutator(20261123).cases(COUNT))
    verdicts = list(zip(cases, [verdict(case) for case in cases], theirs(cases), strict=True))

    looser = [(case, other) for case, ours, other in verdicts if ours == "accepted" != other]
    unlisted = Counter(
        (case.names, ours)
        for case, ours, other in verdicts
        if other == "accepted" != ours and not STRICTER.keys() & set(case.names)
    )
    explained = {name for case, ours, other in verdicts if other == "accepted" != ours for name in case.names}
    assert len(cases) >= 5000
    assert looser == []
    assert unlisted == Counter()
    assert STRICTER.keys() <= explained
