"""Policies in force, straight from a store; and one place for policies over another.

What a store keeps is read again under this process's settings: a document that they no longer allow (an issuer on a
private address, where the operator stopped allowing these) is not in force, and its tenant is refused. Nothing is
remembered but the reading of a version, which never changes.
"""

from collections import OrderedDict
from typing import Final, Protocol

from gateway.identity.errors import SourceUnavailableError
from gateway.policy.document import parse
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.policies import PolicyStore, PolicyVersion
from gateway.tenants.protocol import IssuerDirectory, PolicySource

MOST_READ: Final = 4_096
"""Readings remembered, the ones not used for longest forgotten first."""


class StoredPolicies:
    """A `PolicySource` and an `IssuerDirectory` over a store that is as near as memory; a change is in force at once.

    `get` raises `StoreUnavailableError`, `issuers` raises `SourceUnavailableError`.
    """

    def __init__(self, store: PolicyStore, *, allow_private_issuers: bool) -> None:
        self._store = store
        self._allow_private_issuers = allow_private_issuers
        self._read: OrderedDict[str, tuple[str, Policy | None]] = OrderedDict()

    def get(self, tenant: str) -> Policy | None:
        """The policy in force; None for a tenant that does not exist or whose document is not valid here."""
        version = self._store.get(tenant)
        return None if version is None else self._reading(version)

    def issuers(self, issuer: str) -> tuple[tuple[TenantId, IssuerRule], ...]:
        """The tenants that name exactly this issuer, each with its rule."""
        try:
            policies = [self.get(tenant) for tenant in self._store.believers(issuer)]
        except StoreUnavailableError as error:
            raise SourceUnavailableError("The store of tenants does not answer", error.retry_after) from error
        return tuple(
            (policy.tenant, rule)
            for policy in policies
            if policy is not None
            for rule in policy.issuers
            if rule.issuer == issuer
        )

    def _reading(self, version: PolicyVersion) -> Policy | None:
        remembered = self._read.get(version.tenant)
        if remembered is None or remembered[0] != version.etag:
            found = parse(version.document, allow_private_issuers=self._allow_private_issuers)
            remembered = (version.etag, found if isinstance(found, Policy) else None)
            self._read[version.tenant] = remembered
            if len(self._read) > MOST_READ:
                self._read.popitem(last=False)
        return remembered[1]


class Layer(PolicySource, IssuerDirectory, Protocol):
    """Both abilities, as a layer needs them."""


class LayeredPolicies:
    """A `PolicySource` and an `IssuerDirectory` of two: a tenant that is in `upper` is not looked for in `lower`."""

    def __init__(self, upper: Layer, lower: Layer) -> None:
        self._upper = upper
        self._lower = lower

    def get(self, tenant: str) -> Policy | None:
        """The policy in force."""
        return self._upper.get(tenant) or self._lower.get(tenant)

    def issuers(self, issuer: str) -> tuple[tuple[TenantId, IssuerRule], ...]:
        """The tenants that name exactly this issuer, each with the rule of the layer that it is in."""
        below = [(tenant, rule) for tenant, rule in self._lower.issuers(issuer) if self._upper.get(tenant) is None]
        return (*self._upper.issuers(issuer), *below)
