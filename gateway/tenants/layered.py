"""Policies from two places, such as files in a repository over a store that is changed through the admin API."""

from typing import Protocol

from gateway.identity.errors import SourceUnavailableError
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.protocol import IssuerDirectory, PolicySource


class Layer(PolicySource, IssuerDirectory, Protocol):
    """Both abilities, as a layer needs them; either may raise `StoreUnavailableError`."""


class LayeredPolicies:
    """A `PolicySource` and an `IssuerDirectory` of two: a tenant that is in `upper` is not looked for in `lower`.

    `get` raises `StoreUnavailableError`; `issuers`, which the authenticator asks, raises `SourceUnavailableError`.
    """

    def __init__(self, upper: Layer, lower: Layer) -> None:
        self._upper = upper
        self._lower = lower

    def get(self, tenant: str) -> Policy | None:
        """The policy in force."""
        return self._upper.get(tenant) or self._lower.get(tenant)

    def issuers(self, issuer: str) -> tuple[tuple[TenantId, IssuerRule], ...]:
        """The tenants that name exactly this issuer, each with the rule of the layer that it is in."""
        try:
            below = [entry for entry in self._lower.issuers(issuer) if self._upper.get(entry[0]) is None]
            return (*self._upper.issuers(issuer), *below)
        except StoreUnavailableError as error:
            raise SourceUnavailableError("The store of tenants does not answer", error.retry_after) from error
