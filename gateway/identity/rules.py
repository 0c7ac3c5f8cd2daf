"""An issuer's entry, read: which claims a token of this issuer must have, and whom it then speaks for.

An `IssuerRule` is data; this module is what it means. Kinds: `oidc` needs `aud`; `cognito` has its own claims
(Amazon Cognito developer guide, "Verifying JSON web tokens"). An entry that accepts nothing (no audience, no client)
accepts nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.identity.claims import TimeRules, check_audience, check_issuer, check_times, check_type
from gateway.identity.cognito_claims import check_client, check_token_use
from gateway.identity.core import VerifiedToken
from gateway.identity.errors import (
    JwtInvalidTypeError,
    JwtParseError,
    ParameterValidationError,
)
from gateway.identity.source import JwksSource, well_known_jwks_uri
from gateway.identity.token import is_string_or_strings
from gateway.policy.model import IssuerRule, Principal

TENANT_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

ACCEPTED_TYPES: Final = ("JWT", "at+jwt")
"""Of a header's `typ`, where there is one: logout, refresh and DPoP tokens, and whatever comes, say otherwise."""

REFUSED_KINDS: Final = frozenset({"refresh", "offline", "logout", "id"})
"""Keycloak writes a token's kind in a claim `typ`, and signs them all with the same keys."""

LOGOUT_EVENT: Final = "events"
"""A claim of security event tokens (RFC 8417), which logout tokens are; never one of an access token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Whom a token under `rule` may speak for.

    `only` is the one tenant that an own issuer's tokens may name; None is an operator's issuer, which may name any.
    """

    rule: IssuerRule
    source: JwksSource
    only: str | None = None


def binding(rule: IssuerRule, only: str | None = None) -> Binding:
    """The rule with the place of its keys."""
    return Binding(rule=rule, source=jwks_source(rule), only=only)


def jwks_source(rule: IssuerRule) -> JwksSource:
    """Where the issuer's keys are: given, at Cognito's fixed place, or to be discovered."""
    if rule.jwks_uri is None and rule.kind == "cognito":
        return JwksSource(rule.issuer, well_known_jwks_uri(rule.issuer))
    return JwksSource(rule.issuer, rule.jwks_uri)


def check_token(token: VerifiedToken, rule: IssuerRule, times: TimeRules, now: float) -> None:
    """Every check of the entry's kind; raises this room's errors."""
    payload = token.payload
    check_times(payload, times, now)
    check_issuer(payload, (rule.issuer,))
    if "typ" in token.header:
        check_type(token.header, ACCEPTED_TYPES)
    if LOGOUT_EVENT in payload:
        raise JwtInvalidTypeError("Wrong Type. Expected an access token", actual=LOGOUT_EVENT)
    if rule.kind == "cognito":
        _check_cognito(payload, rule)
    elif rule.kind == "oidc":
        _check_oidc(payload, rule)
    else:
        raise ParameterValidationError("An issuer's kind is oidc or cognito")


def _check_oidc(payload: Mapping[str, Any], rule: IssuerRule) -> None:
    check_audience(payload, rule.audience)
    kind = payload.get("typ")
    if isinstance(kind, str) and kind.lower() in REFUSED_KINDS:
        raise JwtInvalidTypeError("Wrong Type. Expected an access token", actual=kind)
    if "token_use" in payload:
        check_token_use(payload, rule.token_use)


def _check_cognito(payload: Mapping[str, Any], rule: IssuerRule) -> None:
    use = check_token_use(payload, rule.token_use)
    if use == "access":
        if rule.client_ids or not rule.audience:
            check_client(payload.get("client_id"), rule.client_ids)
        if rule.audience:
            check_audience(payload, rule.audience)
    else:
        check_client(payload.get("aud"), rule.client_ids or rule.audience)


def principal(token: VerifiedToken, binding: Binding) -> Principal:
    """Whoever the token speaks for; raises `JwtParseError` where its subject or scope is of the wrong type."""
    payload, rule = token.payload, binding.rule
    subject = payload.get(rule.subject_claim, "")
    if not isinstance(subject, str):
        raise JwtParseError("JWT payload's subject claim is not a string")
    return Principal(
        tenant=tenant(payload, binding),
        issuer=rule.issuer,
        subject=subject,
        scopes=scopes(payload, rule.scope_claim),
        expires_at=float(payload["exp"]),
    )


def tenant(payload: Mapping[str, Any], binding: Binding) -> str | None:
    """The tenant that the token is bound to; None where its claim is missing, malformed or another tenant's.

    A tenant's own issuer binds to that tenant, and a claim can only confirm it.
    """
    if binding.rule.tenant_claim is None:
        return binding.only
    claimed = payload.get(binding.rule.tenant_claim)
    if not isinstance(claimed, str) or TENANT_ID.fullmatch(claimed) is None:
        return None
    return claimed if binding.only in (None, claimed) else None


def scopes(payload: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The scopes: one string with spaces between (RFC 8693 section 4.2), or a list of strings."""
    value = payload.get(claim)
    if value is None:
        return frozenset()
    if not is_string_or_strings(value):
        raise JwtParseError("JWT payload's scope claim is not a string or array of strings")
    return frozenset(value.split(" ") if isinstance(value, str) else value) - {""}
