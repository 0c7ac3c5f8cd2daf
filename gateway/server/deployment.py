"""What differs between deployments, as one value: the demo and `serve` each make one, and `wiring` does the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.admission import Admission
from gateway.asgi.forwarded import TrustedProxies
from gateway.asgi.switches import Switches
from gateway.asgi.turnstile import Turnstile
from gateway.asgi.wire import Application
from gateway.cors import NO_PAGES, Cors
from gateway.identity.authenticate import AuthenticatorSettings
from gateway.metrics import Metrics
from gateway.policy.model import IssuerRule
from gateway.proxy.forward import Integrity
from gateway.server.carriages import Limits
from gateway.server.opened import OpenStoresFor
from gateway.storage.endpoint import Endpoint
from gateway.storage.provider import Provider
from gateway.storage.sigv4 import Signer
from gateway.storage.sts import StsRole
from gateway.storage.upstream import Upstream
from gateway.tenants.cache import CacheRules
from gateway.tenants.folder import TenantFolder
from gateway.tenants.published.leasing import LeaseRules
from gateway.tenants.published.signing import SigningPair
from gateway.tenants.trail import TrailRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a backend that stands for a service of AWS is made of, on a machine that has no such service."""

    limits: Limits
    endpoint: Endpoint
    signer: Signer
    upstream: Upstream
    cors: Cors
    turnstile: Turnstile = field(default_factory=Turnstile)


MakeBackend = Callable[[Site], Callable[[Admission], Application]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeDocuments:
    """Where the edge's documents go (`gateway.tenants.published`), who writes them there, and who signs them.

    `believed` are the public keys, by id, whose documents are the publisher's own earlier ones. `lifetime` and
    `look_every` are in seconds. `throttle` is what the function is told of rates and quotas
    (`edge_auth.settings.Throttle`, as JSON); `shares`, how the documents share them out, None: they don't.
    """

    endpoint: Endpoint
    writer: Signer
    pair: SigningPair
    believed: Mapping[str, bytes]
    prefix: str = ""
    lifetime: float = 3600.0
    look_every: float = 60.0
    parts: int = 16
    throttle: Mapping[str, object] = field(default_factory=dict)
    shares: LeaseRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One gateway, before anything of it is opened.

    Attributes:
        endpoint: where clients and the gateway reach the bucket.
        signer, completer: two of the three identities; neither may do the other's work.
        sts: where the signer's identity gets sessions for clients that sign for themselves; None: nobody gets any.
        renewals: where signers get new credentials from, for those whose credentials end.
        operator: the third identity, which lists the bucket; without it nothing is compared with S3.
        stores: opens the stores, in the process that uses them.
        sealing_keys: 32 bytes each, newest first.
        tenant_issuers: the operator's issuers that speak for tenants, each with a tenant claim.
        operator_issuers: the issuers of the admin API's users.
        tokens: what holds for the tokens of all issuers.
        allow_private_issuers: whether issuers may be on loopback, private or plain http addresses.
        folder: tenants that are files, and win over the store's; made in the process that uses it.
        policy_cache: how long policies and keys are believed without a look at the store.
        audit: how decisions are written down, and what happens while they can't be.
        edge: makes the backend that stands for CloudFront.
        documents: where to publish what an edge function knows; None where there is none.
        proxy: makes the one that stands for API Gateway; None where the gateway streams to S3 itself.
        integrity: which bodies without a checksum get one from the proxy.
        cors: the origins of pages that may call.
        proxies: whose word counts on who the client is.
        turnstile: how many uploads of one tenant go through this machine at once.
        metrics: where this process counts.
        switches: who is shown the metrics and the API's description.
        public_url: where clients reach the gateway, for its API's description.
        sweeps: whether this process ends what nobody ended in time; any number may, one is enough.
        draining: whether the process has been told to stop, so that `/readyz` says so.
    """

    endpoint: Endpoint
    signer: Signer
    completer: Signer
    stores: OpenStoresFor
    sealing_keys: Sequence[bytes] = field(repr=False)
    tenant_issuers: Sequence[IssuerRule]
    operator_issuers: Sequence[IssuerRule]
    edge: MakeBackend
    proxy: MakeBackend | None = None
    renewals: Mapping[Signer, Provider] = field(default_factory=dict)
    tokens: AuthenticatorSettings = field(default_factory=AuthenticatorSettings)
    operator: Signer | None = None
    folder: Callable[[], TenantFolder] | None = None
    sts: StsRole | None = None
    allow_private_issuers: bool = False
    policy_cache: CacheRules = field(default_factory=CacheRules)
    audit: TrailRules = field(default_factory=TrailRules)
    limits: Limits = Limits.NONE
    documents: EdgeDocuments | None = None
    integrity: Integrity = Integrity.HELD
    cors: Cors = NO_PAGES
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    turnstile: Turnstile = field(default_factory=Turnstile)
    metrics: Metrics = field(default_factory=Metrics)
    switches: Switches = field(default_factory=Switches)
    public_url: str | None = None
    sweeps: bool = True
    draining: Callable[[], bool] = lambda: False
