"""The settings: every member, its type, its bounds, its default and what it means.

Descriptions are for operators; `reference` renders them. A value is only ever refused here, so that what starts, fits.
"""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from gateway.asgi.forwarded import TrustedProxies
from gateway.asgi.switches import Exposure, Switches
from gateway.cors import origin
from gateway.policy.addresses import url_fault
from gateway.proxy.forward import Integrity
from gateway.server.carriages import Limits
from gateway.settings.base import Table
from gateway.settings.http import Http
from gateway.settings.issuers import OperatorIssuer, SharedIssuer
from gateway.storage.endpoint import Addressing, Endpoint
from gateway.tenants.trail import TrailRules, WhenFull

SEALING_KEY_BYTES: Final = 32

Seconds = Annotated[float, Field(ge=0, le=86_400)]


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Refuses text that `check` raises ValueError for; the text stays as it is."""

    def checked(text: str) -> str:
        check(text)
        return text

    return AfterValidator(checked)


def _plain_url(text: str) -> None:
    if fault := url_fault(text, allow_private=True, allow_query=False):
        raise ValueError(fault)


def _proxy(text: str) -> None:
    TrustedProxies.of([text])


def _sealing_key(secret: SecretStr) -> SecretStr:
    said = f"this is {SEALING_KEY_BYTES} random bytes in base64 (head -c 32 /dev/urandom | base64)"
    try:
        key = base64.b64decode(secret.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(said) from None
    if len(key) != SEALING_KEY_BYTES:
        raise ValueError(said)
    return secret


Url = Annotated[str, _checked(_plain_url)]
Name = Annotated[str, Field(min_length=1, max_length=255)]


class Listen(Table):
    """Where clients connect."""

    host: Name = Field(default="127.0.0.1", description="The address to listen on; `0.0.0.0` or `::` for all.")
    port: int = Field(default=8080, ge=0, le=65_535, description="The port; 0 takes any free one.")
    unix: Path | None = Field(
        default=None, description="A Unix socket to listen on instead, for a reverse proxy on this machine (mode 0660)."
    )
    trusted_proxies: tuple[Annotated[str, _checked(_proxy)], ...] = Field(
        default=(),
        description="Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count; `unix` for whoever "
        "connects to the Unix socket. From anybody else these headers are ignored.",
    )


class Tls(Table):
    """TLS on the gateway's own socket: 1.2 or newer. SIGHUP reads both files again."""

    certificate: Path = Field(description="The certificate and its chain, PEM.")
    key: Path = Field(description="Its private key, PEM, without a passphrase.")


class S3Identity(Table):
    """Who signs: static keys, or a profile, or (with neither) what the AWS SDK finds: environment, container, instance.

    Temporary credentials are renewed before they expire.
    """

    access_key: Name | None = Field(default=None, description="A static access key.")
    secret_key: SecretStr | None = Field(default=None, description="Its secret key.")
    session_token: SecretStr | None = Field(default=None, description="Its session token, where it has one.")
    profile: Name | None = Field(
        default=None, description="A profile of the AWS configuration, which may assume a role (`role_arn`)."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key go together")
        if self.access_key is None and self.session_token is not None:
            raise ValueError("session_token belongs to an access_key")
        if self.access_key is not None and self.profile is not None:
            raise ValueError("give static keys or a profile, not both")
        return self

    @property
    def who(self) -> str | None:
        """What tells one identity from another; None is the SDK's own choice."""
        return self.access_key or self.profile


class Sessions(Table):
    """Narrow, temporary credentials for clients that sign for themselves (`sts` among a tenant's `clients`)."""

    role: Name = Field(description="The role (an ARN) that sessions are of; the signer's identity must be allowed it.")
    endpoint: Url | None = Field(default=None, description="Where STS is, if not AWS's own of the Region.")


class S3(Table):
    """The bucket, and the three identities that may use it, none of which can do the others' work."""

    bucket: Name = Field(description="The bucket.")
    region: Name = Field(description="Its Region.")
    endpoint: Url | None = Field(default=None, description="An S3 service that is not AWS's: `https://s3.example.com`.")
    addressing: Addressing | None = Field(
        default=None,
        description="Whether the bucket's name stands in the host (`virtual`, AWS's default) or in the path (`path`, "
        "the default with an `endpoint`).",
    )
    integrity: Integrity | None = Field(
        default=None,
        description="Which bodies that came without a checksum the proxy has S3 hold against one of its own: `all`, "
        "AWS's default; only those that are `held` whole before they go on, the default with an `endpoint`; or `none`.",
    )
    signer: S3Identity = Field(description="May only put objects and parts.")
    completer: S3Identity = Field(description="May complete, abort, list and head.")
    operator: S3Identity | None = Field(
        default=None, description="May set the bucket's rules; for commands, not for serving."
    )
    sessions: Sessions | None = None
    one_identity: bool = Field(
        default=False,
        description="Take one identity for several of the three, and with it more authority than each needs.",
    )

    @property
    def checked(self) -> Integrity:
        """The integrity that is in force."""
        return self.integrity or (Integrity.ALL if self.endpoint is None else Integrity.HELD)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.place()
        given = [each.who for each in (self.signer, self.completer, self.operator) if each is not None]
        if len(set(given)) < len(given) and not self.one_identity:
            raise ValueError("signer, completer and operator must be different identities (or say one_identity)")
        return self

    def place(self) -> Endpoint:
        """Where the bucket is."""
        if self.endpoint is None:
            return Endpoint.aws(self.bucket, self.region, addressing=self.addressing or Addressing.VIRTUAL)
        return Endpoint.at(self.endpoint, self.bucket, addressing=self.addressing or Addressing.PATH)


class SqliteStore(Table):
    """Policies, keys, usage, rates and the audit in one file, for one machine and all its workers."""

    kind: Literal["sqlite"] = Field(description="One file on this machine.")
    path: Path = Field(description="The file; it must be on a local disk.")


class DynamoDbStore(Table):
    """The same in one DynamoDB table, for any number of machines; its credentials are what the AWS SDK finds."""

    kind: Literal["dynamodb"] = Field(description="One DynamoDB table.")
    table: Name = Field(description="The table.")
    region: Name = Field(description="Its Region.")
    endpoint: Url | None = Field(default=None, description="A DynamoDB that is not AWS's, for tests.")


class Tenants(Table):
    """Where tenants are, beside the store, and how long what was read of them is believed."""

    folder: Path | None = Field(
        default=None, description="A folder of tenant documents, one `*.json` a tenant; they win over the store's."
    )
    policy_lifetime: Annotated[float, Field(ge=0, le=3_600)] = Field(
        default=30.0,
        description="Seconds after which a change is in force everywhere; 0 asks the store for every request.",
    )
    policy_stale_limit: Seconds = Field(
        default=300.0, description="Seconds more for which what was read is believed while the store does not answer."
    )
    most_uploads: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="Uploads of one tenant whose bytes pass through this machine at once, all its workers together; "
        "more are `rate-limited`. By default half of the connections that the workers take.",
    )
    allow_private_issuers: bool = Field(
        default=False, description="Believe issuers on loopback and private addresses, and over plain http."
    )


class Tokens(Table):
    """What holds for the tokens of all issuers."""

    max_lifetime: Annotated[float, Field(gt=0)] = Field(
        default=2_678_400.0, description="Seconds that a token may live from its `iat` (31 days)."
    )
    leeway: Annotated[float, Field(ge=0, le=60)] = Field(
        default=0.0, description="Seconds by which an issuer's clock may differ."
    )


class Sealing(Table):
    """The keys that seal upload ids and tickets."""

    keys: tuple[Annotated[SecretStr, AfterValidator(_sealing_key)], ...] = Field(
        description="32 random bytes each, in base64, newest first: the first seals, all of them open. Keep an old key "
        "for as long as an upload may last.",
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.keys:
            raise ValueError("keys must have at least one")
        return self

    def ring(self) -> tuple[bytes, ...]:
        """The keys' bytes, newest first."""
        return tuple(base64.b64decode(key.get_secret_value()) for key in self.keys)


class CorsOrigins(Table):
    """Pages of which origins may call from a browser."""

    origins: tuple[Annotated[str, _checked(origin)], ...] = Field(
        default=(), description="Origins as a browser sends them: `https://app.example.com`."
    )


class Edge(Table):
    """Documents for the edge function: what it knows of tenants, signed, in a bucket of their own."""

    bucket: Name = Field(description="The documents' bucket; never the one that uploads go to.")
    region: Name = Field(description="Its Region. Replicate the bucket to have documents near functions elsewhere.")
    endpoint: Url | None = Field(default=None, description="An S3 service that is not AWS's.")
    prefix: str = Field(default="", max_length=255, description="Before every document's name: `documents/`.")
    publisher: S3Identity = Field(description="May get, put and list in that bucket, and nothing else.")
    key_id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")] = Field(
        description="The signing key's name. A new key needs a new one."
    )
    signing_key: Annotated[SecretStr, AfterValidator(_sealing_key)] = Field(
        description="32 random bytes in base64: the seed of the Ed25519 key that signs."
    )
    lifetime: Annotated[float, Field(ge=60, le=604_800)] = Field(
        default=3600.0, description="Seconds that a document is good for; it is replaced when half of them are over."
    )
    look_every: Annotated[float, Field(ge=1, le=3600)] = Field(
        default=60.0, description="Seconds between two looks for changes that were made by another process."
    )
    parts: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=16, description="Parts of the index; one for every few thousand tenants is enough."
    )
    throttle: Literal["refuse", "leased", "shared"] = Field(
        default="refuse",
        description="How the function holds tenants to a rate or a quota: not at all, and refuses them; by shares that "
        "documents give each of its sandboxes; or by the store, which must be DynamoDB.",
    )
    near: tuple[Name, ...] = Field(
        default=(),
        description="For `shared`: Regions that have a table of the store's name for rates, which then hold in each of "
        "them; quotas are always counted in the store's own.",
    )
    instances: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=20, description="For `leased`: sandboxes that a share is made for."
    )
    lease: Annotated[float, Field(ge=600, le=86_400)] = Field(
        default=7200.0, description="For `leased`: seconds that room of a quota is lent for, and listed after."
    )

    def place(self) -> Endpoint:
        """The documents' bucket."""
        if self.endpoint is None:
            return Endpoint.aws(self.bucket, self.region)
        return Endpoint.at(self.endpoint, self.bucket)

    def seed(self) -> bytes:
        """The signing key's 32 bytes."""
        return base64.b64decode(self.signing_key.get_secret_value())


class Drain(Table):
    """How a worker ends when it is told to."""

    delay: Seconds = Field(
        default=0.0,
        description="Seconds that a worker still takes connections while `/readyz` says 503, so that load balancers "
        "turn away first.",
    )
    grace: Seconds = Field(default=30.0, description="Seconds that uploads under way are given to finish.")


class Log(Table):
    """What is written to standard error."""

    format: Literal["text", "json"] = Field(default="text", description="Lines for people, or one JSON object a line.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is written."
    )


class Operations(Table):
    """Who is shown the metrics and the API's description, and a listener apart for whoever watches.

    On the listener apart `/healthz`, `/readyz`, `/metrics`, `/docs` and `/openapi.json` answer, in plain HTTP and
    without a token, and nothing else does: keep it from clients.
    """

    host: Name = Field(default="127.0.0.1", description="The address of the listener apart.")
    port: Annotated[int, Field(ge=0, le=65_535)] | None = Field(
        default=None, description="Its port; without one there is no such listener."
    )
    metrics: Exposure = Field(
        default=Exposure.OPERATORS,
        strict=False,
        description="Who may ask for `/metrics`: `operators` by their token, everybody (`open`), only the listener "
        "`apart`, or nobody (`off`).",
    )
    docs: Exposure = Field(
        default=Exposure.OPEN,
        strict=False,
        description="The same of `/docs` and `/openapi.json`, which are `open`, `apart` or `off`.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.docs is Exposure.OPERATORS:
            raise ValueError("docs are open, apart or off: a browser sends no operator's token")
        if self.port is None and Exposure.APART in (self.docs, self.metrics):
            raise ValueError("apart needs a port")
        return self

    def switches(self) -> Switches:
        """What the application is told."""
        return Switches(docs=self.docs, metrics=self.metrics)


class Audit(Table):
    """The record of decisions."""

    when_full: WhenFull = Field(
        default=WhenFull.REFUSE,
        description="While the record can't be kept: `refuse` makes no decision (503), `drop` goes on, and the next "
        "line that is written counts those that were lost.",
    )
    most_waiting: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        default=10_000, description="Lines that may wait for the store."
    )

    def rules(self) -> TrailRules:
        """What the trail is told."""
        return TrailRules(when_full=self.when_full, most=self.most_waiting)


class Settings(Table):
    """All settings of `upload-gateway serve`."""

    public_url: Url | None = Field(
        default=None, description="Where clients reach the gateway; the API description says so."
    )
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer; about one a processor.")
    limits: Limits = Field(
        default=Limits.NONE, description="`aws` holds each backend to what API Gateway and CloudFront can carry."
    )
    listen: Listen = Field(default_factory=Listen)
    tls: Tls | None = None
    s3: S3
    store: Annotated[SqliteStore | DynamoDbStore, Field(discriminator="kind")]
    tenants: Tenants = Field(default_factory=Tenants)
    issuers: tuple[SharedIssuer, ...] = ()
    operators: tuple[OperatorIssuer, ...] = ()
    tokens: Tokens = Field(default_factory=Tokens)
    sealing: Sealing
    cors: CorsOrigins = Field(default_factory=CorsOrigins)
    edge: Edge | None = None
    http: Http = Field(default_factory=Http)
    operations: Operations = Field(default_factory=Operations)
    audit: Audit = Field(default_factory=Audit)
    drain: Drain = Field(default_factory=Drain)
    log: Log = Field(default_factory=Log)

    @model_validator(mode="after")
    def _edge_can_count(self) -> Self:
        if self.edge is None:
            return self
        if self.edge.throttle == "shared" and not isinstance(self.store, DynamoDbStore):
            raise ValueError("edge.throttle: shared takes a store of kind dynamodb")
        if self.edge.throttle == "leased" and self.s3.operator is None:
            raise ValueError("edge.throttle: leased takes s3.operator, which lists what was uploaded under a lease")
        return self
