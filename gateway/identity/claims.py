"""What a verified token must say: one check a claim, in the order in which they are made.

Every function takes claims whose signature was valid and returns nothing, or raises the claim's error. `now` is taken
once a token and handed down (RFC 7519 section 4.1, RFC 8725 sections 3.8, 3.9 and 3.11).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gateway.identity.errors import (
    JwtExpiredError,
    JwtInvalidAudienceError,
    JwtInvalidIssuerError,
    JwtInvalidScopeError,
    JwtInvalidTypeError,
    JwtIssuedInFutureError,
    JwtLifetimeError,
    JwtNotBeforeError,
    ParameterValidationError,
)

MAX_GRACE: Final = 60.0
"""Seconds. What a contract may allow for clocks that differ; `TimeRules` itself takes any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRules:
    """How a token's times are judged; seconds.

    `grace` is for clocks that differ. `require_exp` and `check_iat` are on unless somebody has a reason.
    `max_lifetime` is from `iat` (from now, where a token has none) to `exp`; None allows any.
    """

    grace: float = 0.0
    require_exp: bool = True
    check_iat: bool = True
    max_lifetime: float | None = None

    def __post_init__(self) -> None:
        if self.grace < 0 or (self.max_lifetime is not None and self.max_lifetime <= 0):
            raise ParameterValidationError("grace_seconds must not be negative, max_lifetime must be positive")


def check_times(payload: Mapping[str, Any], rules: TimeRules, now: float) -> None:
    """`exp`, `nbf`, `iat` and the lifetime between. A token is still good in the second that `exp` names."""
    exp = payload.get("exp")
    if exp is None:
        if rules.require_exp:
            raise JwtExpiredError("Missing exp claim", actual=None, expected=now)
    elif exp + rules.grace < now:
        raise JwtExpiredError(f"Token expired at {_iso(exp)}", actual=exp, expected=now)
    nbf = payload.get("nbf")
    if nbf is not None and nbf - rules.grace > now:
        raise JwtNotBeforeError(f"Token can't be used before {_iso(nbf)}", actual=nbf, expected=now)
    iat = payload.get("iat")
    if iat is not None and rules.check_iat and iat - rules.grace > now:
        raise JwtIssuedInFutureError(f"Token was issued at {_iso(iat)}, in the future", actual=iat, expected=now)
    if rules.max_lifetime is not None and exp is not None:
        lifetime = exp - (now if iat is None else iat)
        if lifetime > rules.max_lifetime:
            raise JwtLifetimeError(
                f"Token lives longer than {rules.max_lifetime:g} s", actual=lifetime, expected=rules.max_lifetime
            )


def check_issuer(payload: Mapping[str, Any], expected: Collection[str]) -> None:
    """`iss` is exactly one of these."""
    issuer = payload.get("iss")
    if issuer not in expected:
        raise JwtInvalidIssuerError(_sentence("Issuer", issuer, expected), actual=issuer, expected=tuple(expected))


def check_audience(payload: Mapping[str, Any], expected: Collection[str]) -> None:
    """`aud`, a string or a list of them, has at least one of these."""
    audience = payload.get("aud")
    if isinstance(audience, str):
        found = audience in expected
    else:
        found = isinstance(audience, list) and any(one in expected for one in audience)
    if not found:
        raise JwtInvalidAudienceError(
            _sentence("Audience", audience, expected), actual=audience, expected=tuple(expected)
        )


def check_scope(payload: Mapping[str, Any], expected: Collection[str], *, all_of: bool = False) -> None:
    """`scope`, split at spaces, has at least one of these, or all."""
    scope = payload.get("scope")
    scopes = frozenset(scope.split(" ") if isinstance(scope, str) else ())
    if not (scopes.issuperset(expected) if all_of else not scopes.isdisjoint(expected)):
        raise JwtInvalidScopeError(_sentence("Scope", scope, expected), actual=scope, expected=tuple(expected))


def check_type(header: Mapping[str, Any], expected: Collection[str]) -> None:
    """The header's `typ` is one of these, without regard to case or an `application/` before it (RFC 7515 4.1.9)."""
    kind = header.get("typ")
    if not isinstance(kind, str) or media_type(kind) not in {media_type(one) for one in expected}:
        raise JwtInvalidTypeError(_sentence("Type", kind, expected), actual=kind, expected=tuple(expected))


def media_type(kind: str) -> str:
    """`JWT`, `jwt` and `application/jwt` are the same `typ`."""
    return kind.lower().removeprefix("application/")


def _sentence(what: str, actual: object, expected: Collection[str]) -> str:
    choice = ", ".join(expected)
    wanted = f"Expected: {choice}" if len(expected) == 1 else f"Expected one of: {choice}"
    return f"{'Missing' if actual is None else 'Wrong'} {what}. {wanted}"


def _iso(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{at:g} s after the epoch"
