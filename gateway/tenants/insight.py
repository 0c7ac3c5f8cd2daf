"""What an operator may see of a tenant without changing it: usage now and over time, one request tried, the past."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from gateway.policy.document import parse, render
from gateway.policy.model import Backend, Carriage, Policy, RateRule
from gateway.policy.problems import Code, Refusal
from gateway.tenants.decisions import Decision
from gateway.tenants.evaluation import Evaluation, Evaluator, Question
from gateway.tenants.ledger import Ledger, Usage
from gateway.tenants.rate import RateBuckets
from gateway.tenants.replay import Difference, differences
from gateway.tenants.service import Condition, Tenant, TenantService, unmet
from gateway.tenants.usage_history import SLOT, UsageHistory, UsageSample

DAY: Final = 86_400

MOST_SAMPLES: Final = 336
"""Samples of an answer, about: a pixel or two of a chart each; a week's at every hour at half past and whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantUsage:
    """What is counted for a tenant, its document, and the tokens left in its bucket (None: none, or one a subject)."""

    counted: Usage
    document: Mapping[str, Any]
    left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The document as it would be in force, how many decisions it was tried on, and those that would be others."""

    document: dict[str, Any]
    decisions: int
    differing: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOverTime:
    """Samples from `since` to `until`, the last one taken now, oldest first and `step` seconds apart at least.

    The first may be from before `since`: it says what was counted then. Between two the usage was the earlier one's.
    """

    since: float
    until: float
    step: int
    samples: tuple[UsageSample, ...]


class TenantInsight:
    """Changes nothing. Every verb may raise `StoreUnavailableError`."""

    def __init__(
        self,
        *,
        service: TenantService,
        ledger: Ledger,
        rates: RateBuckets,
        history: UsageHistory,
        last_decisions: Callable[[str], tuple[Decision, ...]],
        evaluator: Evaluator,
        carriages: Mapping[Backend, Carriage],
        allow_private_issuers: bool,
        clock: Callable[[], float],
    ) -> None:
        self._service = service
        self._ledger = ledger
        self._rates = rates
        self._history = history
        self._last_decisions = last_decisions
        self._evaluator = evaluator
        self._carriages = carriages
        self._allow_private_issuers = allow_private_issuers
        self._clock = clock

    def usage(self, tenant: str) -> TenantUsage | Refusal:
        """What is counted now."""
        found = self._service.get(tenant)
        if isinstance(found, Refusal):
            return found
        rate = found.document["rate"]
        left = None
        if rate is not None and rate["per"] == "tenant":
            left = self._rates.level(tenant, RateRule(**rate), self._clock()).left
        return TenantUsage(counted=self._ledger.usage(tenant), document=found.document, left=left)

    def usage_history(self, tenant: str, days: int) -> UsageOverTime | Refusal:
        """What was counted in the last `days`."""
        found = self._service.get(tenant)
        if isinstance(found, Refusal):
            return found
        now = self._clock()
        present = UsageSample(tenant=tenant, at=now, usage=self._ledger.usage(tenant))
        step = SLOT * ceil(days * DAY / SLOT / MOST_SAMPLES)
        since = now - days * DAY
        kept = [each for each in self._history.since(tenant, since) if each.at < now]
        return UsageOverTime(since=since, until=now, step=step, samples=thinned([*kept, present], step))

    def decisions(self, tenant: str, limit: int) -> tuple[Decision, ...] | Refusal:
        """The tenant's last decisions, newest first."""
        found = self._service.get(tenant)
        return found if isinstance(found, Refusal) else self._last_decisions(tenant)[:limit]

    def evaluate(self, tenant: str, question: Question) -> Evaluation | Refusal:
        """What would be decided on this request."""
        found = self._service.get(tenant)
        if isinstance(found, Refusal):
            return found
        policy = parse(found.document, allow_private_issuers=self._allow_private_issuers)
        if not isinstance(policy, Policy):
            detail = "The tenant's document is not valid under the gateway's present settings, so all is refused."
            return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=policy)
        return self._evaluator.evaluate(policy, found.version, question)

    def preview(self, tenant: str, document: object, condition: Condition) -> Preview | Refusal:
        """What a PUT of this document would change; a condition is held where one is given, but none is asked for."""
        policy = self._service.check(tenant, document)
        if isinstance(policy, Refusal):
            return policy
        refused = self._unmet(tenant, condition)
        if refused is not None:
            return refused
        last = self._last_decisions(tenant)
        filled = render(policy)
        return Preview(document=filled, decisions=len(last), differing=differences(last, policy, self._carriages))

    def _unmet(self, tenant: str, condition: Condition) -> Refusal | None:
        found = self._service.get(tenant)
        current: Tenant | None = None if isinstance(found, Refusal) else found
        if condition == Condition():
            return None
        return unmet(condition, current)


def thinned(samples: Sequence[UsageSample], step: int) -> tuple[UsageSample, ...]:
    """Of the samples in each `step` seconds the last one."""
    return tuple({int(each.at // step): each for each in samples}.values())
