"""What a verifier was told to expect, read once: properties as a caller writes them become `Expectations`.

A security parameter is given or is explicitly None (`issuer`, `audience`; for Cognito `client_id`, `token_use`):
leaving it out is an error, both to the type checker and at construction. An empty list, which nothing could ever
meet, is one too. Every property of a call but the issuer may override the verifier's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Required, TypedDict

from gateway.identity.claims import (
    TimeRules,
    check_audience,
    check_issuer,
    check_scope,
    check_times,
    check_type,
)
from gateway.identity.cognito_claims import TOKEN_USES, check_cognito_claims
from gateway.identity.core import VerifiedToken
from gateway.identity.errors import ParameterValidationError
from gateway.identity.keys import ALGORITHMS, ALGORITHMS_WITH_PSS, SigningKey

Names = str | Sequence[str] | None
"""One acceptable value, several of which one is enough, or None for any."""


@dataclass(frozen=True, slots=True)
class VerifiedJwt:
    """What a custom check is given: the header, the claims, and the key that verified them."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    jwk: SigningKey


CustomJwtCheck = Callable[[VerifiedJwt], Awaitable[None] | None]
"""Raises where the caller's own rules are not met, a `JwtInvalidClaimError` of its own for instance."""


class CommonProperties(TypedDict, total=False):
    """What may be said of any issuer, for a verifier or for one call. Times are seconds."""

    scope: Names
    all_scopes: Names
    typ: Names
    custom_jwt_check: CustomJwtCheck | None
    include_raw_jwt_in_errors: bool
    grace_seconds: float
    require_exp: bool
    check_iat: bool
    max_lifetime: float | None


class VerifyProperties(CommonProperties, total=False):
    """What a call may say to a `JwtVerifier`."""

    audience: Names


class IssuerProperties(CommonProperties, total=False):
    """One issuer: its name and audience, which must be said, and whether `PS*` is accepted too."""

    issuer: Required[str | None]
    audience: Required[Names]
    allow_pss: bool


class JwtVerifierProperties(IssuerProperties, total=False):
    """One issuer of a `JwtVerifier`. `jwks_uri` left out or None is discovered."""

    jwks_uri: str | None


class CognitoVerifyProperties(CommonProperties, total=False):
    """What a call may say to a `CognitoJwtVerifier`."""

    client_id: Names
    token_use: str | None
    group: Names


class CognitoJwtVerifierProperties(CommonProperties, total=False):
    """One user pool. `additional_regions` are those that the pool is replicated to."""

    user_pool_id: Required[str]
    client_id: Required[Names]
    token_use: Required[str | None]
    group: Names
    additional_regions: Sequence[str]


COMMON: Final = frozenset(CommonProperties.__annotations__)
VERIFY: Final = COMMON | {"audience"}
CREATE: Final = VERIFY | {"issuer", "jwks_uri", "allow_pss"}
COGNITO: Final = COMMON | {"client_id", "token_use", "group"}
COGNITO_CREATE: Final = COGNITO | {"user_pool_id", "additional_regions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CognitoExpectations:
    """What Cognito's own claims must be; None accepts any (but `token_use` is always `id` or `access`)."""

    client_ids: tuple[str, ...] | None
    token_use: str | None
    groups: tuple[str, ...] | None

    def check(self, payload: Mapping[str, Any]) -> None:
        """Hold verified claims against this; raises the claim's error."""
        uses = (self.token_use,) if self.token_use else TOKEN_USES
        check_cognito_claims(payload, client_ids=self.client_ids, token_uses=uses, groups=self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What a token must be; None accepts any."""

    issuers: tuple[str, ...] | None
    audiences: tuple[str, ...] | None
    scopes: tuple[str, ...] | None
    all_scopes: tuple[str, ...] | None
    types: tuple[str, ...] | None
    times: TimeRules
    algorithms: tuple[str, ...] = ALGORITHMS
    custom_jwt_check: CustomJwtCheck | None = None
    include_raw_jwt_in_errors: bool = False
    cognito: CognitoExpectations | None = None

    def check(self, token: VerifiedToken, now: float) -> None:
        """Hold a verified token against everything but the custom check and Cognito's own claims."""
        self.check_claims(token.payload, now)
        if self.types is not None:
            check_type(token.header, self.types)

    def check_claims(self, payload: Mapping[str, Any], now: float) -> None:
        """The part of `check` that looks at claims: times, issuer, audience, scope, in this order."""
        check_times(payload, self.times, now)
        if self.issuers is not None:
            check_issuer(payload, self.issuers)
        if self.audiences is not None:
            check_audience(payload, self.audiences)
        if self.scopes is not None:
            check_scope(payload, self.scopes)
        if self.all_scopes is not None:
            check_scope(payload, self.all_scopes, all_of=True)


def read(
    properties: Mapping[str, Any], known: frozenset[str], *, cognito: CognitoExpectations | None = None
) -> Expectations:
    """Check properties and make them expectations; raises `ParameterValidationError`."""
    for name in properties:
        if name not in known:
            raise ParameterValidationError(f"{name} is not a property that can be set here")
    return Expectations(
        issuers=_given(properties, "issuer"),
        audiences=_given(properties, "audience"),
        scopes=names(properties, "scope"),
        all_scopes=names(properties, "all_scopes"),
        types=names(properties, "typ"),
        times=_times(properties),
        algorithms=ALGORITHMS_WITH_PSS if properties.get("allow_pss") else ALGORITHMS,
        custom_jwt_check=properties.get("custom_jwt_check"),
        include_raw_jwt_in_errors=bool(properties.get("include_raw_jwt_in_errors", False)),
        cognito=cognito,
    )


def read_cognito(properties: Mapping[str, Any]) -> CognitoExpectations:
    """The part of a pool's properties that is about Cognito's own claims; raises `ParameterValidationError`."""
    client_ids, uses = _given(properties, "client_id"), _given(properties, "token_use")
    if uses not in (None, ("id",), ("access",)):
        raise ParameterValidationError("token_use must be id, access or None")
    return CognitoExpectations(
        client_ids=client_ids, token_use=uses[0] if uses else None, groups=names(properties, "group")
    )


def _given(properties: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    if name not in properties:
        raise ParameterValidationError(f"{name} must be provided or set to None explicitly")
    return names(properties, name)


def names(properties: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """A property that is a string, several, or None; raises `ParameterValidationError` for an empty list."""
    value = properties.get(name)
    if value is None:
        return None
    found = (value,) if isinstance(value, str) else tuple(value)
    if not found or not all(isinstance(one, str) and one for one in found):
        raise ParameterValidationError(f"{name} must be a string, or a list of at least one")
    return found


def _times(properties: Mapping[str, Any]) -> TimeRules:
    return TimeRules(
        grace=properties.get("grace_seconds", 0.0),
        require_exp=properties.get("require_exp", True),
        check_iat=properties.get("check_iat", True),
        max_lifetime=properties.get("max_lifetime"),
    )
