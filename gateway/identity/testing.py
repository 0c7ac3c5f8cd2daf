"""An issuer of one's own, for the tests of whoever uses this room: keys that sign, and a server that counts.

Not imported by anything else here. The server listens on loopback only, so a verifier needs a fetcher with
`allow_private=True` to reach it.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.identity.keys import EC_CURVES, PSS_HASHES, RSA_HASHES

_CURVES: Mapping[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


def base64url(raw: bytes) -> str:
    """Unpadded, as a JWS has it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int, size: int | None = None) -> str:
    return base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key of an issuer's: `jwk` is its public half, `sign_bytes` makes a JWS signature."""

    kid: str
    alg: str
    jwk: Mapping[str, Any]
    sign_bytes: Callable[[bytes], bytes] = field(repr=False)

    def token(self, payload: Mapping[str, Any], **header: Any) -> str:
        """A signed JWT with these claims; members of the header that are None are left out."""
        members = {"typ": "JWT", "alg": self.alg, "kid": self.kid, **header}
        members = {name: value for name, value in members.items() if value is not None}
        return self.raw_token(json.dumps(members).encode(), json.dumps(payload).encode())

    def raw_token(self, header: bytes, payload: bytes) -> str:
        """A JWS over exactly these bytes, whatever they are."""
        signing_input = f"{base64url(header)}.{base64url(payload)}"
        return f"{signing_input}.{base64url(self.sign_bytes(signing_input.encode()))}"


def rsa_signer(kid: str, alg: str = "RS256", *, bits: int = 2048) -> Signer:
    """A new RSA key; `alg` is one of `RS*`, `PS*`."""
    private = rsa.generate_private_key(65537, bits)
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "RSA", "kid": kid, "alg": alg, "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)}
    digest: hashes.HashAlgorithm = {**RSA_HASHES, **PSS_HASHES}[alg]
    pad: padding.AsymmetricPadding = padding.PKCS1v15()
    if alg.startswith("PS"):
        pad = padding.PSS(padding.MGF1(digest), digest.digest_size)
    return Signer(kid, alg, jwk, lambda data: private.sign(data, pad, digest))


def ec_signer(kid: str, curve: str = "P-256") -> Signer:
    """A new key on `P-256`, `P-384` or `P-521`."""
    alg, size, digest = EC_CURVES[curve]
    private = ec.generate_private_key(_CURVES[curve]())
    numbers = private.public_key().public_numbers()
    point = {"x": _number(numbers.x, size), "y": _number(numbers.y, size)}
    jwk = {"kty": "EC", "kid": kid, "alg": alg, "use": "sig", "crv": curve, **point}

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return Signer(kid, alg, jwk, sign)


def ed25519_signer(kid: str) -> Signer:
    """A new Ed25519 key."""
    private = ed25519.Ed25519PrivateKey.generate()
    x = base64url(private.public_key().public_bytes_raw())
    return Signer(
        kid, "EdDSA", {"kty": "OKP", "kid": kid, "alg": "EdDSA", "use": "sig", "crv": "Ed25519", "x": x}, private.sign
    )


def jwks(*signers: Signer) -> dict[str, Any]:
    """The key set that an issuer with these keys publishes."""
    return {"keys": [dict(signer.jwk) for signer in signers]}


@dataclass(slots=True)
class Answer:
    """What the local issuer says to one path."""

    body: bytes
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()


class LocalIssuer:
    """An issuer on a loopback port, whose answers can be changed and whose requests are counted.

    Serves `/.well-known/jwks.json` and `/.well-known/openid-configuration`; `answers` maps further paths.
    """

    def __init__(self, *signers: Signer) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.publish(*signers)
        document = {"issuer": self.url, "jwks_uri": self.jwks_uri}
        self.answers["/.well-known/openid-configuration"] = Answer(json.dumps(document).encode())

    @property
    def url(self) -> str:
        """The issuer's name, as in `iss`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def jwks_uri(self) -> str:
        """Where its keys are."""
        return f"{self.url}/.well-known/jwks.json"

    def publish(self, *signers: Signer) -> None:
        """Replace its keys."""
        self.answers["/.well-known/jwks.json"] = Answer(json.dumps(jwks(*signers)).encode())

    def answer(self, path: str) -> Answer:
        """Count a request and say what it gets."""
        with self._lock:
            self.requests.append(path)
        return self.answers.get(path, Answer(b"", 404))

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(issuer: LocalIssuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = issuer.answer(self.path)
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            """Say nothing."""

    return Handler
