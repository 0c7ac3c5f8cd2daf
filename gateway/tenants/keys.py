"""Where API keys' records are kept; what a record and a key look like is said in `gateway.identity.apikeys`."""

from typing import Protocol

from gateway.identity.apikeys import ApiKeyRecord, ApiKeySource


class ApiKeyStore(ApiKeySource, Protocol):
    """The authenticator's source, and what an operator does with keys.

    As a source it raises `SourceUnavailableError`; the other verbs raise `StoreUnavailableError`.
    """

    def create(self, record: ApiKeyRecord) -> bool:
        """Keep a new key; False, and nothing changed, where its id is taken."""
        ...

    def list(self, tenant: str) -> tuple[ApiKeyRecord, ...]:
        """The tenant's keys that were not revoked, by id."""
        ...

    def revoke(self, tenant: str, key_id: str) -> bool:
        """Forget the tenant's key; False where the tenant has none of this id."""
        ...
