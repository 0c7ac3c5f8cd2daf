"""The front of an upload resource: one ASGI application for every backend whose grant is enacted in this process."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.admission import Admission, Admitted
from gateway.allowance import Room
from gateway.asgi.body import Body
from gateway.asgi.direct import Call
from gateway.asgi.turnstile import TOO_MANY, Turnstile
from gateway.asgi.verified import verified
from gateway.asgi.wire import (
    Receive,
    Reply,
    Scope,
    Send,
    body_of,
    raw_request,
    refusal_reply,
    send_reply,
    stamped,
    with_headers,
)
from gateway.intake import METHODS, is_preflight
from gateway.policy.grant import Grant
from gateway.policy.model import Carriage
from gateway.policy.problems import Refusal
from gateway.storage.upstream import BodyAbortedError

RequestIds = Callable[[Scope], str]
"""The id of a request: the one its server gave it, or a fresh one."""

PREFLIGHT = Reply(status=204, headers=(("allow", METHODS),))
"""The answer to OPTIONS: what is allowed here, to anyone, before any credential."""


class Enact(Protocol):
    """What a backend is: from a grant (and, where the bytes pass through, the body) to its own kind of answer."""

    def __call__(self, grant: Grant, body: Body) -> Awaitable[Reply | Refusal]:
        """Enact the grant; raises BodyAbortedError when the client went away, for there is nobody to answer."""
        ...


class UploadFront:
    """`PUT {base}/{name}`: admit, enact, answer."""

    def __init__(
        self,
        *,
        base: str,
        carriage: Carriage,
        admission: Admission,
        enact: Enact,
        request_ids: RequestIds,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._turnstile = turnstile
        self._base = base
        self._carriage = carriage
        self._admission = admission
        self._enact = enact
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        call = Call(
            raw=raw_request(scope),
            request_id=self._request_ids(scope),
            body=body_of(receive),
            told=[],
            verified=verified(scope),
        )
        reply = await self.answer(call)
        if reply is not None:
            await send_reply(send, reply)

    async def answer(self, call: Call) -> Reply | None:
        """Answer one request; None where the client went away."""
        raw, request_id = call.raw, call.request_id
        if is_preflight(raw):
            return render(PREFLIGHT, request_id)
        admitted = await self._admission.admit(
            raw, base=self._base, carriage=self._carriage, request_id=request_id, verified=call.verified
        )
        if isinstance(admitted, Refusal):
            return refusal_reply(admitted, request_id)
        outcome = await self._through(admitted, call.body)
        if outcome is None:
            return None
        if isinstance(outcome, Refusal):
            return with_headers(refusal_reply(outcome, request_id), admitted.room.headers)
        return with_headers(outcome, (("x-request-id", request_id), *admitted.room.headers))

    async def _through(self, admitted: Admitted, body: Body) -> Reply | Refusal | None:
        """The same as `_enacted`, where the tenant does not have too much under way already."""
        if self._turnstile is None:
            return await self._enacted(admitted, body)
        tenant = admitted.grant.tenant
        if not self._turnstile.enter(tenant):
            await admitted.room.released(TOO_MANY.code)
            return TOO_MANY
        try:
            return await self._enacted(admitted, body)
        finally:
            self._turnstile.leave(tenant)

    async def _enacted(self, admitted: Admitted, body: Body) -> Reply | Refusal | None:
        """What came of the grant; None when the client went away and there is nobody to answer."""
        try:
            outcome = await self._enact(admitted.grant, body)
        except BodyAbortedError:
            await admitted.room.released()
            return None
        await _settled(admitted.room, outcome)
        return outcome


async def _settled(room: Room, outcome: Reply | Refusal) -> None:
    """Tell the room what became of its upload, as far as that is known: a redirect's is still to come."""
    if isinstance(outcome, Refusal):
        if not outcome.outcome_unknown:
            await room.released(outcome.code)
    elif outcome.status == 200:
        await room.stored()


def render(outcome: Reply | Refusal, request_id: str) -> Reply:
    """A backend's answer or a refusal, as a reply with the request's id."""
    return refusal_reply(outcome, request_id) if isinstance(outcome, Refusal) else stamped(outcome, request_id)
