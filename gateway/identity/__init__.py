"""Who is calling: credentials verified, and turned into principals.

A room that can be used alone. Its names are those of aws-jwt-verify, functions and parameters in snake_case:

    from gateway.identity import CognitoJwtVerifier

What the gateway itself calls is `gateway.identity.authenticate`.
"""

from gateway.identity.apikeys import (
    API_KEY_ISSUER,
    ApiKeyRecord,
    ApiKeySource,
    MintedApiKey,
    mint_api_key,
    verify_api_key,
)
from gateway.identity.authenticate import (
    Authenticator,
    AuthenticatorSettings,
    Directory,
)
from gateway.identity.cognito import (
    CognitoJwtVerifier,
)
from gateway.identity.credential import (
    Credential,
)
from gateway.identity.discovery import (
    JwksSource,
)
from gateway.identity.errors import (
    CognitoJwtInvalidClientIdError,
    CognitoJwtInvalidGroupError,
    CognitoJwtInvalidTokenUseError,
    FailedAssertion,
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
    RawJwt,
    SourceUnavailableError,
    WaitPeriodNotYetEndedJwkError,
)
from gateway.identity.expectations import (
    CognitoJwtVerifierProperties,
    CognitoVerifyProperties,
    CustomJwtCheck,
    IssuerProperties,
    JwtVerifierProperties,
    VerifiedJwt,
    VerifyProperties,
)
from gateway.identity.fetch import (
    Fetcher,
    HttpsFetcher,
)
from gateway.identity.functions import (
    assert_is_jwk,
    assert_is_jwks,
    assert_is_signature_jwk,
    fetch_jwk,
    fetch_jwks,
    find_jwk_in_jwks,
    is_jwk,
    is_jwks,
    safe_json_parse,
    validate_cognito_jwt_fields,
    validate_jwt_fields,
    verify_jwt,
    verify_jwt_async,
    verify_jwt_sync,
)
from gateway.identity.jwks import (
    JwksCache,
    JwksTimes,
    NoFetcher,
)
from gateway.identity.keys import (
    SigningKey,
)
from gateway.identity.keyset import (
    KeySet,
)
from gateway.identity.rules import jwks_source
from gateway.identity.token import (
    UnverifiedToken,
    decompose_unverified_jwt,
)
from gateway.identity.verifier import (
    JwtVerifier,
)

__all__ = [
    "API_KEY_ISSUER",
    "ApiKeyRecord",
    "ApiKeySource",
    "Authenticator",
    "AuthenticatorSettings",
    "CognitoJwtInvalidClientIdError",
    "CognitoJwtInvalidGroupError",
    "CognitoJwtInvalidTokenUseError",
    "CognitoJwtVerifier",
    "CognitoJwtVerifierProperties",
    "CognitoVerifyProperties",
    "Credential",
    "CustomJwtCheck",
    "Directory",
    "FailedAssertion",
    "FailedAssertionError",
    "FetchError",
    "Fetcher",
    "HttpsFetcher",
    "IssuerProperties",
    "JwkInvalidKtyError",
    "JwkInvalidUseError",
    "JwkValidationError",
    "JwksCache",
    "JwksNotAvailableInCacheError",
    "JwksSource",
    "JwksTimes",
    "JwksUnavailableError",
    "JwksValidationError",
    "JwtBaseError",
    "JwtCriticalHeaderError",
    "JwtExpiredError",
    "JwtInvalidAudienceError",
    "JwtInvalidClaimError",
    "JwtInvalidIssuerError",
    "JwtInvalidScopeError",
    "JwtInvalidSignatureAlgorithmError",
    "JwtInvalidSignatureError",
    "JwtInvalidTypeError",
    "JwtIssuedInFutureError",
    "JwtIssuerNotConfiguredError",
    "JwtLifetimeError",
    "JwtNotBeforeError",
    "JwtParseError",
    "JwtVerifier",
    "JwtVerifierProperties",
    "JwtWithoutValidKidError",
    "KeySet",
    "KidNotFoundInJwksError",
    "MintedApiKey",
    "NoFetcher",
    "NonRetryableFetchError",
    "NotSupportedError",
    "ParameterValidationError",
    "RawJwt",
    "SigningKey",
    "SourceUnavailableError",
    "UnverifiedToken",
    "VerifiedJwt",
    "VerifyProperties",
    "WaitPeriodNotYetEndedJwkError",
    "assert_is_jwk",
    "assert_is_jwks",
    "assert_is_signature_jwk",
    "decompose_unverified_jwt",
    "fetch_jwk",
    "fetch_jwks",
    "find_jwk_in_jwks",
    "is_jwk",
    "is_jwks",
    "jwks_source",
    "mint_api_key",
    "safe_json_parse",
    "validate_cognito_jwt_fields",
    "validate_jwt_fields",
    "verify_api_key",
    "verify_jwt",
    "verify_jwt_async",
    "verify_jwt_sync",
]
