"""Who takes the samples of `UsageHistory`: of each tenant with a decision, for as long as its usage moves.

Watching begins with a decision and ends when the usage is as it was and nothing is reserved, so that the work grows
with the tenants that upload and not with those that exist.
"""

from collections.abc import Callable
from typing import Final

from gateway.policy.grant import Grant
from gateway.policy.model import Intent, Policy, Principal
from gateway.policy.problems import Refusal
from gateway.tenants.ledger import Ledger, Usage
from gateway.tenants.usage_history import UsageHistory, UsageSample

MOST_WATCHED: Final = 10_000
"""Tenants watched at once; the decisions of more begin no watch, which the next decision may."""


class UsageSampler:
    """`observe` is for the hot path; `sample` asks the stores and is called at even times by one thread."""

    def __init__(self, *, ledger: Ledger, history: UsageHistory, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._history = history
        self._clock = clock
        self._watched: dict[str, Usage | None] = {}

    def observe(self, _principal: Principal, policy: Policy, _intent: Intent, _outcome: Grant | Refusal) -> None:
        """Watch the tenant of this decision; never waits and never raises."""
        if len(self._watched) < MOST_WATCHED:
            self._watched.setdefault(policy.tenant, None)

    def sample(self) -> int:
        """Keep what changed, and how many samples that were; may raise `StoreUnavailableError`."""
        samples = []
        for tenant, last in list(self._watched.items()):
            usage = self._ledger.usage(tenant)
            if usage != last:
                samples.append(UsageSample(tenant=tenant, at=self._clock(), usage=usage))
            elif not usage.reserved_objects:
                self._watched.pop(tenant)
        self._history.keep(samples)
        self._watched.update((each.tenant, each.usage) for each in samples)
        return len(samples)
