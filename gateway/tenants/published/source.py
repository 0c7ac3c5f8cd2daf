"""Tenants as the publisher reads them: from the store, and from the files that are in force before it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.identity.apikeys import ApiKeyRecord
from gateway.identity.errors import SourceUnavailableError
from gateway.policy.document import parse
from gateway.policy.model import Policy
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.policies import PolicyStore
from gateway.tenants.service import KeptPolicies, NothingKept


class KeyLists(Protocol):
    """What of an `ApiKeyStore` is needed."""

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record of this id, if there is one that was not revoked; may raise `SourceUnavailableError`."""
        ...

    def list(self, tenant: str) -> tuple[ApiKeyRecord, ...]:
        """The tenant's keys that were not revoked, by id; may raise `StoreUnavailableError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantState:
    """A tenant as it is now: `policy` None where there is none; `version` 0 where its document is in a file."""

    tenant: str
    policy: Policy | None
    version: int = 0
    api_keys: tuple[ApiKeyRecord, ...] = field(default=(), repr=False)

    @property
    def uploads(self) -> bool:
        """Whether anybody may upload for it at all."""
        return self.policy is not None and self.policy.status == "active"


class TenantStates:
    """Reads tenants from the stores. Every verb may raise `StoreUnavailableError`."""

    def __init__(self, policies: PolicyStore, keys: KeyLists, kept: KeptPolicies | None = None) -> None:
        self._policies = policies
        self._keys = keys
        self._kept = kept or NothingKept()

    def get(self, tenant: str) -> TenantState:
        """The tenant now; a document that can't be read (a newer version wrote it) is none, as for the servers."""
        kept = self._kept.get(tenant)
        if kept is not None:
            return TenantState(tenant=tenant, policy=kept, api_keys=self._keys.list(tenant))
        version = self._policies.get(tenant)
        if version is None or version.text is None:
            return TenantState(tenant=tenant, policy=None)
        policy = parse(version.document, allow_private_issuers=True)
        if not isinstance(policy, Policy) or policy.tenant != tenant:
            return TenantState(tenant=tenant, policy=None, version=version.version)
        return TenantState(tenant=tenant, policy=policy, version=version.version, api_keys=self._keys.list(tenant))

    def owner(self, key_id: str) -> str | None:
        """The tenant of an API key that was not revoked."""
        try:
            record = self._keys.api_key(key_id)
        except SourceUnavailableError as error:
            raise StoreUnavailableError(str(error), error.retry_after) from error
        return None if record is None else record.tenant

    def marks(self) -> Iterator[tuple[str, object]]:
        """Every tenant in force with something that is another when its policy or its keys are."""
        kept = frozenset(self._kept.tenants)
        for tenant in sorted(kept):
            yield tenant, (self._kept.get(tenant), self._keys.list(tenant))
        cursor: str | None = None
        while True:
            page = self._policies.list(limit=100, cursor=cursor)
            for version in page.items:
                if version.tenant not in kept:
                    yield version.tenant, (version.etag, self._keys.list(version.tenant))
            cursor = page.cursor
            if cursor is None:
                return
