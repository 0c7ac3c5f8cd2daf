"""The admin API's bodies as pydantic models: what is sent, checked strictly, and what is answered, described.

A tenant's document is checked by `gateway.policy.document` alone; `TenantDocument` describes it for OpenAPI, and a test
holds the description to the checker.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.policy.model import OBJECT_LIMIT, SINGLE_PUT_LIMIT
from gateway.server.admin.past import DifferenceBody, Moment

_COUNT_LIMIT: Final = 2**63 - 1
_STRICT: Final = ConfigDict(extra="forbid", strict=True)

TENANT_PATTERN: Final = "^[a-z0-9][a-z0-9-]{0,62}$"
Text = Annotated[str, Field(min_length=1, max_length=255)]
Extension = Annotated[str, Field(max_length=64, examples=[".png"])]
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$", max_length=255, examples=["files:write"])]

EXAMPLE_DOCUMENT: Final[dict[str, Any]] = {
    "version": 1,
    "tenant": "initech",
    "size": {"max": 10_485_760},
    "types": {"image/png": [".png"], "application/pdf": [".pdf"]},
    "quota": {"bytes": 1_073_741_824},
    "issuers": [{"issuer": "https://id.initech.example.com", "audience": ["upload-gateway"]}],
}
"""A document as an operator would send it; what it leaves out is the default."""


class SizeMembers(BaseModel):
    """The bytes an object may have, both ends included."""

    min: int = Field(default=0, ge=0, le=OBJECT_LIMIT)
    max: int = Field(default=OBJECT_LIMIT, ge=0, le=OBJECT_LIMIT)


class NameMembers(BaseModel):
    """What a name may look like."""

    max_depth: int = Field(default=16, ge=1, le=1_024, description="segments")
    deny_extensions: list[Extension] = [".exe", ".html", ".htm", ".svg", ".js"]
    pattern: str | None = Field(
        default=None, min_length=1, max_length=512, description="a regular expression of the whole name"
    )


class MetadataMembers(BaseModel):
    """The user metadata that a client may set."""

    keys: list[str] = Field(default=[], description='lower-case; "*" alone: any')
    max_bytes: int = Field(default=2_048, ge=0, le=2_048)


class MultipartMembers(BaseModel):
    """When and how a plan is sent in parts."""

    threshold: int = Field(default=104_857_600, ge=1, le=SINGLE_PUT_LIMIT, description="bytes")
    part_size: int = Field(default=8_388_608, ge=5_242_880, le=SINGLE_PUT_LIMIT, description="bytes")
    max_age: int = Field(default=86_400, ge=3_600, le=604_800, description="seconds")


class QuotaMembers(BaseModel):
    """What the tenant may hold in S3; null is no limit."""

    bytes: int | None = Field(default=None, ge=0, le=_COUNT_LIMIT)
    objects: int | None = Field(default=None, ge=0, le=_COUNT_LIMIT)


class RateMembers(BaseModel):
    """A token bucket a tenant or a subject."""

    per_second: float = Field(ge=0.00001, le=1_000_000)
    burst: int = Field(ge=1, le=1_000_000)
    per: Literal["tenant", "subject"] = "tenant"


class IssuerMembers(BaseModel):
    """An issuer of the tenant's own."""

    issuer: str = Field(max_length=2_048, examples=["https://id.initech.example.com"])
    kind: Literal["oidc", "cognito"] = "oidc"
    audience: list[Text] = []
    client_ids: list[Text] = []
    token_use: list[Literal["access", "id"]] = Field(default=["access"], min_length=1)
    jwks_uri: str | None = Field(default=None, max_length=2_048)
    subject_claim: Text = "sub"
    scope_claim: Text = "scope"
    tenant_claim: Text | None = None


class TenantDocument(BaseModel):
    """A tenant's document; docs/reference/tenant-document.md says what each member means."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_DOCUMENT]})

    version: Literal[1]
    tenant: str = Field(pattern=TENANT_PATTERN)
    status: Literal["active", "suspended"] = "active"
    scopes: list[Scope] = Field(default=["files:write"], min_length=1)
    backends: list[Literal["edge", "presigned", "proxy"]] = Field(default=["edge", "presigned", "proxy"], min_length=1)
    key: str = Field(default="{tenant}/{name}", max_length=512)
    owner: Literal["tenant", "subject"] = "tenant"
    size: SizeMembers = SizeMembers()
    types: dict[str, list[Extension]] = {}
    names: NameMembers = NameMembers()
    overwrite: bool = False
    checksum: Literal["optional", "required"] = "optional"
    metadata: MetadataMembers = MetadataMembers()
    object_headers: list[Literal["content-encoding", "content-disposition", "content-language", "expires"]] = []
    url_lifetime: int = Field(default=900, ge=60, le=3_600, description="seconds")
    multipart: MultipartMembers = MultipartMembers()
    clients: list[Literal["uppy", "uppy-sign", "sts"]] = ["uppy"]
    quota: QuotaMembers = QuotaMembers()
    rate: RateMembers | None = None
    inspection: Literal["none", "required"] = "none"
    webhooks: list[str] = Field(default=[], max_length=16)
    issuers: list[IssuerMembers] = Field(default=[], max_length=64)


class TenantList(BaseModel):
    """One page of tenants; `cursor` null is the last one, `read_only` names those that are kept in files."""

    tenants: list[TenantDocument]
    cursor: str | None
    read_only: list[str]


class Version(BaseModel):
    """One version of a tenant's document; `document` null is a deletion."""

    version: int
    etag: str = Field(description="not quoted", examples=["3-5d41402abc4b2a76"])
    at: Moment
    by: str = Field(description="issuer#subject of the operator", examples=["https://sso.example.com#ada"])
    reason: str
    document: TenantDocument | None


class History(BaseModel):
    """One page of versions, newest first."""

    versions: list[Version]
    cursor: str | None


class RollbackBody(BaseModel):
    """Which version's document to put in force again."""

    model_config = ConfigDict(**_STRICT, json_schema_extra={"example": {"version": 3}})

    version: int = Field(ge=1, le=2**53 - 1)


class RateLevel(RateMembers):
    """The rate, and how many tokens the tenant's bucket has now (null where each subject has one)."""

    left: int | None


class UsageBody(BaseModel):
    """What the tenant has in S3 and what uploads under way have reserved, beside what it may have."""

    bytes: int
    objects: int
    reserved_bytes: int
    reserved_objects: int
    quota: QuotaMembers
    rate: RateLevel | None


class EvaluateBody(BaseModel):
    """A request to try: `name` as it is meant, `claims` as a verified token of the tenant would have them."""

    model_config = ConfigDict(
        **_STRICT,
        json_schema_extra={
            "example": {
                "backend": "proxy",
                "name": "holiday/photo.png",
                "size": 20_480,
                "content_type": "image/png",
                "headers": {},
                "claims": {"sub": "ada", "scope": "files:write"},
            }
        },
    )

    backend: Literal["edge", "presigned", "proxy"]
    name: str = Field(max_length=8_192)
    size: int = Field(ge=0, le=OBJECT_LIMIT)
    content_type: str | None = Field(default=None, max_length=1_024)
    headers: dict[str, str] = Field(default={}, max_length=100)
    claims: dict[str, Any] = Field(default={}, max_length=100)


class GrantBody(BaseModel):
    """What would be granted; `headers` are exactly what S3 would see."""

    key: str
    name: str
    size: int
    content_type: str | None
    create_only: bool
    url_lifetime: int
    headers: dict[str, str]


class RuleOutcome(BaseModel):
    """What became of a rule."""

    rule: str
    outcome: Literal["passed", "refused", "not-reached"]


class ProblemBody(BaseModel):
    """RFC 9457; docs/reference/problems.md lists the types."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:upload-gateway:problem:request-invalid"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="the request's id")


class EvaluationBody(BaseModel):
    """The decision, with `grant` or `problem`, and every rule in the order of refusals."""

    decision: Literal["grant", "refusal"]
    grant: GrantBody | None = None
    problem: ProblemBody | None = None
    policy_version: int
    rules: list[RuleOutcome]


class DryRunBody(BaseModel):
    """What a PUT would have put in force, and which of the last `decisions` would differ; nothing was changed."""

    dry_run: Literal[True]
    document: TenantDocument
    decisions: int = Field(description="how many of the last decisions were tried")
    differing: list[DifferenceBody]


class CreateKeyBody(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        **_STRICT,
        json_schema_extra={
            "example": {"name": "scanner 7", "scopes": ["files:write"], "expires_at": "2030-01-01T00:00:00Z"}
        },
    )

    name: str = Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
    scopes: list[Scope] = Field(min_length=1, max_length=100, json_schema_extra={"uniqueItems": True})
    expires_at: str | None = Field(
        default=None, description="RFC 3339, to come", json_schema_extra={"format": "date-time"}
    )
    name_prefix: str | None = Field(
        default=None, max_length=1_024, description="only names that begin so", examples=["scans/"]
    )


class KeyBody(BaseModel):
    """What is known of a key."""

    id: str
    name: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None
    name_prefix: str | None
    last_used_at: Moment | None


class CreatedKeyBody(KeyBody):
    """A new key; its secret is in this answer and never again."""

    secret: str = Field(examples=["ugk_…"])


class KeyList(BaseModel):
    """A tenant's keys that were not revoked."""

    keys: list[KeyBody]
