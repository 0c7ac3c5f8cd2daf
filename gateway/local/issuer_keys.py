"""The development issuer's keys: generated once, kept as PEM files, named by their RFC 7638 thumbprint."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.local.errors import DemoError
from gateway.local.files import prepare, write_private

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")

_MAKERS: Final[dict[str, Callable[[], PrivateKey]]] = {
    "RS256": lambda: generate_rsa(65_537, 2048),
    "ES256": lambda: generate_ec(SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}

_KINDS: Final[dict[str, type]] = {
    "RS256": RSAPrivateKey,
    "ES256": EllipticCurvePrivateKey,
    "EdDSA": Ed25519PrivateKey,
}

_THUMBPRINT_MEMBERS: Final = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""RFC 7638 section 3.2, RFC 8037 section 2: the required members of a key, in alphabetical order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One private key with its algorithm, where it is kept, and its public half as a JWK."""

    alg: str
    path: Path
    private: PrivateKey = field(repr=False)
    jwk: dict[str, Any] = field(repr=False)

    @property
    def kid(self) -> str:
        """The key's id: its thumbprint."""
        return str(self.jwk["kid"])


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638: the base64url SHA-256 of the key's required members."""
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def keep_keys(directory: Path, name: str) -> dict[str, SigningKey]:
    """One key an algorithm, read from `directory` or generated into it (`<name>-<alg>.pem`, 0600)."""
    prepare(directory)
    return {alg: _keep(directory / f"{name}-{alg.lower()}.pem", alg) for alg in ALGORITHMS}


def _keep(path: Path, alg: str) -> SigningKey:
    if not path.exists():
        write_private(path, _MAKERS[alg]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DemoError(f"The key {path} can't be read: delete it and start again.") from error
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey) or not isinstance(
        private, _KINDS[alg]
    ):
        raise DemoError(f"The key {path} is not one for {alg}: delete it and start again.")
    public = _public_jwk(private)
    return SigningKey(
        alg=alg, path=path, private=private, jwk={**public, "kid": thumbprint(public), "alg": alg, "use": "sig"}
    )


def _public_jwk(private: PrivateKey) -> dict[str, Any]:
    if isinstance(private, RSAPrivateKey):
        members = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif isinstance(private, EllipticCurvePrivateKey):
        members = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        members = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {name: value for name, value in members.items() if name in ("kty", "crv", "n", "e", "x", "y")}
