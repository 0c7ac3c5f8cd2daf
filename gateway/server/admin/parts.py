"""What the admin API is made of, and how it is made of a deployment's stores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.admission import Authenticator
from gateway.identity.apikeys import mint_api_key
from gateway.minting import minting
from gateway.policy.model import Backend, Carriage, IssuerRule
from gateway.tenants.aside import Aside
from gateway.tenants.decisions import Decision
from gateway.tenants.evaluation import Evaluator
from gateway.tenants.insight import TenantInsight
from gateway.tenants.policies import PolicyVersion
from gateway.tenants.protocol import IssuerDirectory
from gateway.tenants.service import DocumentSettings, KeptPolicies, TenantService, Together, plainly
from gateway.tenants.stores import Stores
from gateway.tenants.tenant_keys import TenantKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminParts:
    """`authenticator` believes the operators' issuers and nobody else; `aside` runs what may wait for a store."""

    authenticator: Authenticator
    aside: Aside
    service: TenantService
    insight: TenantInsight
    keys: TenantKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """What a deployment says of its tenants.

    `tenant_issuers` are the operator's that speak for tenants, `operator_issuers` those of operators. `directory` says
    who believes an issuer now, wherever tenants are; `kept` are the tenants that are not in the stores.
    `last_decisions` are a tenant's, newest first. `clock` gives epoch seconds. `on_change` and `on_key_change` are told
    what caches must ask for again: a version that is in force now, a key's id.
    """

    carriages: Mapping[Backend, Carriage]
    allow_private_issuers: bool
    tenant_issuers: Sequence[IssuerRule]
    operator_issuers: Sequence[IssuerRule]
    directory: IssuerDirectory
    clock: Callable[[], float]
    last_decisions: Callable[[str], tuple[Decision, ...]]
    kept: KeptPolicies | None = None
    on_change: Callable[[PolicyVersion], None] | None = None
    on_key_change: Callable[[str], None] | None = None
    together: Together = field(default=plainly)


def admin_parts(stores: Stores, settings: AdminSettings, *, authenticator: Authenticator, aside: Aside) -> AdminParts:
    """The admin API over these stores."""
    service = TenantService(
        policies=stores.policies,
        keys=stores.keys,
        audit=stores.audit,
        directory=settings.directory,
        settings=DocumentSettings(
            allow_private_issuers=settings.allow_private_issuers,
            shared_issuers=(*settings.tenant_issuers, *settings.operator_issuers),
        ),
        clock=settings.clock,
        together=settings.together,
        kept=settings.kept,
        on_change=settings.on_change,
        on_key_change=settings.on_key_change,
    )
    return AdminParts(
        authenticator=authenticator,
        aside=aside,
        service=service,
        insight=_insight(stores, settings, service),
        keys=TenantKeys(
            find=service.get,
            keys=stores.keys,
            audit=stores.audit,
            clock=settings.clock,
            mint=mint_api_key,
            together=settings.together,
            on_change=settings.on_key_change,
        ),
    )


def _insight(stores: Stores, settings: AdminSettings, service: TenantService) -> TenantInsight:
    evaluator = Evaluator(
        carriages=settings.carriages,
        ledger=stores.ledger,
        rates=stores.rates,
        shared=settings.tenant_issuers,
        mint=minting(settings.clock),
    )
    return TenantInsight(
        service=service,
        ledger=stores.ledger,
        rates=stores.rates,
        history=stores.history,
        last_decisions=settings.last_decisions,
        evaluator=evaluator,
        carriages=settings.carriages,
        allow_private_issuers=settings.allow_private_issuers,
        clock=settings.clock,
    )
