"""Every way a token can fail, as one tree; nothing else leaves this room.

    JwtBaseError
    ├── FailedAssertionError                    says `failed_assertion.actual` and `.expected`
    │   ├── JwtInvalidSignatureAlgorithmError
    │   ├── JwkInvalidUseError
    │   ├── JwkInvalidKtyError
    │   └── JwtInvalidClaimError                may carry `raw_jwt`, when asked for, after a valid signature
    │       ├── JwtInvalidIssuerError
    │       ├── JwtInvalidAudienceError
    │       ├── JwtInvalidScopeError
    │       ├── JwtExpiredError
    │       ├── JwtNotBeforeError
    │       ├── JwtIssuedInFutureError          ours
    │       ├── JwtLifetimeError                ours
    │       ├── JwtInvalidTypeError             ours
    │       ├── CognitoJwtInvalidGroupError
    │       ├── CognitoJwtInvalidTokenUseError
    │       └── CognitoJwtInvalidClientIdError
    ├── JwtParseError
    ├── ParameterValidationError                the caller's mistake, never the token's
    ├── JwtInvalidSignatureError
    ├── JwtCriticalHeaderError                  ours
    ├── JwtIssuerNotConfiguredError             ours
    ├── JwksValidationError
    ├── JwkValidationError
    ├── JwtWithoutValidKidError
    ├── KidNotFoundInJwksError
    ├── WaitPeriodNotYetEndedJwkError
    ├── JwksNotAvailableInCacheError
    ├── JwksUnavailableError                    ours: no usable keys, and none can be fetched now
    ├── SourceUnavailableError                  ours: a directory or a key store does not answer
    ├── FetchError
    │   └── NonRetryableFetchError
    └── NotSupportedError

The names and their meaning are those of aws-jwt-verify (`src/error.ts`); "ours" marks what it does not distinguish.
Messages name claims and what was expected of them. The value a claim had is in `failed_assertion.actual` and never in
the text, so that a log line can't repeat what a stranger wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class JwtBaseError(Exception):
    """Anything this room refuses. Catch this to catch everything."""


@dataclass(frozen=True, slots=True)
class FailedAssertion:
    """What a claim was and what it had to be."""

    actual: Any
    expected: Any


@dataclass(frozen=True, slots=True)
class RawJwt:
    """The verified token's two JSON objects."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]


class FailedAssertionError(JwtBaseError):
    """A value was not what it had to be."""

    def __init__(self, message: str, actual: Any = None, expected: Any = None) -> None:
        super().__init__(message)
        self.failed_assertion = FailedAssertion(actual, expected)


class JwtInvalidSignatureAlgorithmError(FailedAssertionError):
    """The header's `alg` is missing, not allowed, or not the key's."""


class JwkInvalidUseError(FailedAssertionError):
    """The key is not for verifying signatures (RFC 7517 sections 4.2 and 4.3)."""


class JwkInvalidKtyError(FailedAssertionError):
    """The key's type can't verify a signature we accept."""


class JwtInvalidClaimError(FailedAssertionError):
    """A claim of a token with a valid signature is not acceptable."""

    raw_jwt: RawJwt | None = None

    def with_raw_jwt(self, raw_jwt: RawJwt) -> None:
        """Attach the verified token; only done where the caller asked for it."""
        self.raw_jwt = raw_jwt


class JwtInvalidIssuerError(JwtInvalidClaimError):
    """`iss` is missing or another one."""


class JwtInvalidAudienceError(JwtInvalidClaimError):
    """`aud` is missing or names somebody else."""


class JwtInvalidScopeError(JwtInvalidClaimError):
    """`scope` lacks what was required."""


class JwtExpiredError(JwtInvalidClaimError):
    """`exp` has passed, or is missing where it is required."""


class JwtNotBeforeError(JwtInvalidClaimError):
    """`nbf` is yet to come."""


class JwtIssuedInFutureError(JwtInvalidClaimError):
    """`iat` is yet to come."""


class JwtLifetimeError(JwtInvalidClaimError):
    """The time from `iat` to `exp` is longer than allowed."""


class JwtInvalidTypeError(JwtInvalidClaimError):
    """The header's `typ` is not an expected one (RFC 8725 section 3.11)."""


class CognitoJwtInvalidGroupError(JwtInvalidClaimError):
    """`cognito:groups` has none of the expected groups."""


class CognitoJwtInvalidTokenUseError(JwtInvalidClaimError):
    """`token_use` is not the expected one."""


class CognitoJwtInvalidClientIdError(JwtInvalidClaimError):
    """The token was issued for another app client."""


class JwtParseError(JwtBaseError):
    """What came is not a JWT: its parts, encoding, JSON or claim types."""


class ParameterValidationError(JwtBaseError):
    """The verifier was configured or called in a way that can't be meant."""


class JwtInvalidSignatureError(JwtBaseError):
    """The signature does not belong to these bytes and this key."""


class JwtCriticalHeaderError(JwtBaseError):
    """The header demands an extension that is not understood (RFC 7515 section 4.1.11)."""


class JwtIssuerNotConfiguredError(JwtBaseError):
    """The token names an issuer that this verifier does not know; nothing was fetched."""


class JwksValidationError(JwtBaseError):
    """A key set is not a JWK Set (RFC 7517 section 5)."""


class JwkValidationError(JwtBaseError):
    """A key is not a usable public JWK."""


class JwtWithoutValidKidError(JwtBaseError):
    """The header has no `kid` string, so no key can be chosen."""


class KidNotFoundInJwksError(JwtBaseError):
    """The issuer publishes no key of this `kid`."""


class WaitPeriodNotYetEndedJwkError(JwtBaseError):
    """An unknown `kid` was asked for so recently that the issuer is not asked again yet."""


class JwksNotAvailableInCacheError(JwtBaseError):
    """The cache has no keys of this issuer, and I/O is not allowed here."""


class JwksUnavailableError(JwtBaseError):
    """No keys that may still be believed are cached, and none could be fetched; `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceUnavailableError(JwtBaseError):
    """The directory of issuers or the store of API keys does not answer; `retry_after` in seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FetchError(JwtBaseError):
    """A document could not be fetched; trying again may help."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"Failed to fetch {uri}: {reason}")


class NonRetryableFetchError(FetchError):
    """A document could not be fetched, and trying again at once can't help."""


class NotSupportedError(JwtBaseError):
    """A part of aws-jwt-verify's surface that this room does not have."""
