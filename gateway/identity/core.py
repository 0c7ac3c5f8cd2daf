"""The one path on which a token comes to be believed; sync and async callers both walk it.

Whoever verifies is a generator (`Steps`): it yields a `KeyWanted` where a key is not at hand and is sent the key, or
has the error thrown into it. What drives it does the waiting, so that the same steps serve a thread and an event loop.

    decompose → algorithm → kid → key → signature → (claims: whoever asked)
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Never, NewType, TypeVar, cast

from gateway.identity.errors import (
    JwtBaseError,
    JwtCriticalHeaderError,
    JwtWithoutValidKidError,
    ParameterValidationError,
)
from gateway.identity.keys import ALGORITHMS, SigningKey, assert_allowed_algorithm
from gateway.identity.source import JwksSource
from gateway.identity.token import UnverifiedToken

VerifiedToken = NewType("VerifiedToken", UnverifiedToken)
"""A token whose signature was valid under its issuer's key; made by `check_signature` only."""


@dataclass(frozen=True, slots=True)
class KeyWanted:
    """Which key the core waits for."""

    source: JwksSource
    kid: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A custom check's own wait; only an event loop can wait for it."""

    result: Awaitable[None]


T = TypeVar("T")

Steps = Generator[KeyWanted | Pending, Any, T]
"""What a driver walks: it is sent the `SigningKey` for a `KeyWanted`, and None for a `Pending`."""


def check_header(token: UnverifiedToken, allowed: tuple[str, ...] = ALGORITHMS, *, kid_required: bool = True) -> str:
    """Refuse what no key could make good (`alg`, `crit`, `b64`), and return the `kid`, or an empty one."""
    header = token.header
    assert_allowed_algorithm(header.get("alg"), allowed)
    if "crit" in header or "b64" in header:
        raise JwtCriticalHeaderError("JWT header has critical extensions, and none is understood")
    kid = header.get("kid", None if kid_required else "")
    if not isinstance(kid, str):
        raise JwtWithoutValidKidError("JWT header does not have valid kid claim")
    return kid


def check_signature(token: UnverifiedToken, key: SigningKey) -> VerifiedToken:
    """The token, believed; or `JwtInvalidSignatureError`."""
    key.verify(token.header["alg"], token.signature, token.signing_input)
    return VerifiedToken(token)


def drive(steps: Steps[T], get: Callable[[JwksSource, str], SigningKey]) -> T:
    """Walk the steps to their end in this thread; `get` is how keys are had, blocking or not at all."""
    try:
        wanted = next(steps)
        while True:
            try:
                key = get(wanted.source, wanted.kid) if isinstance(wanted, KeyWanted) else _refuse(wanted)
            except JwtBaseError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(key)
    except StopIteration as end:
        return cast("T", end.value)


async def drive_async(steps: Steps[T], get: Callable[[JwksSource, str], Awaitable[SigningKey]]) -> T:
    """Walk the steps to their end in an event loop; only a key that is not at hand awaits anything."""
    try:
        wanted = next(steps)
        while True:
            try:
                key: SigningKey | None = None
                if isinstance(wanted, KeyWanted):
                    key = await get(wanted.source, wanted.kid)
                else:
                    await wanted.result
            except Exception as error:  # noqa: BLE001 - a custom check's error is the steps' to see, whatever it is
                wanted = steps.throw(error)
            else:
                wanted = steps.send(key)
    except StopIteration as end:
        return cast("T", end.value)


def _refuse(pending: Pending) -> Never:
    close = getattr(pending.result, "close", None)
    if close is not None:
        close()
    raise ParameterValidationError("Custom JWT checks must be synchronous but an awaitable was returned")
