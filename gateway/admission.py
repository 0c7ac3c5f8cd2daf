"""The corridor's middle, where four questions meet: who, under which policy, may they, is there room.

Given its collaborators, it reads no clock and no environment of its own. The sync and the async form share every line
but the one that may wait for an issuer's keys or a policy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.identity.authenticate import Credential, credential
from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import Carriage, Intent, Minted, Policy, Principal
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
class Caller:
    """A verified principal and the policy it acts under, taken once for a request so that it sees one version."""

    principal: Principal
    policy: Policy


class Admission:
    """Admits requests: `Grant` or `Refusal`, nothing in between."""

    def __init__(self, authenticator: Authenticator, policies: PolicySource, mint: Callable[[], Minted]) -> None:
        self._authenticator = authenticator
        self._policies = policies
        self._mint = mint

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
        policy = None if principal.tenant is None else self._policies.get(principal.tenant)
        if policy is None:
            return Refusal(code=Code.TENANT_UNKNOWN, detail="The credential is bound to no tenant of this gateway.")
        return Caller(principal=principal, policy=policy)

    async def admit(self, raw: RawRequest, *, base: str, carriage: Carriage) -> Grant | Refusal:
        """The decision on one PUT."""
        intent = self.read(raw, base=base, carriage=carriage)
        if isinstance(intent, Refusal):
            return intent
        return self.judge(await self.caller(raw.headers), intent)

    def admit_sync(self, raw: RawRequest, *, base: str, carriage: Carriage) -> Grant | Refusal:
        """The same, for a front that has no event loop."""
        intent = self.read(raw, base=base, carriage=carriage)
        if isinstance(intent, Refusal):
            return intent
        return self.judge(self.caller_sync(raw.headers), intent)

    def judge(self, caller: Caller | Refusal, intent: Intent) -> Grant | Refusal:
        """The decision once the caller is known."""
        return caller if isinstance(caller, Refusal) else decide(caller.principal, caller.policy, intent)
