"""Decisions remembered, so that a change of a document can be tried on them before it is made.

What is remembered is what `decide` reads and no more: of metadata its keys and lengths, of checksums the algorithm, of
headers the names; no credential and no value that a client sent, but for the name of its object.
"""

import dataclasses
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import Algorithm, Backend, Carriage, Checksum, Intent, Minted, Policy, Principal
from gateway.policy.problems import Code, Refusal
from gateway.tenants.decisions import KEPT, Decision, DecisionRing
from gateway.tenants.errors import StoreUnavailableError

_OF_THE_WAY: Final = ("adds_headers", "max_size", "checksum_later")
"""What a plan's way differs in from that of a PUT through the same backend."""

KEEP_EVERY: Final = 1.0
"""Seconds; decisions go to the store in batches this far apart, of each tenant no more than are kept."""

MOST_WAITING: Final = 5_000
"""Decisions that wait for the store; the oldest of more are lost, which does no harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A remembered decision that would be another: when, what was asked, what came of it and what would."""

    at: float
    request: Mapping[str, Any]
    was: Mapping[str, Any]
    would_be: Mapping[str, Any]


def remembered(principal: Principal, policy: Policy, intent: Intent, outcome: Grant | Refusal) -> Decision:
    """The decision as the ring keeps it."""
    request = {
        "backend": str(intent.carriage.backend),
        **{name: getattr(intent.carriage, name) for name in _OF_THE_WAY},
        "name": _said(intent.name),
        "size": intent.size,
        "content_type": intent.content_type,
        "checksum": None if intent.checksum is None else str(intent.checksum.algorithm),
        "create_only": intent.create_only,
        "metadata": [[key, len(value.encode("utf-8", "surrogatepass"))] for key, value in intent.metadata],
        "object_headers": [name for name, _ in intent.object_headers],
        "unread_headers": list(intent.unread_headers),
        "header_fault": None if intent.header_fault is None else _said(intent.header_fault),
        "client": intent.client,
        "uuid": intent.minted.uuid,
        "tenant": principal.tenant,
        "issuer": principal.issuer,
        "subject": principal.subject,
        "scopes": sorted(principal.scopes),
        "name_prefix": principal.name_prefix,
    }
    members = {"request": request, "outcome": summary(outcome)}
    return Decision(tenant=policy.tenant, at=intent.minted.at, members=members)


def summary(outcome: Grant | Refusal) -> dict[str, Any]:
    """What of a decision can be told from another: its problem's code, or its key and whether it may overwrite."""
    if isinstance(outcome, Refusal):
        return {"decision": "refusal", "code": str(outcome.code)}
    return {"decision": "grant", "key": outcome.key, "create_only": outcome.create_only}


def differences(
    decisions: tuple[Decision, ...], policy: Policy, carriages: Mapping[Backend, Carriage]
) -> tuple[Difference, ...]:
    """Those that would be others under `policy`, in the order given."""
    found = []
    for decision in decisions:
        request, was = decision.members["request"], decision.members["outcome"]
        would_be = summary(decide(_principal(request), policy, _intent(request, decision.at, carriages)))
        if would_be != was:
            found.append(Difference(at=decision.at, request=request, was=was, would_be=would_be))
    return tuple(found)


def _said(part: str | Refusal) -> str | dict[str, str]:
    return {"code": str(part.code), "detail": part.detail} if isinstance(part, Refusal) else part


def _unsaid(part: Any) -> Any:
    return Refusal(code=Code(part["code"]), detail=part["detail"]) if isinstance(part, dict) else part


def _principal(request: Mapping[str, Any]) -> Principal:
    return Principal(
        tenant=request["tenant"],
        issuer=request["issuer"],
        subject=request["subject"],
        scopes=frozenset(request["scopes"]),
        name_prefix=request["name_prefix"],
    )


def _intent(request: Mapping[str, Any], at: float, carriages: Mapping[Backend, Carriage]) -> Intent:
    carriage = carriages[Backend(request["backend"])]
    checksum = request["checksum"]
    return Intent(
        carriage=dataclasses.replace(carriage, **{name: request[name] for name in _OF_THE_WAY if name in request}),
        name=_unsaid(request["name"]),
        size=request["size"],
        content_type=request["content_type"],
        checksum=None if checksum is None else Checksum(Algorithm(checksum), ""),
        create_only=request["create_only"],
        metadata=tuple((key, "x" * length) for key, length in request["metadata"]),
        object_headers=tuple((name, "") for name in request["object_headers"]),
        minted=Minted(at=at, uuid=request["uuid"]),
        header_fault=_unsaid(request["header_fault"]),
        unread_headers=tuple(request["unread_headers"]),
        client=request.get("client"),  # decisions of an earlier version don't say it
    )


class RecentDecisions:
    """Takes decisions from the hot path and brings them to a ring from a thread of its own; ends with `close`."""

    def __init__(self, ring: DecisionRing) -> None:
        self._ring = ring
        self._waiting: deque[tuple[Principal, Policy, Intent, Grant | Refusal]] = deque(maxlen=MOST_WAITING)
        self._kept_at = 0.0
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decisions")

    def observe(self, principal: Principal, policy: Policy, intent: Intent, outcome: Grant | Refusal) -> None:
        """Remember a decision; never waits and never raises for a store."""
        self._waiting.append((principal, policy, intent, outcome))
        now = intent.minted.at
        if not 0 <= now - self._kept_at < KEEP_EVERY:
            self._kept_at = now
            self._worker.submit(self._keep)

    def last(self, tenant: str) -> tuple[Decision, ...]:
        """The tenant's last decisions, newest first, those that wait included."""
        self._worker.submit(self._keep).result()
        return self._ring.last(tenant)

    def close(self) -> None:
        """Keep what waits, then end the thread."""
        self._worker.submit(self._keep)
        self._worker.shutdown()

    def _keep(self) -> None:
        """Bring to the ring what waits, newest decisions of a tenant first to be chosen, oldest first to be kept."""
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        chosen: dict[str, int] = {}
        batch = []
        for principal, policy, intent, outcome in reversed(waiting):
            chosen[policy.tenant] = chosen.get(policy.tenant, 0) + 1
            if chosen[policy.tenant] <= KEPT:
                batch.append(remembered(principal, policy, intent, outcome))
        try:
            if batch:
                self._ring.keep(reversed(batch))
        except StoreUnavailableError:
            return
