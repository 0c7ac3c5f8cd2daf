"""The corridor's middle, where four questions meet: who, under which policy, may they, is there room.

Given its collaborators, it reads no clock and no environment of its own. The sync and the async form share every line
but the ones that may wait, for an issuer's keys or for room. Whatever it answers has been written down before
(`gateway.journal`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.identity.authenticate import Credential, credential
from gateway.intake import RawRequest, read_intent
from gateway.journal import PUT, Journal
from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import Carriage, Intent, Minted, Policy, Principal, QuotaRule
from gateway.policy.problems import Code, Refusal
from gateway.room import NO_ROOM_NEEDED, STORE_UNAVAILABLE, Allows, Caller, Room
from gateway.tenants.aside import Aside
from gateway.tenants.protocol import PolicySource


class Authenticator(Protocol):
    """Turns a credential into the principal it speaks for, or the refusal that says why not."""

    def authenticate(self, presented: Credential) -> Principal | Refusal:
        """Verify, waiting in this thread if an issuer's keys must be fetched."""
        ...

    async def authenticate_async(self, presented: Credential) -> Principal | Refusal:
        """Verify; only a fetch of keys leaves the event loop."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A grant, the room that was made for it, and the policy that it is of.

    Whoever enacts the grant says what became of it.
    """

    grant: Grant
    room: Room
    policy: Policy


class Admission:
    """Admits requests: a `Grant` with its room, or a `Refusal`, nothing in between.

    Without an `allowance` tenants that have a quota or a rate are refused: nothing here could hold them to it. Without
    a `journal` nobody is told. A `request_id` is what the client will see as `X-Request-Id`.
    `beside` is for policies and keys that are asked for over a network: it has `caller` wait where no event loop does.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        policies: PolicySource,
        mint: Callable[[], Minted],
        allowance: Allows | None = None,
        journal: Journal | None = None,
        *,
        beside: Aside | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._policies = policies
        self._mint = mint
        self._allowance = allowance
        self.journal = journal or Journal(clock=lambda: mint().at)
        self._beside = beside

    def read(self, raw: RawRequest, *, base: str, carriage: Carriage) -> Intent | Refusal:
        """What the request wants (`gateway.intake`), stamped with the time and a fresh id."""
        intent = read_intent(raw, base=base, carriage=carriage, minted=self._mint())
        return self.journal.stranger(intent) if isinstance(intent, Refusal) else intent

    def minted(self) -> Minted:
        """A fresh stamp for an intent that is not read from a PUT."""
        return self._mint()

    async def caller(
        self,
        headers: tuple[tuple[str, str], ...],
        *,
        request_id: str,
        verified: Principal | Refusal | None = None,
    ) -> Caller | Refusal:
        """Who calls and under which policy; `verified` is who was verified before, in the place of any header."""
        if verified is not None:
            return await self._known(verified, request_id)
        if self._beside is not None:
            return await self._beside(lambda: self.caller_sync(headers, request_id=request_id))
        presented = credential(headers)
        if isinstance(presented, Refusal):
            return self.journal.stranger(presented)
        return self._with_policy(await self._authenticator.authenticate_async(presented), request_id)

    def caller_sync(self, headers: tuple[tuple[str, str], ...], *, request_id: str) -> Caller | Refusal:
        """The same, for a front that has no event loop."""
        presented = credential(headers)
        if isinstance(presented, Refusal):
            return self.journal.stranger(presented)
        return self._with_policy(self._authenticator.authenticate(presented), request_id)

    async def _known(self, principal: Principal | Refusal, request_id: str) -> Caller | Refusal:
        if self._beside is not None:
            return await self._beside(lambda: self._with_policy(principal, request_id))
        return self._with_policy(principal, request_id)

    def _with_policy(self, principal: Principal | Refusal, request_id: str) -> Caller | Refusal:
        if isinstance(principal, Refusal):
            return self.journal.stranger(principal)
        if unavailable := self.journal.unavailable():
            return unavailable
        try:
            policy = None if principal.tenant is None else self._policies.get(principal.tenant)
        except OSError:
            return self.journal.homeless(principal, request_id, STORE_UNAVAILABLE)
        if policy is None:
            unknown = Refusal(code=Code.TENANT_UNKNOWN, detail="The credential is bound to no tenant of this gateway.")
            return self.journal.homeless(principal, request_id, unknown)
        return Caller(principal=principal, policy=policy, request_id=request_id)

    async def admit(
        self,
        raw: RawRequest,
        *,
        base: str,
        carriage: Carriage,
        request_id: str,
        verified: Principal | Refusal | None = None,
    ) -> Admitted | Refusal:
        """The decision on one PUT, and room for it; `verified` as for `caller`."""
        intent = self.read(raw, base=base, carriage=carriage)
        if isinstance(intent, Refusal):
            return intent
        caller = await self.caller(raw.headers, request_id=request_id, verified=verified)
        return caller if isinstance(caller, Refusal) else await self.decided(caller, intent)

    def admit_sync(self, raw: RawRequest, *, base: str, carriage: Carriage, request_id: str) -> Admitted | Refusal:
        """The same, for a front that has no event loop."""
        intent = self.read(raw, base=base, carriage=carriage)
        if isinstance(intent, Refusal):
            return intent
        caller = self.caller_sync(raw.headers, request_id=request_id)
        if isinstance(caller, Refusal):
            return caller
        ruling = self.judge(caller, intent)
        room: Room | Refusal
        if isinstance(ruling, Refusal):
            room = ruling
        elif self._allowance is None:
            room = _unheld(caller.policy)
        else:
            room = self._allowance.take_sync(caller, ruling)
        return _admitted(caller.policy, ruling, self.journal.decided(caller, intent, ruling, room))

    def judge(self, caller: Caller, intent: Intent) -> Grant | Refusal:
        """What the rules say once the caller is known: a question that takes nothing and that nobody is told of."""
        return decide(caller.principal, caller.policy, intent)

    def refused(self, caller: Caller, intent: Intent, refusal: Refusal) -> Refusal:
        """What `judge` refused is the request's answer: it is written down."""
        self.journal.decided(caller, intent, refusal, refusal)
        return refusal

    async def pace(self, caller: Caller) -> Refusal | None:
        """A token of the rate for a call that goes on with what was granted before, or when there is one."""
        return None if self._allowance is None else await self._allowance.pace(caller)

    async def decided(
        self,
        caller: Caller,
        intent: Intent,
        *,
        action: str = PUT,
        reservation: str | None = None,
        until: float | None = None,
        along: "Callable[[Grant], None] | None" = None,
    ) -> Admitted | Refusal:
        """The decision: the rules, then the last two refusals of the order, rate and quota.

        What is granted has its room from here on. `reservation`, `until` and `along` are as for `Allowance.take`: for
        an upload that outlives this request; without an allowance nothing goes `along`. `action` is what the audit
        calls it.
        """
        ruling = self.judge(caller, intent)
        room: Room | Refusal
        if isinstance(ruling, Refusal):
            room = ruling
        elif self._allowance is None:
            room = _unheld(caller.policy)
        else:
            beside = None if along is None else lambda size: along(ruling.within(size))
            room = await self._allowance.take(caller, ruling, reservation=reservation, until=until, along=beside)
        return _admitted(caller.policy, ruling, self.journal.decided(caller, intent, ruling, room, action=action))


def _admitted(policy: Policy, ruling: Grant | Refusal, room: Room | Refusal) -> Admitted | Refusal:
    """The grant within its room, which may hold fewer bytes than the most that was granted."""
    if isinstance(ruling, Refusal):
        return ruling
    if isinstance(room, Refusal):
        return room
    return Admitted(grant=ruling if room.bytes is None else ruling.within(room.bytes), room=room, policy=policy)


def _unheld(policy: Policy) -> Refusal | Room:
    """Without a shared store no quota and no rate can be held, so a tenant that has one is refused."""
    if policy.quota == QuotaRule() and policy.rate is None:
        return NO_ROOM_NEEDED
    return Refusal(
        code=Code.BACKEND_NOT_ALLOWED,
        detail="The tenant has a quota or a rate, and this backend has no store to hold it with; use another backend.",
    )
