"""What one request is decided by: a view of the published documents that has a deadline and never changes under it.

It is the policy source, the directory of issuers, the keys and the API keys of one decision, all from documents that
verified. The index only says in which tenant's document to look; what counts is what that document says.
"""

from collections.abc import Callable, Sequence

from edge_auth.documents import Documents
from gateway.identity.apikeys import ApiKeyRecord
from gateway.identity.authenticate import MAX_CANDIDATES, Authenticator, AuthenticatorSettings
from gateway.identity.credential import Credential
from gateway.identity.errors import JwksUnavailableError, JwtBaseError, SourceUnavailableError
from gateway.identity.keys import SigningKey
from gateway.identity.keyset import KeySet
from gateway.identity.refusals import refusal
from gateway.identity.source import JwksSource
from gateway.identity.token import decompose_unverified_jwt
from gateway.policy.model import IssuerRule, Policy, Principal, TenantId
from gateway.policy.problems import Refusal
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.published.contents import (
    ROOT,
    IndexPart,
    PublishedTenant,
    Root,
    Share,
    part_name,
    part_of,
    read_part,
    read_root,
    read_tenant,
    tenant_name,
)


class Knowledge:
    """One request's view, until `until` by the documents' monotonic clock; `presented` is the request's credential."""

    def __init__(self, documents: Documents, *, until: float) -> None:
        self._documents = documents
        self._until = until
        self._presented: Credential | None = None
        self._tenants: dict[str, PublishedTenant | None] = {}
        self._keys: dict[JwksSource, KeySet | None] = {}

    def about(self, presented: Credential) -> Root:
        """The operator's part, for a decision about this credential; raises `StoreUnavailableError`."""
        self._presented = presented
        root = self._documents.get(ROOT, lambda document: read_root(document.content), until=self._until)
        if root is None:
            raise StoreUnavailableError("nothing was published yet")
        self._keys.update(root.keys)
        return root

    # As a PolicySource

    def get(self, tenant: str) -> Policy | None:
        """The tenant's policy; raises `StoreUnavailableError`."""
        found = self._tenant(tenant)
        return None if found is None else found.policy

    # As Shares

    def share(self, tenant: str) -> Share | None:
        """What this sandbox may spend of the tenant's rate and quota; raises `StoreUnavailableError`."""
        found = self._tenant(tenant)
        return None if found is None else found.share

    # As a Directory

    def issuers(self, issuer: str) -> Sequence[tuple[TenantId, IssuerRule]]:
        """The tenants that name exactly this issuer, each with its entry; raises `SourceUnavailableError`.

        Of many that share one, only those that the token names: the others can't be whom it speaks for.
        """
        try:
            believers = self._part(issuer).issuers.get(issuer, ())
            asked = believers if len(believers) <= MAX_CANDIDATES else self._named(believers)
            entries = [entry for tenant in asked for entry in self._entries(tenant, issuer)]
        except StoreUnavailableError as error:
            raise SourceUnavailableError("The tenants can't be looked up", error.retry_after) from error
        if len(believers) > 1:
            return [(tenant, rule) for tenant, rule in entries if rule.tenant_claim is not None]
        return entries

    def _entries(self, tenant: str, issuer: str) -> list[tuple[TenantId, IssuerRule]]:
        found = self._tenant(tenant)
        if found is None or found.policy is None:
            return []
        self._keys.update({source: keys for source, keys in found.keys.items() if keys or source not in self._keys})
        return [(found.policy.tenant, rule) for rule in found.policy.issuers if rule.issuer == issuer]

    def _named(self, believers: Sequence[str]) -> Sequence[str]:
        """Those that some claim of the token names; where none is, one, which can say whether it is valid at all."""
        claims = decompose_unverified_jwt(self._presented.value).payload.values() if self._presented else ()
        named = {claim for claim in claims if isinstance(claim, str)}
        return [tenant for tenant in believers if tenant in named][:MAX_CANDIDATES] or believers[:1]

    # As an ApiKeySource

    def api_key(self, key_id: str) -> ApiKeyRecord | None:
        """The record of this id, from the document of the tenant whose it is; raises `SourceUnavailableError`."""
        try:
            tenant = self._part(key_id).api_keys.get(key_id)
            found = None if tenant is None else self._tenant(tenant)
        except StoreUnavailableError as error:
            raise SourceUnavailableError("The API key can't be looked up", error.retry_after) from error
        return None if found is None else found.api_keys.get(key_id)

    def api_key_used(self, key_id: str, at: float) -> None:
        """An edge writes nothing down: a key's last use is known where it was used elsewhere."""

    # As Keys

    def get_cached_jwk(self, source: JwksSource, kid: str) -> SigningKey | None:
        """The key, if it is known."""
        keys = self._keys.get(source)
        return None if keys is None else keys.keys.get(kid)

    def get_jwk(self, source: JwksSource, kid: str) -> SigningKey:
        """Nothing is ever fetched from an issuer: a `kid` that is not published is not its issuer's."""
        keys = self._keys.get(source)
        if keys is None:
            raise JwksUnavailableError("The issuer's keys are not published")
        return keys.find(kid)

    async def get_jwk_async(self, source: JwksSource, kid: str) -> SigningKey:
        """The same."""
        return self.get_jwk(source, kid)

    def _part(self, text: str) -> IndexPart:
        """The part of the index that would know this issuer or key; raises `StoreUnavailableError`.

        The publisher writes every part, also an empty one, so what is not there says nothing about anybody.
        """
        root = self._documents.get(ROOT, lambda document: read_root(document.content), until=self._until)
        parts = 1 if root is None else root.parts
        name = part_name(part_of(text, parts), parts)
        part = self._documents.get(name, lambda document: read_part(document.content), until=self._until)
        if part is None:
            raise StoreUnavailableError("this part of the index was not published")
        return part

    def _tenant(self, tenant: str) -> PublishedTenant | None:
        if tenant not in self._tenants:
            self._tenants[tenant] = self._documents.get(
                tenant_name(tenant), lambda document: read_tenant(document.content, tenant), until=self._until
            )
        return self._tenants[tenant]


class PublishedAuthenticator:
    """Authenticates by a view; the operator's issuers are those of the root."""

    def __init__(self, knowledge: Knowledge, clock: Callable[[], float], settings: AuthenticatorSettings) -> None:
        self._knowledge = knowledge
        self._clock = clock
        self._settings = settings

    def authenticate(self, presented: Credential) -> Principal | Refusal:
        """Verify, waiting in this thread where a document must be fetched."""
        try:
            root = self._knowledge.about(presented)
        except StoreUnavailableError as error:
            return refusal(SourceUnavailableError("The issuers can't be looked up", error.retry_after))
        except JwtBaseError as error:
            return refusal(error)
        verifier = Authenticator(
            root.issuers,
            directory=self._knowledge,
            api_keys=self._knowledge,
            jwks_cache=self._knowledge,
            clock=self._clock,
            settings=self._settings,
        )
        return verifier.authenticate(presented)

    async def authenticate_async(self, presented: Credential) -> Principal | Refusal:
        """The same; an edge function has no event loop."""
        return self.authenticate(presented)
