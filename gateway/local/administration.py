"""The demo's tenants: in the store, where the admin API changes them, and in files, which are in force before it.

The store is seeded with the demo's two on the first start. Whoever keeps documents in git puts them into the folder
`tenants`; a tenant with a file there is read-only for the admin API.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.local.errors import DemoError
from gateway.local.files import prepare
from gateway.local.issuer import DevelopmentIssuer
from gateway.policy.document import parse, render
from gateway.policy.model import Policy
from gateway.server.admin import AdminParts, AdminSettings, admin_parts
from gateway.server.carriages import Limits, carriages
from gateway.tenants.aside import Aside
from gateway.tenants.cache import CacheRules, PolicyCache
from gateway.tenants.demo_documents import demo_documents
from gateway.tenants.folder import TenantFolder, TenantFolderError
from gateway.tenants.layered import LayeredPolicies
from gateway.tenants.policies import Change, PolicyStore
from gateway.tenants.replay import RecentDecisions
from gateway.tenants.service import Together
from gateway.tenants.sqlite import Database
from gateway.tenants.stores import Stores

POLICY_LIFETIME: Final = 0.0
"""Seconds that a policy is believed without a look at where it is kept: a change is in force at once."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTenants:
    """The folder of documents, and the policies in force: the folder's over the store's."""

    folder: TenantFolder
    policies: LayeredPolicies


def open_tenants(data: Path, stores: Stores) -> DemoTenants:
    """The tenants of this directory; raises `DemoError` where a file of the folder is wrong."""
    folder = data / "tenants"
    if not folder.exists():
        prepare(folder)
    _seed(stores.policies)
    try:
        files = TenantFolder(folder, allow_private_issuers=True, lifetime=POLICY_LIFETIME, clock=time.monotonic)
    except TenantFolderError as error:
        raise DemoError(str(error)) from error
    return DemoTenants(folder=files, policies=LayeredPolicies(files, _policies(stores)))


def demo_admin(
    *,
    stores: Stores,
    database: Database,
    tenants: DemoTenants,
    issuer: DevelopmentIssuer,
    limits: Limits,
    recent: RecentDecisions,
    aside: Aside,
) -> AdminParts:
    """The admin API over the demo's stores, for operators of the development issuer alone."""
    settings = AdminSettings(
        carriages=carriages(limits),
        allow_private_issuers=True,
        tenant_issuers=[issuer.rule()],
        operator_issuers=[issuer.operator_rule()],
        directory=LayeredPolicies(tenants.folder, _policies(stores)),
        clock=time.time,
        last_decisions=recent.last,
        kept=tenants.folder,
        together=in_one_transaction(database),
    )
    operators = Authenticator([issuer.operator_rule()], jwks_cache=JwksCache(fetcher=HttpsFetcher(allow_private=True)))
    return admin_parts(stores, settings, authenticator=operators, aside=aside)


def in_one_transaction(database: Database) -> Together:
    """Each call as one transaction, on the disk before its answer; others wait, so what it looked at stays so."""

    def together(call: Callable[[], Result]) -> Result:
        with database.writing(durable=True):
            return call()

    return together


def _policies(stores: Stores) -> PolicyCache:
    rules = CacheRules(lifetime=POLICY_LIFETIME, stale_limit=0)
    return PolicyCache(stores.policies, clock=time.monotonic, rules=rules, allow_private_issuers=True)


def _seed(policies: PolicyStore) -> None:
    """Put the demo's two tenants into a store that has never had them; one that was deleted stays deleted."""
    for document in demo_documents():
        policy = parse(document)
        if isinstance(policy, Policy) and not policies.history(policy.tenant, limit=1).items:
            change = Change(at=time.time(), by="upload-gateway demo", reason="The demo's own tenant")
            policies.create(policy.tenant, render(policy), change)
