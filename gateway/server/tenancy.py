"""Where a process finds tenants, their keys and who believes an issuer, and the admin API over the same stores.

Policies are asked for through a cache; what is changed here is in force here at once, elsewhere when the cache's
lifetime is over. What decides whether a document may be accepted asks the store itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.identity.authenticate import Authenticator
from gateway.identity.jwks import JwksCache
from gateway.policy.model import IssuerRule
from gateway.server.admin import AdminParts, AdminSettings, admin_parts
from gateway.server.carriages import carriages
from gateway.server.deployment import Deployment
from gateway.server.opened import OpenStores
from gateway.tenants.cache import ApiKeyCache, CacheRules, PolicyCache
from gateway.tenants.decisions import Decision
from gateway.tenants.folder import TenantFolder
from gateway.tenants.key_uses import KeyUses
from gateway.tenants.layered import LayeredPolicies
from gateway.tenants.policies import PolicyVersion
from gateway.tenants.published.publisher import Publisher
from gateway.tenants.service import KeptPolicies, NothingKept


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """Tenants and keys.

    `policies` and `key_uses` are what requests are held against, `keys` is what these are cached in; `folder` is where
    files are, if there is one.
    """

    policies: LayeredPolicies
    keys: ApiKeyCache
    key_uses: KeyUses
    folder: TenantFolder | None
    stored: PolicyCache
    kept: KeptPolicies

    @property
    def faultless(self) -> bool:
        """Whether every document of the folder is in force as it is written."""
        return self.folder is None or not self.folder.faults


def tenancy(deployment: Deployment, opened: OpenStores) -> Tenancy:
    """The tenants of this deployment; raises `TenantFolderError` where a file of the folder is wrong."""
    folder = None if deployment.folder is None else deployment.folder()
    kept: KeptPolicies = NothingKept() if folder is None else folder
    stored = _cache(deployment, opened, deployment.policy_cache)
    keys = ApiKeyCache(opened.stores.keys, clock=time.monotonic, rules=deployment.policy_cache)
    return Tenancy(
        policies=LayeredPolicies(kept, stored),
        keys=keys,
        key_uses=KeyUses(keys),
        folder=folder,
        stored=stored,
        kept=kept,
    )


def admin(
    deployment: Deployment,
    opened: OpenStores,
    tenants: Tenancy,
    *,
    jwks_cache: JwksCache,
    last_decisions: Callable[[str], tuple[Decision, ...]],
    published: Publisher | None = None,
) -> AdminParts:
    """The admin API over the deployment's stores, for its operators alone; `published` is told of every change."""

    def changed(version: PolicyVersion) -> None:
        tenants.stored.changed(version)
        if published is not None:
            published.tenant_changed(version.tenant)

    def key_changed(key_id: str) -> None:
        tenants.keys.changed(key_id)
        if published is not None:
            published.key_changed(key_id)

    settings = AdminSettings(
        carriages=carriages(deployment.limits),
        allow_private_issuers=deployment.allow_private_issuers,
        tenant_issuers=deployment.tenant_issuers,
        operator_issuers=deployment.operator_issuers,
        directory=LayeredPolicies(tenants.kept, _cache(deployment, opened, CacheRules(lifetime=0, stale_limit=0))),
        clock=time.time,
        last_decisions=last_decisions,
        kept=tenants.kept,
        on_change=changed,
        on_key_change=key_changed,
        together=opened.together,
    )
    operators: tuple[IssuerRule, ...] = tuple(deployment.operator_issuers)
    authenticator = Authenticator(operators, jwks_cache=jwks_cache, settings=deployment.tokens)
    return admin_parts(opened.stores, settings, authenticator=authenticator, aside=opened.beside)


def _cache(deployment: Deployment, opened: OpenStores, rules: CacheRules) -> PolicyCache:
    return PolicyCache(
        opened.stores.policies,
        clock=time.monotonic,
        rules=rules,
        allow_private_issuers=deployment.allow_private_issuers,
        told=deployment.metrics.policy.add,
    )
