"""`CognitoJwtVerifier`: tokens of Amazon Cognito user pools, under every name that a pool signs with.

A pool's `iss` has two forms, each with its own keys: `cognito-idp.<region>` and `issuer-cognito-idp.<region>`.
A pool replicated to more Regions also signs with each of theirs (`additional_regions`). The domain is the partition's
(botocore `partitions.json`); for the European Sovereign Cloud aws-jwt-verify has `amazonaws.com`, so both are known.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, Unpack, overload

from gateway.identity.errors import ParameterValidationError
from gateway.identity.expectations import (
    COGNITO,
    COGNITO_CREATE,
    CREATE,
    CognitoJwtVerifierProperties,
    CognitoVerifyProperties,
    Expectations,
    read,
    read_cognito,
)
from gateway.identity.jwks import JwksCache
from gateway.identity.keyset import KeySet
from gateway.identity.source import JwksSource, well_known_jwks_uri
from gateway.identity.verifier import BaseVerifier, Claims, IssuerConfig

REGION: Final = re.compile(r"(?:eusc-[a-z]{2}|[a-z]{2})-(?:(?:gov|iso[a-z]?)-)?[a-z]+-[0-9]{1,2}")
USER_POOL_ID: Final = re.compile(rf"(?P<region>{REGION.pattern})_[0-9A-Za-z]{{1,55}}")

DOMAINS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("cn-", ("amazonaws.com.cn",)),
    ("eusc-", ("amazonaws.eu", "amazonaws.com")),
    ("us-iso-", ("c2s.ic.gov",)),
    ("us-isob-", ("sc2s.sgov.gov",)),
    ("us-isof-", ("csp.hci.ic.gov",)),
    ("eu-isoe-", ("cloud.adc-e.uk",)),
    ("", ("amazonaws.com",)),
)
"""How a partition's Regions begin, and its domains."""


class CognitoJwtVerifier(BaseVerifier):
    """Verifies tokens of Cognito user pools; `iss` chooses the pool."""

    _overridable = COGNITO

    @overload
    @classmethod
    def create(
        cls,
        several: Sequence[CognitoJwtVerifierProperties],
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
        **properties: Unpack[CognitoJwtVerifierProperties],
    ) -> Self: ...

    @classmethod
    def create(
        cls,
        several: Sequence[CognitoJwtVerifierProperties] | None = None,
        *,
        jwks_cache: JwksCache | None = None,
        clock: Callable[[], float] = time.time,
        **properties: Any,
    ) -> Self:
        """A verifier of one pool, given by name, or of `several`; raises `ParameterValidationError`."""
        if several is not None and properties:
            raise ParameterValidationError("Give one pool's properties by name, or a list for several")
        pools: Sequence[Mapping[str, Any]] = [properties] if several is None else several
        configs = [config for pool in pools for config in _configs(pool)]
        return cls(configs, by_issuer=True, jwks_cache=jwks_cache, clock=clock)

    def verify(self, jwt: str, **properties: Unpack[CognitoVerifyProperties]) -> Claims:
        """The claims of a valid token; blocks for a fetch at most. Raises this room's errors."""
        return self._verify(jwt, properties)

    async def verify_async(self, jwt: str, **properties: Unpack[CognitoVerifyProperties]) -> Claims:
        """As `verify`, from an event loop; only a key that is not cached awaits anything."""
        return await self._verify_async(jwt, properties)

    def verify_sync(self, jwt: str, **properties: Unpack[CognitoVerifyProperties]) -> Claims:
        """As `verify`, from the cache alone; `JwksNotAvailableInCacheError` where that has no keys."""
        return self._verify_sync(jwt, properties)

    def cache_jwks(self, jwks: Mapping[str, Any] | KeySet, user_pool_id: str | None = None) -> None:
        """Give a pool's keys by hand, for all its issuers; the id may be left out where there is one pool."""
        pools = {config.properties["user_pool_id"] for config in self._configs.values()}
        if user_pool_id is None and len(pools) > 1:
            raise ParameterValidationError("user_pool_id must be provided")
        if user_pool_id is not None and user_pool_id not in pools:
            raise ParameterValidationError(f"user_pool_id not configured: {user_pool_id}")
        for config in self._configs.values():
            if user_pool_id in (None, config.properties["user_pool_id"]):
                self._cache.add_jwks(config.source, jwks)

    @staticmethod
    def parse_user_pool_id(user_pool_id: str, issuer: str | None = None) -> JwksSource:
        """The issuer and the address of the keys; `issuer` says which of the forms is meant, the first if None."""
        known = issuers_of(user_pool_id)
        chosen = next((one for one in known if one == issuer), known[0])
        return JwksSource(chosen, well_known_jwks_uri(chosen))

    def _read(self, properties: Mapping[str, Any]) -> Expectations:
        return _expected(properties, properties["issuer"])


def issuers_of(user_pool_id: str, additional_regions: Sequence[str] = ()) -> tuple[str, ...]:
    """Every `iss` that the pool signs with; raises `ParameterValidationError`."""
    match = USER_POOL_ID.fullmatch(str(user_pool_id))
    if match is None:
        raise ParameterValidationError(f"Invalid Cognito User Pool ID: {user_pool_id}")
    issuers = []
    for region in dict.fromkeys((match["region"], *additional_regions)):
        if REGION.fullmatch(region) is None:
            raise ParameterValidationError(f"Invalid AWS Region: {region}")
        domains = next(domains for start, domains in DOMAINS if region.startswith(start))
        issuers += [f"https://cognito-idp.{region}.{domain}/{user_pool_id}" for domain in domains]
        issuers += [f"https://issuer-cognito-idp.{region}.{domain}/{user_pool_id}" for domain in domains]
    return tuple(issuers)


def _configs(properties: Mapping[str, Any]) -> list[IssuerConfig]:
    if "user_pool_id" not in properties:
        raise ParameterValidationError("user_pool_id must be provided")
    for name in properties:
        if name not in COGNITO_CREATE:
            raise ParameterValidationError(f"{name} is not a property that can be set here")
    issuers = issuers_of(properties["user_pool_id"], properties.get("additional_regions", ()))
    return [
        IssuerConfig(
            issuer=issuer,
            source=JwksSource(issuer, well_known_jwks_uri(issuer)),
            expected=_expected(properties, issuer),
            properties={**properties, "issuer": issuer},
        )
        for issuer in issuers
    ]


def _expected(properties: Mapping[str, Any], issuer: str) -> Expectations:
    general = {name: value for name, value in properties.items() if name in CREATE}
    return read({**general, "issuer": issuer, "audience": None}, CREATE, cognito=read_cognito(properties))
