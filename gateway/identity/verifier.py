"""`JwtVerifier`: tokens of one issuer or several, verified on one path for threads, event loops and caches alone.

    verifier = JwtVerifier.create(issuer="https://issuer.example", audience="my-api")
    claims = verifier.verify(token)             # blocks for a fetch at most
    claims = await verifier.verify_async(token)
    claims = verifier.verify_sync(token)        # never any I/O, as aws-jwt-verify's verifySync

With one issuer its rules apply whatever a token says of itself; with several, `iss` chooses, before any network.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Self, Unpack, overload

from gateway.identity.core import (
    KeyWanted,
    Pending,
    Steps,
    VerifiedToken,
    check_header,
    check_signature,
    drive,
    drive_async,
)
from gateway.identity.errors import (
    JwtInvalidClaimError,
    JwtIssuerNotConfiguredError,
    ParameterValidationError,
    RawJwt,
)
from gateway.identity.expectations import (
    CREATE,
    VERIFY,
    CustomJwtCheck,
    Expectations,
    JwtVerifierProperties,
    VerifiedJwt,
    VerifyProperties,
    read,
)
from gateway.identity.jwks import JwksCache
from gateway.identity.keys import SigningKey
from gateway.identity.keyset import KeySet
from gateway.identity.source import JwksSource
from gateway.identity.token import UnverifiedToken, decompose_unverified_jwt

Claims = Mapping[str, Any]
"""A verified token's payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig:
    """One issuer of a verifier: where its keys are, what its tokens must be, and what that was read from."""

    issuer: str | None
    source: JwksSource
    expected: Expectations
    properties: Mapping[str, Any]


class BaseVerifier:
    """What every verifier does; `configs` are its issuers, and `by_issuer` says that `iss` chooses among them."""

    _overridable = VERIFY

    def __init__(
        self,
        configs: Sequence[IssuerConfig],
        *,
        by_issuer: bool,
        jwks_cache: JwksCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not configs:
            raise ParameterValidationError("Provide at least one issuer configuration")
        self._configs: dict[str | None, IssuerConfig] = {}
        for config in configs:
            if config.issuer in self._configs:
                raise ParameterValidationError(f"issuer {config.issuer} supplied multiple times")
            self._configs[config.issuer] = config
        if by_issuer and None in self._configs:
            raise ParameterValidationError("issuer None can't be one of several")
        self._single = None if by_issuer else configs[0]
        self._cache = jwks_cache or JwksCache(clock=clock)
        self._clock = clock

    def hydrate(self) -> None:
        """Fetch all issuers' keys now, side by side; raises only where not one could be had."""
        self._cache.hydrate([config.source for config in self._configs.values()])

    async def hydrate_async(self) -> None:
        """As `hydrate`, from an event loop."""
        await self._cache.hydrate_async([config.source for config in self._configs.values()])

    def _verify(self, jwt: object, overrides: Mapping[str, Any]) -> Claims:
        return drive(self._steps(jwt, overrides), self._cache.get_jwk)

    async def _verify_async(self, jwt: object, overrides: Mapping[str, Any]) -> Claims:
        return await drive_async(self._steps(jwt, overrides), self._cache.get_jwk_async)

    def _verify_sync(self, jwt: object, overrides: Mapping[str, Any]) -> Claims:
        return drive(self._steps(jwt, overrides), self._cache.get_jwk_without_io)

    def _steps(self, jwt: object, overrides: Mapping[str, Any]) -> Steps[Claims]:
        now = self._clock()
        for name in overrides:
            if name not in self._overridable:
                raise ParameterValidationError(f"{name} can't be overridden for one call")
        token = decompose_unverified_jwt(jwt)
        config = self._single or self._choose(token)
        expected = self._read({**config.properties, **overrides}) if overrides else config.expected
        kid = check_header(token, expected.algorithms)
        key = self._cache.get_cached_jwk(config.source, kid)
        if key is None:
            key = yield KeyWanted(config.source, kid)
        believed = check_signature(token, key)
        try:
            expected.check(believed, now)
            if expected.custom_jwt_check is not None:
                yield from custom_check(believed, key, expected.custom_jwt_check)
            if expected.cognito is not None:
                expected.cognito.check(believed.payload)
        except JwtInvalidClaimError as error:
            if expected.include_raw_jwt_in_errors:
                error.with_raw_jwt(RawJwt(believed.header, believed.payload))
            raise
        return believed.payload

    def _choose(self, token: UnverifiedToken) -> IssuerConfig:
        config = self._configs.get(token.payload.get("iss"))
        if config is None:
            raise JwtIssuerNotConfiguredError("The JWT's issuer is not configured")
        return config

    def _read(self, properties: Mapping[str, Any]) -> Expectations:
        return read(properties, CREATE)


def custom_check(token: VerifiedToken, key: SigningKey, check: CustomJwtCheck) -> Steps[None]:
    """The caller's own check; what it returns is waited for where there is an event loop."""
    result = check(VerifiedJwt(token.header, token.payload, key))
    if isawaitable(result):
        yield Pending(result)


class JwtVerifier(BaseVerifier):
    """Verifies tokens of any OIDC issuer."""

    @overload
    @classmethod
    def create(
        cls,
        several: Sequence[JwtVerifierProperties],
        *,
        jwks_cache: JwksCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self: ...

    @overload
    @classmethod
    def create(
        cls,
        *,
        jwks_cache: JwksCache | None = None,
        clock: Callable[[], float] = time.time,
        **properties: Unpack[JwtVerifierProperties],
    ) -> Self: ...

    @classmethod
    def create(
        cls,
        several: Sequence[JwtVerifierProperties] | None = None,
        *,
        jwks_cache: JwksCache | None = None,
        clock: Callable[[], float] = time.time,
        **properties: Any,
    ) -> Self:
        """A verifier of one issuer, given by name, or of `several`; raises `ParameterValidationError`."""
        if several is not None and properties:
            raise ParameterValidationError("Give one issuer's properties by name, or a list for several")
        issuers: Sequence[Mapping[str, Any]] = [properties] if several is None else several
        configs = [_config(one) for one in issuers]
        return cls(configs, by_issuer=len(configs) > 1, jwks_cache=jwks_cache, clock=clock)

    def verify(self, jwt: str, **properties: Unpack[VerifyProperties]) -> Claims:
        """The claims of a valid token; blocks for a fetch at most. Raises this room's errors."""
        return self._verify(jwt, properties)

    async def verify_async(self, jwt: str, **properties: Unpack[VerifyProperties]) -> Claims:
        """As `verify`, from an event loop; only a key that is not cached awaits anything."""
        return await self._verify_async(jwt, properties)

    def verify_sync(self, jwt: str, **properties: Unpack[VerifyProperties]) -> Claims:
        """As `verify`, from the cache alone; `JwksNotAvailableInCacheError` where that has no keys."""
        return self._verify_sync(jwt, properties)

    def cache_jwks(self, jwks: Mapping[str, Any] | KeySet, issuer: str | None = None) -> None:
        """Give an issuer's keys by hand; `issuer` may be left out where there is one."""
        if issuer is None and len(self._configs) > 1:
            raise ParameterValidationError("issuer must be provided")
        config = self._single if issuer is None else self._configs.get(issuer)
        if config is None:
            raise ParameterValidationError(f"issuer not configured: {issuer}")
        self._cache.add_jwks(config.source, jwks)


def _config(properties: Mapping[str, Any]) -> IssuerConfig:
    expected = read(properties, CREATE)
    issuer = properties["issuer"]
    if isinstance(issuer, (list, tuple)):
        raise ParameterValidationError("issuer must be a string or None")
    source = JwksSource(issuer, properties.get("jwks_uri"))
    return IssuerConfig(issuer=issuer, source=source, expected=expected, properties=dict(properties))
