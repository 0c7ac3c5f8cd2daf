"""The nouns of a decision: who (`Principal`), under which rules (`Policy`), wants what (`Intent`).

All are frozen values. This module knows no clock, no network and no wire format; `decide` reads these and nothing
else, which is why three backends can't disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType

from gateway.policy.problems import Refusal

TenantId = NewType("TenantId", str)
"""A tenant's id, `[a-z0-9][a-z0-9-]{0,62}`; made by `gateway.policy.document.tenant_id` only."""

ObjectKey = NewType("ObjectKey", str)
"""A full S3 key under a tenant's prefix; made by `gateway.policy.names.object_key` only."""

SINGLE_PUT_LIMIT: Final = 5_368_709_120
"""The most bytes S3 takes in one PUT (S3 User Guide, "Uploading objects": 5 GiB)."""

OBJECT_LIMIT: Final = 53_687_091_200_000
"""The most bytes S3 takes in one object: 10,000 parts of 5 GiB (S3 User Guide, "Multipart upload limits")."""


class Backend(StrEnum):
    """Who enacts a grant."""

    PROXY = "proxy"
    PRESIGNED = "presigned"
    EDGE = "edge"


class Algorithm(StrEnum):
    """An integrity check that S3 verifies on a single PUT; the value is the contract's name for it."""

    CRC32 = "crc32"
    CRC32C = "crc32c"
    CRC64NVME = "crc64nvme"
    SHA1 = "sha1"
    SHA256 = "sha256"
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class Checksum:
    """A declared checksum: the algorithm and the base64 value (RFC 4648 section 4, padded) that S3 will verify."""

    algorithm: Algorithm
    value: str

    @property
    def header(self) -> str:
        """The lower-case header S3 reads it from."""
        return "content-md5" if self.algorithm is Algorithm.MD5 else f"x-amz-checksum-{self.algorithm}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever a verified credential speaks for.

    `tenant` is what the credential is bound to, None when it is bound to none. `subject` is unique within `issuer`
    only. `scopes` are the operations it was given. `expires_at` is in seconds since the epoch, None for a credential
    without an end. `name_prefix` narrows an API key to names that begin with it.
    """

    tenant: str | None
    issuer: str
    subject: str
    scopes: frozenset[str]
    expires_at: float | None = None
    name_prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """The bytes an object may have, both ends included."""

    min: int = 0
    max: int = OBJECT_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRule:
    """What a name may look like: `max_depth` segments, no extension of `deny_extensions`, `pattern` fully matched."""

    max_depth: int = 16
    deny_extensions: tuple[str, ...] = (".exe", ".html", ".htm", ".svg", ".js")
    pattern: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataRule:
    """The user metadata a client may set: `keys` (lower-case; `"*"` alone: any), `max_bytes` of keys and values."""

    keys: tuple[str, ...] = ()
    max_bytes: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipartRule:
    """From which size (bytes) a plan is multipart, its part size (bytes) and how long it may stay open (seconds)."""

    threshold: int = 104_857_600
    part_size: int = 8_388_608
    max_age: int = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaRule:
    """What the tenant may hold in S3; None is no limit."""

    bytes: int | None = None
    objects: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRule:
    """A token bucket: `per_second` tokens a second, at most `burst`; one a tenant or one a subject."""

    per_second: float
    burst: int
    per: str = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRule:
    """An issuer that a tenant, or the operator for many tenants, believes.

    `audience`, `client_ids` and `token_use` are the accepted values; `jwks_uri` None is found by the issuer's rule.
    `tenant_claim` names the claim whose value is exactly a tenant's id; None binds the issuer to one tenant.
    """

    issuer: str
    kind: str = "oidc"
    audience: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()
    token_use: tuple[str, ...] = ("access",)
    jwks_uri: str | None = None
    subject_claim: str = "sub"
    scope_claim: str = "scope"
    tenant_claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A tenant's rules: the parsed tenant document (`gateway.policy.document`), members named as there.

    `revision` is no member of it and no rule reads it: which version of the document this is, as the store that has it
    counts, so that whoever records a decision can say under which; 0 for one that is kept in a file.
    """

    tenant: TenantId
    status: str = "active"
    scopes: tuple[str, ...] = ("files:write",)
    backends: tuple[Backend, ...] = (Backend.EDGE, Backend.PRESIGNED, Backend.PROXY)
    key: str = "{tenant}/{name}"
    owner: str = "tenant"
    size: SizeRule = field(default_factory=SizeRule)
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: NameRule = field(default_factory=NameRule)
    overwrite: bool = False
    checksum: str = "optional"
    metadata: MetadataRule = field(default_factory=MetadataRule)
    object_headers: tuple[str, ...] = ()
    url_lifetime: int = 900
    multipart: MultipartRule = field(default_factory=MultipartRule)
    clients: tuple[str, ...] = ("uppy",)
    quota: QuotaRule = field(default_factory=QuotaRule)
    rate: RateRule | None = None
    inspection: str = "none"
    webhooks: tuple[str, ...] = ()
    issuers: tuple[IssuerRule, ...] = ()
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """What a pure decision can't make itself: the time (seconds since the epoch) and a fresh unguessable id.

    The key template's `{year}`, `{month}`, `{day}` (UTC) and `{uuid}` come from here.
    """

    at: float
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """How an upload will travel, and what that way can't carry, whatever a tenant's policy says.

    - `max_size`: bytes. `advice`: a sentence naming what would work where this way does not.
    - `checksum_later`: True where a required checksum may still be given when the upload is completed.
    - `adds_headers`: False where the client's own request goes to S3 (a redirect), so nothing can be added to it.
    - `inspects`: whether what arrives lands apart, and becomes the tenant's only when it was inspected.
    - `portable_names`, `max_encoded_name` (characters): names, and the keys they make, that the way can hold.
    - `metadata_keys`, `checksums`, `object_headers`: the ones listed at deployment; None where the way takes any.
    """

    backend: Backend
    max_size: int = SINGLE_PUT_LIMIT
    advice: str = "Begin the upload with POST /uploads, which sends large objects in parts."
    checksum_later: bool = False
    adds_headers: bool = True
    inspects: bool = False
    portable_names: bool = False
    max_encoded_name: int | None = None
    metadata_keys: frozenset[str] | None = None
    checksums: frozenset[Algorithm] | None = None
    object_headers: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a client wants, decoded once and free of its wire format.

    A part of the request that can't be decoded is kept as the `Refusal` it will become: the order of refusals is the
    policy's, so a bad name must not be said before a bad credential.

    - `name`: decoded, NFC. `content_type`: verbatim, None if absent.
    - `size`: bytes; None from a client that does not say it, which is then granted the policy's bounds.
    - `create_only`: the client asked for it. `metadata`: lower-case keys without their prefix, in order.
    - `object_headers`: headers that S3 would store with the object, lower-case names.
    - `header_fault`: the first header that no policy could allow.
    - `unread_headers`: headers that have an effect here but that S3, reached by a redirect, would not understand.
    - `client`: the kind of client, where the policy must list it in `clients`; None for what every tenant takes.
    """

    carriage: Carriage
    name: str | Refusal
    size: int | None
    content_type: str | None
    checksum: Checksum | None
    create_only: bool
    metadata: tuple[tuple[str, str], ...]
    object_headers: tuple[tuple[str, str], ...]
    minted: Minted
    header_fault: Refusal | None = None
    unread_headers: tuple[str, ...] = ()
    client: str | None = None
