"""The last decisions of each tenant, so that a change can be tried on them before it is made."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

KEPT: Final = 100
"""Decisions kept a tenant, at least; some more may be there until they are tidied away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision: when (seconds since the epoch), and what it takes to decide again, as plain JSON members."""

    tenant: str
    at: float
    members: Mapping[str, Any]


class DecisionRing(Protocol):
    """May raise `StoreUnavailableError`; losing decisions is no harm, so callers keep them in batches."""

    def keep(self, decisions: Iterable[Decision]) -> None:
        """Keep these; the oldest of the tenant give way."""
        ...

    def last(self, tenant: str, limit: int = KEPT) -> tuple[Decision, ...]:
        """The tenant's last decisions, newest first."""
        ...


def canonical_members(decision: Decision) -> str:
    """A decision's members as stores keep them."""
    return json.dumps(decision.members, sort_keys=True, separators=(",", ":"))
