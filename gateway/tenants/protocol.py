"""What the corridor asks of wherever tenants live, one protocol an ability.

A store offers those it can; a cache in front of one offers the same protocol, so that nobody who asks knows which.
"""

from typing import Protocol

from gateway.policy.model import IssuerRule, Policy, TenantId


class PolicySource(Protocol):
    """Policies by tenant."""

    def get(self, tenant: str) -> Policy | None:
        """The policy in force, None for a tenant that does not exist.

        Called for every request and on an event loop: it answers from memory, or from a store that is as near.
        """
        ...


class RemotePolicySource(Protocol):
    """Policies by tenant in a store that is asked over a network; a cache makes a `PolicySource` of it."""

    async def fetch(self, tenant: str) -> Policy | None:
        """The policy as the store has it now, None for a tenant that does not exist; raises `OSError` when it fails."""
        ...


class IssuerDirectory(Protocol):
    """Who believes an issuer."""

    def issuers(self, issuer: str) -> tuple[tuple[TenantId, IssuerRule], ...]:
        """The tenants that name exactly this issuer, each with its own rule; empty when nobody does.

        More than one only if every rule has a `tenant_claim` (`shared_without_claim`). From memory, as `PolicySource`.
        """
        ...


def shared_without_claim(rules: tuple[tuple[TenantId, IssuerRule], ...]) -> tuple[TenantId, ...]:
    """The tenants that may not share an issuer as they do: it has several believers and these name no `tenant_claim`.

    Without the claim a token of the issuer would be bound to each of them.
    """
    if len({tenant for tenant, _ in rules}) < 2:
        return ()
    return tuple(tenant for tenant, rule in rules if rule.tenant_claim is None)
