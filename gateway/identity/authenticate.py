"""A credential becomes a principal, or a refusal: what every backend of the gateway calls.

The issuer that a token names chooses the entries it is held against, before any key is looked for and without any
network; a token of an issuer that nobody configured costs a dictionary look-up. An issuer of the operator's is the
operator's alone: a tenant that names the same one in its own document is not asked, so that no tenant can mint
operators' tokens. A tenant's own issuer speaks for that tenant and for nobody else, whatever its tokens claim.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.identity.apikeys import API_KEY_ISSUER, ApiKeySource, NoApiKeys, verify_api_key
from gateway.identity.claims import MAX_GRACE, TimeRules
from gateway.identity.core import KeyWanted, Steps, VerifiedToken, check_header, check_signature, drive, drive_async
from gateway.identity.credential import Credential, credential
from gateway.identity.errors import JwtBaseError, JwtIssuerNotConfiguredError, ParameterValidationError
from gateway.identity.keys import SigningKey
from gateway.identity.refusals import refusal
from gateway.identity.rules import Binding, binding, check_token, principal
from gateway.identity.source import JwksSource
from gateway.identity.token import UnverifiedToken, decompose_unverified_jwt
from gateway.policy.model import IssuerRule, Principal, TenantId
from gateway.policy.problems import Refusal

__all__ = [
    "Authenticator",
    "AuthenticatorSettings",
    "Credential",
    "Directory",
    "NoDirectory",
    "credential",
]

MAX_CANDIDATES: Final = 8
"""Entries that one token is held against; each costs a verification."""


class Directory(Protocol):
    """Which tenants have an issuer of their own; it may raise `SourceUnavailableError`.

    It is asked with whatever a token claims, on the event loop too, so it answers from memory or nearly so.
    """

    def issuers(self, issuer: str) -> Sequence[tuple[TenantId, IssuerRule]]:
        """The tenants that name exactly this issuer, each with its entry."""
        ...


class Keys(Protocol):
    """Issuers' keys; `JwksCache` is one."""

    def get_cached_jwk(self, source: JwksSource, kid: str) -> SigningKey | None:
        """The key, where that takes no I/O; None says to use the others."""
        ...

    def get_jwk(self, source: JwksSource, kid: str) -> SigningKey:
        """The key, waiting in this thread if need be; raises this room's errors."""
        ...

    async def get_jwk_async(self, source: JwksSource, kid: str) -> SigningKey:
        """As `get_jwk`, from an event loop."""
        ...


class NoDirectory:
    """No tenant has an issuer of its own."""

    def issuers(self, issuer: str) -> Sequence[tuple[TenantId, IssuerRule]]:
        """Nobody."""
        del issuer
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatorSettings:
    """Seconds: how long a token may live from its `iat`, and how far clocks may differ (60 at most)."""

    max_lifetime: float = 31 * 86_400.0
    leeway: float = 0.0
    max_token_bytes: int = 8192

    def __post_init__(self) -> None:
        if not 0 <= self.leeway <= MAX_GRACE:
            raise ParameterValidationError(f"leeway must be 0 to {MAX_GRACE:g} seconds")


class Authenticator:
    """Verifies credentials; one for a process, used from threads and event loops alike.

    `issuers` are the operator's: shared by tenants, with a tenant claim, or administrators', without.
    """

    def __init__(
        self,
        issuers: Iterable[IssuerRule],
        *,
        directory: Directory | None = None,
        api_keys: ApiKeySource | None = None,
        jwks_cache: Keys | None = None,
        clock: Callable[[], float] = time.time,
        settings: AuthenticatorSettings | None = None,
    ) -> None:
        self._shared: dict[str, tuple[Binding, ...]] = {}
        for rule in issuers:
            self._shared[rule.issuer] = (*self._shared.get(rule.issuer, ()), binding(rule))
        self._directory = directory or NoDirectory()
        self._api_keys = api_keys or NoApiKeys()
        self._cache = jwks_cache or _fetched_keys(clock)
        self._clock = clock
        settings = settings or AuthenticatorSettings()
        self._max_bytes = settings.max_token_bytes
        self._times = TimeRules(grace=settings.leeway, max_lifetime=settings.max_lifetime)

    def authenticate(self, credential: Credential) -> Principal | Refusal:
        """Verify in this thread; a key that is not cached blocks it for one fetch at most."""
        try:
            return drive(self._steps(credential), self._cache.get_jwk)
        except JwtBaseError as error:
            return refusal(error)

    async def authenticate_async(self, credential: Credential) -> Principal | Refusal:
        """Verify in an event loop; only a key that is not cached awaits anything."""
        try:
            return await drive_async(self._steps(credential), self._cache.get_jwk_async)
        except JwtBaseError as error:
            return refusal(error)

    def _steps(self, credential: Credential) -> Steps[Principal]:
        now = self._clock()
        if credential.is_api_key:
            return verify_api_key(credential.value, self._api_keys, now)
        token = decompose_unverified_jwt(credential.value, max_bytes=self._max_bytes, scope_lists=True)
        failure: JwtBaseError | None = None
        for bound in self._bindings(token):
            try:
                believed = yield from self._verified(token, bound.source)
                check_token(believed, bound.rule, self._times, now)
                return principal(believed, bound)
            except JwtBaseError as error:
                failure = failure or error
        raise failure or JwtIssuerNotConfiguredError("The token's issuer is not accepted")

    def _verified(self, token: UnverifiedToken, source: JwksSource) -> Steps[VerifiedToken]:
        kid = check_header(token)
        key = self._cache.get_cached_jwk(source, kid)
        if key is None:
            key = yield KeyWanted(source, kid)
        return check_signature(token, key)

    def _bindings(self, token: UnverifiedToken) -> Sequence[Binding]:
        """The entries that may decide about this token; none where nobody configured its issuer."""
        issuer = token.payload.get("iss")
        if not isinstance(issuer, str) or issuer == API_KEY_ISSUER:
            return ()
        return self._shared.get(issuer) or _own(token, self._directory.issuers(issuer))


def _fetched_keys(clock: Callable[[], float]) -> Keys:
    from gateway.identity.jwks import JwksCache  # noqa: PLC0415 - whoever brings keys need not carry a fetcher

    return JwksCache(clock=clock)


def _own(token: UnverifiedToken, entries: Sequence[tuple[TenantId, IssuerRule]]) -> Sequence[Binding]:
    """Tenants' own entries for one issuer, narrowed to the tenant that the token names.

    Where tenants share an issuer, one that forgot its tenant claim is left out: nobody could say whom it is for.
    Where the token names none of them, one entry still decides whether it is valid, for nobody.
    """
    if len({tenant for tenant, _ in entries}) > 1:
        entries = [(tenant, rule) for tenant, rule in entries if rule.tenant_claim is not None]
    named = [
        (tenant, rule)
        for tenant, rule in entries
        if rule.tenant_claim is None or token.payload.get(rule.tenant_claim) == tenant
    ]
    return [binding(rule, tenant) for tenant, rule in (named or entries[:1])[:MAX_CANDIDATES]]
