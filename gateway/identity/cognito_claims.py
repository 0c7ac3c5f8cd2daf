"""Amazon Cognito's own claims: groups, the use of a token, and the app client it was issued to.

Amazon Cognito developer guide, "Verifying JSON web tokens": an ID token names its client in `aud`, an access token in
`client_id`; other uses are no credentials.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.identity.errors import (
    CognitoJwtInvalidClientIdError,
    CognitoJwtInvalidGroupError,
    CognitoJwtInvalidTokenUseError,
)

TOKEN_USES: Final = ("id", "access")


def check_cognito_claims(
    payload: Mapping[str, Any],
    *,
    client_ids: tuple[str, ...] | None,
    token_uses: tuple[str, ...] = TOKEN_USES,
    groups: tuple[str, ...] | None = None,
) -> None:
    """Groups (any of), then `token_use`, then the client; None accepts any. Raises the claim's error."""
    if groups is not None:
        _check_groups(payload.get("cognito:groups"), groups)
    use = check_token_use(payload, token_uses)
    if client_ids is not None:
        check_client(payload.get("aud" if use == "id" else "client_id"), client_ids)


def check_token_use(payload: Mapping[str, Any], expected: tuple[str, ...]) -> str:
    """`token_use`, which is one of the two known ones and one of the expected."""
    use = payload.get("token_use")
    if not isinstance(use, str) or use not in TOKEN_USES or use not in expected:
        raise CognitoJwtInvalidTokenUseError("Token use not allowed", actual=use, expected=expected)
    return use


def check_client(client: object, expected: tuple[str, ...]) -> None:
    """The client is a string (a list never is, even of one) and one of the expected."""
    if not isinstance(client, str) or client not in expected:
        raise CognitoJwtInvalidClientIdError("Client ID not allowed", actual=client, expected=expected)


def _check_groups(actual: object, expected: tuple[str, ...]) -> None:
    present = (actual,) if isinstance(actual, str) else actual
    if not isinstance(present, (list, tuple)) or not any(group in present for group in expected):
        raise CognitoJwtInvalidGroupError("Cognito group not allowed", actual=actual, expected=expected)
