"""Who is calling: credentials verified, and turned into principals.

A room that can be used alone. Its names are those of aws-jwt-verify, functions and parameters in snake_case:

    from gateway.identity import CognitoJwtVerifier

What the gateway itself calls is `gateway.identity.authenticate`. A name is imported when it is first used (PEP 562), so
that importing the room costs a cold start nothing of what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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
    from gateway.identity.source import (
        JwksSource,
    )
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

_HOMES: Final = {
    "apikeys": (
        "API_KEY_ISSUER",
        "ApiKeyRecord",
        "ApiKeySource",
        "MintedApiKey",
        "mint_api_key",
        "verify_api_key",
    ),
    "authenticate": (
        "Authenticator",
        "AuthenticatorSettings",
        "Directory",
    ),
    "cognito": ("CognitoJwtVerifier",),
    "credential": ("Credential",),
    "errors": (
        "CognitoJwtInvalidClientIdError",
        "CognitoJwtInvalidGroupError",
        "CognitoJwtInvalidTokenUseError",
        "FailedAssertion",
        "FailedAssertionError",
        "FetchError",
        "JwkInvalidKtyError",
        "JwkInvalidUseError",
        "JwksNotAvailableInCacheError",
        "JwksUnavailableError",
        "JwksValidationError",
        "JwkValidationError",
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
        "JwtWithoutValidKidError",
        "KidNotFoundInJwksError",
        "NonRetryableFetchError",
        "NotSupportedError",
        "ParameterValidationError",
        "RawJwt",
        "SourceUnavailableError",
        "WaitPeriodNotYetEndedJwkError",
    ),
    "expectations": (
        "CognitoJwtVerifierProperties",
        "CognitoVerifyProperties",
        "CustomJwtCheck",
        "IssuerProperties",
        "JwtVerifierProperties",
        "VerifiedJwt",
        "VerifyProperties",
    ),
    "fetch": (
        "Fetcher",
        "HttpsFetcher",
    ),
    "functions": (
        "assert_is_jwk",
        "assert_is_jwks",
        "assert_is_signature_jwk",
        "fetch_jwk",
        "fetch_jwks",
        "find_jwk_in_jwks",
        "is_jwk",
        "is_jwks",
        "safe_json_parse",
        "validate_cognito_jwt_fields",
        "validate_jwt_fields",
        "verify_jwt",
        "verify_jwt_async",
        "verify_jwt_sync",
    ),
    "jwks": (
        "JwksCache",
        "JwksTimes",
        "NoFetcher",
    ),
    "keys": ("SigningKey",),
    "keyset": ("KeySet",),
    "rules": ("jwks_source",),
    "source": ("JwksSource",),
    "token": (
        "UnverifiedToken",
        "decompose_unverified_jwt",
    ),
    "verifier": ("JwtVerifier",),
}
"""The module of each name."""

_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
