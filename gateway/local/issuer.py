"""The development issuer: real tokens under real keys, and the JWKS that a verifier fetches.

Two issuers on one loopback port: `/tenants` for callers, `/operators` for the admin API, each with keys and an audience
of its own. Everything that a token needs is in the data directory, so one can be minted while the demo runs or not.
"""

import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import jwt

from gateway.local import ports
from gateway.local.errors import DemoError
from gateway.local.files import prepare, read_object, write_object
from gateway.local.issuer_keys import SigningKey, keep_keys
from gateway.policy.model import IssuerRule

TENANT_CLAIM: Final = "tenant"
SCOPE_CLAIM: Final = "scope"

_REQUEST_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer: its name, who its tokens are for, and its keys by algorithm."""

    issuer: str
    audience: str
    keys: dict[str, SigningKey] = field(repr=False)

    @property
    def jwks_uri(self) -> str:
        """Where its public keys are."""
        return f"{self.issuer}/.well-known/jwks.json"

    def documents(self) -> dict[str, dict[str, Any]]:
        """What is served below the issuer's name (OpenID Connect Discovery 1.0, section 4; RFC 7517, section 5)."""
        return {
            "/.well-known/jwks.json": {"keys": [key.jwk for key in self.keys.values()]},
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "jwks_uri": self.jwks_uri,
                "id_token_signing_alg_values_supported": list(self.keys),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
            },
        }

    def describe(self, directory: Path) -> list[dict[str, str]]:
        """Its signing keys as `demo.json` lists them, the paths relative to the data directory."""
        return [
            {"kid": key.kid, "alg": key.alg, "pem": key.path.relative_to(directory).as_posix()}
            for key in self.keys.values()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentIssuer:
    """Both issuers of one data directory; `open` makes or finds them."""

    directory: Path
    port: int
    tenants: Issuer
    operators: Issuer

    @classmethod
    def open(cls, directory: Path, *, pick: Callable[[int], int] = secrets.randbelow) -> Self:
        """The issuers whose keys and port `directory` keeps; a `DemoError` where it can't be used."""
        directory = directory.absolute()
        prepare(directory)
        port = _kept_port(directory) or ports.choose(1, pick)[0]
        write_object(directory / "issuer.json", {"port": port})
        return cls._at(directory, port)

    @classmethod
    def _at(cls, directory: Path, port: int) -> Self:
        def issuer(path: str, audience: str) -> Issuer:
            name = f"http://{ports.LOOPBACK}:{port}/{path}"
            return Issuer(issuer=name, audience=audience, keys=keep_keys(directory / "keys", path))

        return cls(
            directory=directory,
            port=port,
            tenants=issuer("tenants", "upload-gateway"),
            operators=issuer("operators", "upload-gateway-admin"),
        )

    def moved(self, *, pick: Callable[[int], int] = secrets.randbelow) -> Self:
        """The same keys under another free port, kept from now on: for when somebody else listens on this one."""
        port = ports.choose(1, pick)[0]
        write_object(self.directory / "issuer.json", {"port": port})
        return self._at(self.directory, port)

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Serve the issuers' documents meanwhile; yields the issuer, on another port where its own has been taken."""
        issuer = self if ports.is_free(self.port) else self.moved()
        with _IssuerServer(issuer):
            yield issuer

    @property
    def origin(self) -> str:
        """Where both issuers are served: `http://127.0.0.1:<port>`."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    def rule(self) -> IssuerRule:
        """The tenants' issuer as the gateway believes it, shared by all tenants."""
        return self._rule(self.tenants, TENANT_CLAIM)

    def operator_rule(self) -> IssuerRule:
        """The operators' issuer as the admin API believes it; it binds nobody to a tenant."""
        return self._rule(self.operators, None)

    @staticmethod
    def _rule(issuer: Issuer, tenant_claim: str | None) -> IssuerRule:
        return IssuerRule(
            issuer=issuer.issuer,
            audience=(issuer.audience,),
            jwks_uri=issuer.jwks_uri,
            scope_claim=SCOPE_CLAIM,
            tenant_claim=tenant_claim,
        )

    def token(
        self,
        *,
        tenant: str | None,
        subject: str = "demo",
        scope: str = "files:write",
        ttl: int = 3600,
        alg: str = "RS256",
        admin: bool = False,
        now: float | None = None,
    ) -> str:
        """A signed token that lives `ttl` seconds from `now` (epoch seconds; the clock's time if left out)."""
        issuer = self.operators if admin else self.tenants
        if alg not in issuer.keys:
            raise DemoError(f"There is no key for {alg}: choose one of {', '.join(issuer.keys)}.")
        issued = int(time.time() if now is None else now)
        claims: dict[str, Any] = {
            "iss": issuer.issuer,
            "aud": issuer.audience,
            "sub": subject,
            SCOPE_CLAIM: scope,
            "iat": issued,
            "exp": issued + ttl,
            "jti": str(uuid.uuid4()),
        }
        if tenant is not None:
            claims[TENANT_CLAIM] = tenant
        return self.mint(claims, alg=alg, admin=admin)

    def mint(self, claims: dict[str, Any], *, alg: str = "RS256", admin: bool = False) -> str:
        """Sign exactly these claims, whatever they say: what a test needs and a real issuer would refuse."""
        key = (self.operators if admin else self.tenants).keys[alg]
        return jwt.encode(claims, key.private, algorithm=alg, headers={"kid": key.kid})

    def describe(self) -> dict[str, Any]:
        """The issuer's members of `DIR/demo.json`."""
        return {
            "issuer": self.tenants.issuer,
            "jwks_uri": self.tenants.jwks_uri,
            "audience": self.tenants.audience,
            "tenant_claim": TENANT_CLAIM,
            "scope_claim": SCOPE_CLAIM,
            "signing_keys": self.tenants.describe(self.directory),
            "admin": {
                "issuer": self.operators.issuer,
                "audience": self.operators.audience,
                "signing_keys": self.operators.describe(self.directory),
            },
        }

    def documents(self) -> dict[str, bytes]:
        """Path to JSON of everything that is served."""
        return {
            f"/{issuer.issuer.rpartition('/')[2]}{path}": json.dumps(document).encode()
            for issuer in (self.tenants, self.operators)
            for path, document in issuer.documents().items()
        }


class _IssuerServer:
    """Serves the issuers' documents on loopback from a thread of its own; a context manager."""

    def __init__(self, issuer: DevelopmentIssuer) -> None:
        try:
            self._server = ThreadingHTTPServer((ports.LOOPBACK, issuer.port), _handler(issuer.documents()))
        except OSError as error:
            raise DemoError(
                f"Port {issuer.port} of the development issuer is in use: stop what listens there."
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="issuer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _kept_port(directory: Path) -> int | None:
    port = (read_object(directory / "issuer.json") or {}).get("port")
    return port if isinstance(port, int) and 1024 <= port <= 65_535 else None


def _handler(documents: dict[str, bytes]) -> type[BaseHTTPRequestHandler]:
    """A handler that answers GET and HEAD with the documents and knows nothing else."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_SECONDS
        server_version = "development-issuer"
        sys_version = ""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Nothing: who fetches public keys is no news."""

        def _answer(self, *, with_body: bool) -> None:
            document = documents.get(self.path)
            body = b"{}" if document is None else document
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "max-age=300")
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    return Handler
