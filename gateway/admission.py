"""The corridor's middle, where four questions meet: who, under which policy, may they, is there room.

Given its collaborators, it reads no clock and no environment of its own. The sync and the async form share every line
but the one that may wait for an issuer's keys or a policy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.allowance import NO_ROOM_NEEDED, STORE_UNAVAILABLE, Allowance, Caller, Room
from gateway.identity.authenticate import Credential, credential
from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import Carriage, Intent, Minted, Policy, Principal, QuotaRule
from gateway.policy.problems import Code, Refusal
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
    """A grant, and the room that was made for it; whoever enacts the grant says what became of it."""

    grant: Grant
    room: Room


class Admission:
    """Admits requests: a `Grant` with its room, or a `Refusal`, nothing in between.

    Without an `allowance` tenants that have a quota or a rate are refused: nothing here could hold them to it.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        policies: PolicySource,
        mint: Callable[[], Minted],
        allowance: Allowance | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._policies = policies
        self._mint = mint
        self._allowance = allowance

    def read(self, raw: RawRequest, *, base: str, carriage: Carriage) -> Intent | Refusal:
        """What the request wants (`gateway.intake`), stamped with the time and a fresh id."""
        return read_intent(raw, base=base, carriage=carriage, minted=self._mint())

    def minted(self) -> Minted:
        """A fresh stamp for an intent that is not read from a PUT."""
        return self._mint()

    async def caller(self, headers: tuple[tuple[str, str], ...]) -> Caller | Refusal:
        """Who calls and under which policy."""
        presented = credential(headers)
        if isinstance(presented, Refusal):
            return presented
        return self._with_policy(await self._authenticator.authenticate_async(presented))

    def caller_sync(self, headers: tuple[tuple[str, str], ...]) -> Caller | Refusal:
        """The same, for a front that has no event loop."""
        presented = credential(headers)
        if isinstance(presented, Refusal):
            return presented
        return self._with_policy(self._authenticator.authenticate(presented))

    def _with_policy(self, principal: Principal | Refusal) -> Caller | Refusal:
        if isinstance(principal, Refusal):
            return principal
        try:
            policy = None if principal.tenant is None else self._policies.get(principal.tenant)
        except OSError:
            return STORE_UNAVAILABLE
        if policy is None:
            return Refusal(code=Code.TENANT_UNKNOWN, detail="The credential is bound to no tenant of this gateway.")
        return Caller(principal=principal, policy=policy)

    async def admit(self, raw: RawRequest, *, base: str, carriage: Carriage) -> Admitted | Refusal:
        """The decision on one PUT, and room for it."""
        intent = self.read(raw, base=base, carriage=carriage)
        if isinstance(intent, Refusal):
            return intent
        caller = await self.caller(raw.headers)
        return caller if isinstance(caller, Refusal) else await self.reserve(caller, self.judge(caller, intent))

    def admit_sync(self, raw: RawRequest, *, base: str, carriage: Carriage) -> Admitted | Refusal:
        """The same, for a front that has no event loop."""
        intent = self.read(raw, base=base, carriage=carriage)
        if isinstance(intent, Refusal):
            return intent
        caller = self.caller_sync(raw.headers)
        if isinstance(caller, Refusal):
            return caller
        grant = self.judge(caller, intent)
        if isinstance(grant, Refusal):
            return grant
        room = _unheld(caller.policy) if self._allowance is None else self._allowance.take_sync(caller, grant)
        return room if isinstance(room, Refusal) else Admitted(grant=grant, room=room)

    def judge(self, caller: Caller, intent: Intent) -> Grant | Refusal:
        """The decision once the caller is known; it takes nothing."""
        return decide(caller.principal, caller.policy, intent)

    async def reserve(
        self, caller: Caller, grant: Grant | Refusal, *, reservation: str | None = None, until: float | None = None
    ) -> Admitted | Refusal:
        """The last two refusals of the order, rate and quota; what is granted has its room from here on.

        `reservation` and `until` are as for `Allowance.take`: for an upload that outlives this request.
        """
        if isinstance(grant, Refusal):
            return grant
        if self._allowance is None:
            room = _unheld(caller.policy)
        else:
            room = await self._allowance.take(caller, grant, reservation=reservation, until=until)
        return room if isinstance(room, Refusal) else Admitted(grant=grant, room=room)


def _unheld(policy: Policy) -> Refusal | Room:
    """Without a shared store no quota and no rate can be held, so a tenant that has one is refused."""
    if policy.quota == QuotaRule() and policy.rate is None:
        return NO_ROOM_NEEDED
    return Refusal(
        code=Code.BACKEND_NOT_ALLOWED,
        detail="The tenant has a quota or a rate, and this backend has no store to hold it with; use another backend.",
    )
