"""The one path on which a token comes to be believed; sync and async callers both walk it.

`verified` is a generator: it yields a `KeyWanted` where a key is not at hand and is sent the key, or has the error
thrown into it. What drives it does the waiting; nothing here blocks or awaits. A key at hand costs no yield.

    decompose → algorithm → kid → key → signature → (claims: whoever asked)
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import NewType, TypeVar, cast

from gateway.identity.discovery import JwksSource
from gateway.identity.errors import JwtBaseError, JwtCriticalHeaderError, JwtWithoutValidKidError
from gateway.identity.jwks import JwksCache
from gateway.identity.keys import ALGORITHMS, SigningKey, assert_allowed_algorithm
from gateway.identity.token import UnverifiedToken

VerifiedToken = NewType("VerifiedToken", UnverifiedToken)
"""A token whose signature was valid under its issuer's key; made by `check_signature` only."""


@dataclass(frozen=True, slots=True)
class KeyWanted:
    """Which key the core waits for."""

    source: JwksSource
    kid: str


T = TypeVar("T")


def check_header(token: UnverifiedToken, allowed: tuple[str, ...] = ALGORITHMS) -> str:
    """Refuse what no key could make good (`alg`, `crit`, `b64`), and return the `kid`."""
    header = token.header
    assert_allowed_algorithm(header.get("alg"), allowed)
    if "crit" in header or "b64" in header:
        raise JwtCriticalHeaderError("JWT header has critical extensions, and none is understood")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise JwtWithoutValidKidError("JWT header does not have valid kid claim")
    return kid


def check_signature(token: UnverifiedToken, key: SigningKey) -> VerifiedToken:
    """The token, believed; or `JwtInvalidSignatureError`."""
    key.verify(token.header.get("alg"), token.signature, token.signing_input)
    return VerifiedToken(token)


def verified(
    token: UnverifiedToken, source: JwksSource, cache: JwksCache, allowed: tuple[str, ...] = ALGORITHMS
) -> Generator[KeyWanted, SigningKey, VerifiedToken]:
    """Yield the key that is wanted, if it is not at hand, and return the verified token; raises this room's errors."""
    kid = check_header(token, allowed)
    key = cache.get_cached_jwk(source, kid)
    if key is None:
        key = yield KeyWanted(source, kid)
    return check_signature(token, key)


def drive(steps: Generator[KeyWanted, SigningKey, T], cache: JwksCache) -> T:
    """Walk the steps to their end in this thread, which a missing key blocks for a fetch at most."""
    try:
        wanted = next(steps)
        while True:
            try:
                key = cache.get_jwk(wanted.source, wanted.kid)
            except JwtBaseError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(key)
    except StopIteration as end:
        return cast("T", end.value)


async def drive_async(steps: Generator[KeyWanted, SigningKey, T], cache: JwksCache) -> T:
    """Walk the steps to their end in an event loop; only a missing key awaits anything."""
    try:
        wanted = next(steps)
        while True:
            try:
                key = await cache.get_jwk_async(wanted.source, wanted.kid)
            except JwtBaseError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(key)
    except StopIteration as end:
        return cast("T", end.value)


def drive_cached(steps: Generator[KeyWanted, SigningKey, T], cache: JwksCache) -> T:
    """Walk the steps to their end without any I/O; raises `JwksNotAvailableInCacheError`."""
    try:
        wanted = next(steps)
        while True:
            try:
                key = cache.get_jwk_without_io(wanted.source, wanted.kid)
            except JwtBaseError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(key)
    except StopIteration as end:
        return cast("T", end.value)
