"""Admission with an onlooker, for whoever wants to know what was decided and may not slow it down."""

from collections.abc import Callable

from gateway.admission import Admission, Authenticator
from gateway.allowance import Allowance, Caller
from gateway.policy.grant import Grant
from gateway.policy.model import Intent, Minted, Policy, Principal
from gateway.policy.problems import Refusal
from gateway.tenants.protocol import PolicySource

Observe = Callable[[Principal, Policy, Intent, Grant | Refusal], None]
"""Told of every decision of the rules, on the hot path: it must not wait and must not raise."""


def each_of(*onlookers: Observe) -> Observe:
    """Tells all of them, in this order."""

    def observe(principal: Principal, policy: Policy, intent: Intent, outcome: Grant | Refusal) -> None:
        for onlooker in onlookers:
            onlooker(principal, policy, intent, outcome)

    return observe


class ObservedAdmission(Admission):
    """Tells `observe` what each question came to; what was refused before a caller was known is nobody's."""

    def __init__(
        self,
        authenticator: Authenticator,
        policies: PolicySource,
        mint: Callable[[], Minted],
        allowance: Allowance | None = None,
        *,
        observe: Observe,
    ) -> None:
        super().__init__(authenticator, policies, mint, allowance)
        self._observe = observe

    def judge(self, caller: Caller, intent: Intent) -> Grant | Refusal:
        """The decision once the caller is known."""
        outcome = super().judge(caller, intent)
        self._observe(caller.principal, caller.policy, intent, outcome)
        return outcome
