"""What the suite needs of a deployment under test, and nothing more.

A deployment answers HTTP at one base a backend, can be given tokens, and lets the suite look into its bucket. The
local demo is one; packages under a Lambda runtime, models of API Gateway and CloudFront, several instances behind one
name, or a real account plug in by the same few methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from tests.conformance.wire import Origin

BACKENDS: Final = ("proxy", "presigned", "edge")
"""The backends in the order in which the suite asks them."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where a backend answers: a name is appended to `path`, which ends in no slash."""

    origin: Origin
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as S3 holds it.

    `headers` are the stored headers a client could have smuggled (lower-case names); `checksums` S3's own, by the
    contract's algorithm names, base64.
    """

    body: bytes
    content_type: str
    metadata: Mapping[str, str]
    checksums: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Bucket(Protocol):
    """A look into the bucket, past the gateway."""

    def get(self, key: str) -> StoredObject | None:
        """The object, None when there is none."""
        ...

    def list(self, prefix: str = "") -> Mapping[str, str]:
        """Every key that begins with `prefix` to its ETag; the whole bucket's where it is empty."""
        ...

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object, so that a case finds one."""
        ...

    def discard(self, *keys: str) -> None:
        """Delete objects that a case has looked at."""
        ...


class Tenants(Protocol):
    """Tenants that the suite brings along."""

    def put(self, document: Mapping[str, Any]) -> None:
        """Put the tenant of this document (the contract's section 3) in force at once, in the place of what it was."""
        ...

    def remove(self, tenant: str) -> None:
        """Remove a tenant at once."""
        ...


class Deployment(Protocol):
    """A gateway that runs somewhere, with the two tenants of the contract's section 7.

    `limits` is `"machine"` or `"aws"` and says which rows of the table of forced differences are in force.
    `carried_metadata` are the metadata keys that proxy and edge carry there, None where they carry any.
    `guesses_types_of` are types that the S3 of this deployment, unlike AWS's, does not keep as they were sent; empty
    where it is AWS's. `secrets` are words that no answer of the gateway's own may hold. `page` is the origin of a page
    elsewhere that may call.
    """

    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> str: ...
    @property
    def carried_metadata(self) -> frozenset[str] | None: ...
    @property
    def guesses_types_of(self) -> frozenset[str]: ...
    @property
    def secrets(self) -> tuple[str, ...]: ...
    @property
    def page(self) -> str: ...
    @property
    def bucket(self) -> Bucket: ...

    @property
    def tenants(self) -> Tenants | None:
        """Takes more tenants; None where the deployment has the contract's two and no other."""
        ...

    @property
    def issuer(self) -> "Issuer":
        """Whom the gateway believes."""
        ...

    def base(self, backend: str) -> Base | None:
        """Where `backend` (or `"files"`) answers; None where the deployment has none."""
        ...

    def api(self) -> Base:
        """Where `POST /uploads` answers; `path` is what comes before `/uploads`."""
        ...


class Issuer(Protocol):
    """Makes tokens as the deployment's identity provider would, also wrong ones."""

    def claims(self, tenant: object, /, **changes: Any) -> dict[str, Any]:
        """The claims of a good token for `tenant`; a change to None takes the claim out.

        `tenant` and `scope` are laid into the claims that the deployment reads them from.
        """
        ...

    def sign(self, claims: Mapping[str, Any] | bytes, alg: str | None = None, **header: Any) -> str:
        """A token over `claims` (or a raw payload) by the issuer's key of `alg`, None for its first.

        `header` overrides header members.
        """
        ...

    def public_pem(self, alg: str = "RS256") -> bytes:
        """The public key, SubjectPublicKeyInfo in PEM: what a forger knows."""
        ...

    def kid(self, alg: str | None = None) -> str:
        """The key id of `alg`, None for the first."""
        ...
