"""`Idempotency-Key`: a client that does not know whether its request arrived asks again and gets the same answer.

The key belongs to whoever sent it (tenant, issuer and subject) and is remembered for 24 hours together with a digest of
the request; what a store keeps of it, and how two at once are told apart, is `gateway.tenants.idempotency`.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gateway.allowance import STORE_UNAVAILABLE
from gateway.policy.model import Principal
from gateway.policy.problems import Code, Fault, Refusal
from gateway.tenants.aside import Aside
from gateway.tenants.idempotency import Answered, BeingWorkedOn, Claimed, IdempotencyStore

Work = Callable[[], Awaitable[dict[str, Any] | Refusal]]

_KEY: Final = re.compile(r"[!-~]{1,255}")

_OTHER_REQUEST: Final = Refusal(
    code=Code.IDEMPOTENCY_CONFLICT,
    detail="This Idempotency-Key was used for another request; use a new one for a new request.",
)
AT_WORK: Final = Refusal(
    code=Code.IDEMPOTENCY_CONFLICT,
    detail="A request with this Idempotency-Key is being answered; ask again in a moment.",
    retry_after=1,
)


def idempotency_key(headers: tuple[tuple[str, str], ...]) -> str | Refusal | None:
    """The request's key, None where it has none: 1 to 255 visible ASCII characters, once."""
    values = [value.strip(" \t") for name, value in headers if name.lower() == "idempotency-key"]
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        detail = "Idempotency-Key is 1 to 255 visible ASCII characters, and is sent once."
        fault = Fault("/headers/idempotency-key", detail)
        return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=(fault,))
    return values[0]


POLL: Final = 0.05
"""Seconds between two looks whether somebody else's work is done."""


def scope_of(caller: Principal) -> str:
    """Whose keys they are."""
    return hashlib.sha256("\n".join((str(caller.tenant), caller.issuer, caller.subject)).encode()).hexdigest()


class Replays:
    """Does work once a key; `clock` gives seconds since the epoch, `new_token` unguessable text."""

    def __init__(
        self, *, store: IdempotencyStore, aside: Aside, clock: Callable[[], float], new_token: Callable[[], str]
    ) -> None:
        self._store = store
        self._aside = aside
        self._clock = clock
        self._new_token = new_token

    async def once(
        self, scope: str, key: str, request: Mapping[str, Any], work: Work, *, patience: float = 0
    ) -> dict[str, Any] | Refusal:
        """The answer to this request under this key: the one it had before, or that of `work`, which is remembered.

        A refusal is not remembered: what was refused may be allowed the next time. Whoever else is at work is waited
        for `patience` seconds; then it is `AT_WORK`.
        """
        until = self._clock() + patience
        outcome = await self._tried(scope, key, request, work)
        while outcome is AT_WORK and self._clock() < until:
            await asyncio.sleep(POLL)
            outcome = await self._tried(scope, key, request, work)
        return outcome

    async def _tried(self, scope: str, key: str, request: Mapping[str, Any], work: Work) -> dict[str, Any] | Refusal:
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        token = self._new_token()
        try:
            claim = await self._aside(
                lambda: self._store.claim(scope, key, digest=digest, token=token, now=self._clock())
            )
            if isinstance(claim, Answered):
                return dict(json.loads(claim.answer))
            if not isinstance(claim, Claimed):
                return AT_WORK if isinstance(claim, BeingWorkedOn) else _OTHER_REQUEST
            return await self._worked(scope, key, token, work)
        except OSError:
            return STORE_UNAVAILABLE

    async def _worked(self, scope: str, key: str, token: str, work: Work) -> dict[str, Any] | Refusal:
        done = False
        try:
            outcome = await work()
            if not isinstance(outcome, Refusal):
                answer = json.dumps(outcome).encode()
                await self._aside(lambda: self._store.answer(scope, key, token=token, answer=answer))
                done = True
            return outcome
        finally:
            if not done:
                await self._aside(lambda: self._store.forget(scope, key, token=token))
