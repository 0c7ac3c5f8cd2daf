"""Issuers as the suite plays them: one over any keys, and a few of tenants' own behind a small server on loopback."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SigningKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

LIFE: Final = 3600
"""Seconds that a good token lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIssuer:
    """Signs with keys at hand, through PyJWT, as an outside program would.

    `standing` are the claims that every token has; `tenant_claim` is where the tenant is laid, None for nowhere;
    `keys` are key id and private key by algorithm, the first one's the default.
    """

    standing: Mapping[str, Any]
    tenant_claim: str | None
    keys: Mapping[str, tuple[str, SigningKey]] = field(repr=False)
    scope_claim: str = "scope"

    def claims(self, tenant: object, /, **changes: Any) -> dict[str, Any]:
        """The claims of a good token for `tenant`; a change to None takes the claim out."""
        now = int(time.time())
        claims = {
            "sub": "conformance",
            "iat": now,
            "exp": now + LIFE,
            self.scope_claim: changes.pop("scope", "files:write"),
            **self.standing,
        }
        if self.tenant_claim is not None:
            claims[self.tenant_claim] = tenant
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def sign(self, claims: Mapping[str, Any] | bytes, alg: str | None = None, **header: Any) -> str:
        """A token over `claims` by the key of `alg`."""
        chosen = alg or next(iter(self.keys))
        kid, key = self.keys[chosen]
        payload = claims if isinstance(claims, bytes) else json.dumps(dict(claims)).encode()
        return jwt.PyJWS().encode(payload, key, algorithm=chosen, headers={"kid": kid, **header})

    def public_pem(self, alg: str = "RS256") -> bytes:
        """The public key of `alg`, as PEM."""
        return self.keys[alg][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def kid(self, alg: str | None = None) -> str:
        """The key id of `alg`."""
        return self.keys[alg or next(iter(self.keys))][0]


AUDIENCE: Final = "https://uploads.example"
CLIENT: Final = "4tq3nliwj5v2example"


class TenantIssuers:
    """Three identity providers that belong to tenants, behind one port of loopback; a context manager.

    `bound` is one tenant's and names no tenant; `pooled` is two tenants', who tell theirs by the claim `org`; `pool`
    is of kind `cognito`. `asked` are the paths that anybody asked for.
    """

    def __init__(self) -> None:
        self._documents: dict[str, bytes] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._documents, self.asked))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="tenants' issuers")
        self.by_name: Mapping[str, KeyIssuer] = {
            "bound": self._issuer("bound", aud=AUDIENCE),
            "pooled": self._issuer("pooled", "org", aud=AUDIENCE),
            "pool": self._issuer("pool", client_id=CLIENT, token_use="access"),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        """The issuer's name; its keys are below it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    def jwks_uri(self, name: str) -> str:
        """Where its keys are."""
        return f"{self.url(name)}/.well-known/jwks.json"

    def _issuer(self, name: str, tenant_claim: str | None = None, **standing: Any) -> KeyIssuer:
        key = generate_private_key(SECP256R1())
        kid = f"{name}-1"
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        keys = {"keys": [{**public, "kid": kid, "alg": "ES256", "use": "sig"}]}
        self._documents[f"/{name}/.well-known/jwks.json"] = json.dumps(keys).encode()
        return KeyIssuer(
            standing={"iss": self.url(name), **standing}, tenant_claim=tenant_claim, keys={"ES256": (kid, key)}
        )


def _handler(documents: Mapping[str, bytes], asked: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = documents.get(self.path, b"{}")
            self.send_response(200 if self.path in documents else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Nothing."""

    return Handler
