"""Public keys: a JWK becomes a `SigningKey` that verifies with exactly the algorithms it is for.

The key decides, never the token: type, curve and size are bound to the algorithm here, once, when the key is read
(RFC 8725 sections 3.1 to 3.5, RFC 7518 sections 3.3 and 3.4). A token's `jwk`, `jku`, `x5u` and `x5c` are not known
to this module.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.identity.encoding import decode_base64url
from gateway.identity.errors import (
    JwkInvalidKtyError,
    JwkInvalidUseError,
    JwkValidationError,
    JwtInvalidSignatureAlgorithmError,
    JwtInvalidSignatureError,
)

Public = TypeVar("Public")

Check = Callable[[bytes, bytes], None]
"""(signature, signing input) -> None, or `InvalidSignature`."""

MIN_RSA_BITS: Final = 2048
"""RFC 7518 section 3.3; NIST SP 800-131A."""

MAX_RSA_BITS: Final = 8192
"""Four times the work of 4096 bits a verification; a hostile key set can't ask for more."""

MAX_RSA_EXPONENT: Final = 2**32

RSA_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}
PSS_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "PS256": hashes.SHA256(),
    "PS384": hashes.SHA384(),
    "PS512": hashes.SHA512(),
}
EC_CURVES: Final[Mapping[str, tuple[str, int, hashes.HashAlgorithm]]] = {
    "P-256": ("ES256", 32, hashes.SHA256()),
    "P-384": ("ES384", 48, hashes.SHA384()),
    "P-521": ("ES512", 66, hashes.SHA512()),
}
"""Curve to its one algorithm (RFC 7518 section 3.4), bytes a coordinate, hash."""

_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}

ALGORITHMS: Final[tuple[str, ...]] = (*RSA_HASHES, *(alg for alg, _, _ in EC_CURVES.values()), "EdDSA")
"""What a token may be signed with; `none` and HMAC are not known to this module."""

ALGORITHMS_WITH_PSS: Final[tuple[str, ...]] = (*ALGORITHMS, *PSS_HASHES)
"""The same where a verifier says `allow_pss`. A key verifies `PS*` too; the header is held against these first."""

_ROCA_PRIMES: Final = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)

THUMBPRINT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}
"""The members that are the key (RFC 7638 section 3.2, RFC 8037 section 2), in their order."""

_MISSING: Final = {"n": "modulus", "e": "exponent", "crv": "curve", "x": "X coordinate", "y": "Y coordinate"}


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A public key that verifies tokens; `checks` has one entry an algorithm that it may be used with.

    `thumbprint` is RFC 7638's with SHA-256, in hexadecimal: the same key has the same one whatever its `kid`.
    """

    kid: str
    kty: str
    alg: str | None
    thumbprint: str
    checks: Mapping[str, Check] = field(repr=False)

    def verify(self, alg: object, signature: bytes, signing_input: bytes) -> None:
        """Return where the signature is this key's, or raise one of this room's errors."""
        check = self.checks.get(alg) if isinstance(alg, str) else None
        if check is None:
            raise JwtInvalidSignatureAlgorithmError(
                f"JWT signature algorithm not allowed for this key. Expected: {', '.join(self.checks)}",
                actual=alg,
                expected=tuple(self.checks),
            )
        try:
            check(signature, signing_input)
        except (InvalidSignature, ValueError):
            raise JwtInvalidSignatureError("Invalid signature") from None


def assert_allowed_algorithm(alg: object, allowed: tuple[str, ...] = ALGORITHMS) -> None:
    """Refuse a missing `alg` and any but the allowed, before a key is even looked for."""
    if alg is None:
        raise JwtInvalidSignatureAlgorithmError("Missing JWT signature algorithm", actual=None, expected=allowed)
    if alg not in allowed:
        raise JwtInvalidSignatureAlgorithmError(
            f"JWT signature algorithm not allowed. Expected: {', '.join(allowed)}", actual=alg, expected=allowed
        )


def parse_jwk(jwk: object, *, kid: str | None = None) -> SigningKey:
    """A JWK as a key for verifying, or `JwkValidationError`, `JwkInvalidUseError`, `JwkInvalidKtyError`.

    `kid` stands in for a key without one.
    """
    if not isinstance(jwk, dict):
        raise JwkValidationError("JWK is not an object")
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in THUMBPRINT_MEMBERS:
        raise JwkInvalidKtyError("JWK kty is not one that verifies", actual=kty, expected=tuple(THUMBPRINT_MEMBERS))
    _check_purpose(jwk)
    _check_members(jwk, kty)
    checks = _READERS[kty](jwk)
    alg = jwk.get("alg")
    if alg is not None:
        if alg not in checks:
            raise JwkValidationError("JWK alg is not one that its type, curve and size can verify")
        checks = {alg: checks[alg]}
    return SigningKey(jwk.get("kid", kid or ""), kty, alg, thumbprint(jwk), checks)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638: SHA-256 of the key's own members in lexical order, without white space; hexadecimal."""
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    return hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).hexdigest()


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    if "use" in jwk and jwk["use"] != "sig":
        raise JwkInvalidUseError("JWK use is not sig", actual=jwk["use"], expected="sig")
    operations = jwk.get("key_ops")
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        raise JwkInvalidUseError("JWK key_ops does not have verify", actual=operations, expected="verify")


def _check_members(jwk: Mapping[str, Any], kty: str) -> None:
    for name in ("kid", "alg"):
        if name in jwk and not isinstance(jwk[name], str):
            raise JwkValidationError(f"JWK {name} is not a string")
    if "d" in jwk:
        raise JwkValidationError("JWK is a private key: whoever published it can't be believed any more")
    for name in THUMBPRINT_MEMBERS[kty]:
        if name not in jwk:
            raise JwkValidationError(f"Missing {_MISSING[name]} ({name})")
        if not isinstance(jwk[name], str):
            raise JwkValidationError(f"JWK {name} is not a string")


def _unsigned(jwk: Mapping[str, Any], name: str) -> bytes:
    try:
        return decode_base64url(jwk[name])
    except ValueError:
        raise JwkValidationError(f"JWK {name} is not base64url") from None


def _built(build: Callable[[], Public]) -> Public:
    """The key that cryptography makes of numbers that were checked; what it raises ends here."""
    try:
        return build()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise JwkValidationError("JWK is not a valid public key") from None


def _read_rsa(jwk: Mapping[str, Any]) -> dict[str, Check]:
    modulus = int.from_bytes(_unsigned(jwk, "n"), "big")
    exponent = int.from_bytes(_unsigned(jwk, "e"), "big")
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise JwkValidationError(f"RSA modulus is not of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    if not 2 < exponent < MAX_RSA_EXPONENT or not exponent & 1 or not modulus & 1:
        raise JwkValidationError("RSA exponent or modulus is not one of a sound key")
    if _is_roca(modulus):
        raise JwkValidationError("RSA modulus has the fingerprint of a weak generator (CVE-2017-15361)")
    public = _built(rsa.RSAPublicNumbers(exponent, modulus).public_key)
    pkcs1 = {alg: _rsa_check(public, padding.PKCS1v15(), digest) for alg, digest in RSA_HASHES.items()}
    return pkcs1 | {alg: _rsa_check(public, _pss(digest), digest) for alg, digest in PSS_HASHES.items()}


def _is_roca(modulus: int) -> bool:
    """Whether the key came from the generator of CVE-2017-15361, whose primes can be found.

    Its moduli are powers of 65537 modulo every small prime, of others only one in 2**27 is (Nemec et al., "The Return
    of Coppersmith's Attack", 2017, section 2.1).
    """
    return all(modulus % prime in _powers_of_65537(prime) for prime in _ROCA_PRIMES)


@cache
def _powers_of_65537(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime - 1))


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    """The salt is as long as the hash (RFC 7518 section 3.5)."""
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


def _rsa_check(public: rsa.RSAPublicKey, pad: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> Check:
    verify = public.verify

    def check(signature: bytes, signing_input: bytes) -> None:
        verify(signature, signing_input, pad, digest)

    return check


def _read_ec(jwk: Mapping[str, Any]) -> dict[str, Check]:
    if jwk["crv"] not in EC_CURVES:
        raise JwkValidationError(f"EC curve is not one of {', '.join(EC_CURVES)}")
    alg, size, digest = EC_CURVES[jwk["crv"]]
    x, y = _unsigned(jwk, "x"), _unsigned(jwk, "y")
    if len(x) != size or len(y) != size:
        raise JwkValidationError("EC coordinates are not of the curve's size")
    point = (int.from_bytes(x, "big"), int.from_bytes(y, "big"))
    public = _built(lambda: ec.EllipticCurvePublicNumbers(*point, _CURVES[jwk["crv"]]()).public_key())
    return {alg: _ec_check(public, size, ec.ECDSA(digest))}


def _ec_check(public: ec.EllipticCurvePublicKey, size: int, ecdsa: ec.ECDSA) -> Check:
    verify = public.verify
    number = int.from_bytes

    def check(signature: bytes, signing_input: bytes) -> None:
        # A JWS has r and s side by side (RFC 7518 section 3.4), cryptography wants them in DER.
        if len(signature) != 2 * size:
            raise InvalidSignature
        der = encode_dss_signature(number(signature[:size], "big"), number(signature[size:], "big"))
        verify(der, signing_input, ecdsa)

    return check


def _read_okp(jwk: Mapping[str, Any]) -> dict[str, Check]:
    if jwk["crv"] != "Ed25519":
        raise JwkValidationError("OKP curve is not Ed25519")
    point = _unsigned(jwk, "x")
    if len(point) != 32:
        raise JwkValidationError("Ed25519 public key is not of 32 bytes")
    public = _built(lambda: ed25519.Ed25519PublicKey.from_public_bytes(point))
    return {"EdDSA": public.verify}


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Check]]]] = {
    "RSA": _read_rsa,
    "EC": _read_ec,
    "OKP": _read_okp,
}
