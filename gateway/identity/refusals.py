"""The errors of this room as the contract's problems: one table, and the RFC 6750 challenge that goes with each.

The most specific class of an error decides. A sentence here is all that a client learns: no part of the token is
repeated. What is not about the token carries no challenge.
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

from gateway.identity.errors import (
    CognitoJwtInvalidClientIdError,
    CognitoJwtInvalidGroupError,
    CognitoJwtInvalidTokenUseError,
    FailedAssertionError,
    FetchError,
    JwkInvalidKtyError,
    JwkInvalidUseError,
    JwksNotAvailableInCacheError,
    JwksUnavailableError,
    JwksValidationError,
    JwkValidationError,
    JwtBaseError,
    JwtCriticalHeaderError,
    JwtExpiredError,
    JwtInvalidAudienceError,
    JwtInvalidClaimError,
    JwtInvalidIssuerError,
    JwtInvalidScopeError,
    JwtInvalidSignatureAlgorithmError,
    JwtInvalidSignatureError,
    JwtInvalidTypeError,
    JwtIssuedInFutureError,
    JwtIssuerNotConfiguredError,
    JwtLifetimeError,
    JwtNotBeforeError,
    JwtParseError,
    JwtWithoutValidKidError,
    KidNotFoundInJwksError,
    NonRetryableFetchError,
    NotSupportedError,
    ParameterValidationError,
    SourceUnavailableError,
    WaitPeriodNotYetEndedJwkError,
)
from gateway.policy.problems import Code, Refusal

REALM: Final = 'Bearer realm="upload-gateway"'

_INVALID: Final = Code.TOKEN_INVALID
_UNAVAILABLE: Final = Code.IDENTITY_UNAVAILABLE

PROBLEMS: Final[Mapping[type[JwtBaseError], tuple[Code, str]]] = {
    JwtBaseError: (_INVALID, "The token is not valid"),
    FailedAssertionError: (_INVALID, "The token is not valid"),
    JwtParseError: (_INVALID, "The token is not a well-formed JWT"),
    JwtInvalidSignatureAlgorithmError: (_INVALID, "The token's algorithm is not accepted for its key"),
    JwtInvalidSignatureError: (_INVALID, "The token's signature is not valid"),
    JwtCriticalHeaderError: (_INVALID, "The token demands an extension that is not understood"),
    JwtWithoutValidKidError: (_INVALID, "The token names no key (kid)"),
    KidNotFoundInJwksError: (_INVALID, "The token's key (kid) is not one of its issuer's"),
    WaitPeriodNotYetEndedJwkError: (_INVALID, "The token's key (kid) is not one of its issuer's"),
    JwkInvalidUseError: (_INVALID, "The token's key is not for signatures"),
    JwkInvalidKtyError: (_INVALID, "The token's key is not for signatures"),
    JwkValidationError: (_INVALID, "The token's key can't be used"),
    JwtIssuerNotConfiguredError: (_INVALID, "The token's issuer is not accepted"),
    JwtInvalidClaimError: (_INVALID, "A claim of the token is not acceptable"),
    JwtInvalidIssuerError: (_INVALID, "The token's issuer is not accepted"),
    JwtInvalidAudienceError: (_INVALID, "The token is meant for another audience"),
    JwtInvalidScopeError: (_INVALID, "The token's scope is not acceptable"),
    JwtExpiredError: (Code.TOKEN_EXPIRED, "The token has expired"),
    JwtNotBeforeError: (_INVALID, "The token is not valid yet (nbf)"),
    JwtIssuedInFutureError: (_INVALID, "The token was issued in the future (iat)"),
    JwtLifetimeError: (_INVALID, "The token lives longer than is accepted"),
    JwtInvalidTypeError: (_INVALID, "The token is of a kind that is not accepted"),
    CognitoJwtInvalidGroupError: (_INVALID, "The token's groups are not acceptable"),
    CognitoJwtInvalidTokenUseError: (_INVALID, "The token is of a use that is not accepted (token_use)"),
    CognitoJwtInvalidClientIdError: (_INVALID, "The token was issued for another client"),
    JwksValidationError: (_UNAVAILABLE, "The issuer's keys can't be read now"),
    JwksNotAvailableInCacheError: (_UNAVAILABLE, "The issuer's keys are not available now"),
    JwksUnavailableError: (_UNAVAILABLE, "The issuer's keys are not available now"),
    SourceUnavailableError: (_UNAVAILABLE, "The credential can't be looked up now"),
    FetchError: (_UNAVAILABLE, "The issuer's keys are not available now"),
    NonRetryableFetchError: (_UNAVAILABLE, "The issuer's keys are not available now"),
    ParameterValidationError: (Code.INTERNAL, "The gateway's verifier is not configured as it must be"),
    NotSupportedError: (Code.INTERNAL, "The gateway's verifier is not configured as it must be"),
}
"""Every class of `errors`: its problem and the sentence a client gets."""


def refusal(error: JwtBaseError) -> Refusal:
    """The problem that this error is to a client."""
    code, detail = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    if code is Code.TOKEN_EXPIRED:
        # A missing exp is no expiry: there is nothing that a new token of the same kind would mend.
        missing = isinstance(error, FailedAssertionError) and error.failed_assertion.actual is None
        return invalid_token("The token has no exp claim") if missing else expired_token(detail)
    if code is _INVALID:
        return invalid_token(detail)
    if code is _UNAVAILABLE:
        wait = error.retry_after if isinstance(error, (JwksUnavailableError, SourceUnavailableError)) else 1.0
        return Refusal(code=code, detail=detail, retry_after=max(1, ceil(wait)))
    return Refusal(code=code, detail=detail)


def missing_token(detail: str) -> Refusal:
    """No credential: a bare challenge, without an error code (RFC 6750 section 3.1)."""
    return Refusal(code=Code.TOKEN_MISSING, detail=detail, headers=(("www-authenticate", REALM),))


def invalid_token(detail: str) -> Refusal:
    """A credential that is not believed."""
    return Refusal(code=_INVALID, detail=detail, headers=_challenge(detail))


def expired_token(detail: str) -> Refusal:
    """A credential that was believed once."""
    return Refusal(code=Code.TOKEN_EXPIRED, detail=detail, headers=_challenge(detail))


def _challenge(detail: str) -> tuple[tuple[str, str], ...]:
    """RFC 6750 section 3: `detail` is one of this module's sentences, so it needs no quoting."""
    return (("www-authenticate", f'{REALM}, error="invalid_token", error_description="{detail}"'),)
