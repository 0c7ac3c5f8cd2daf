"""Tenants with a rate or a quota for an edge that holds them by shares: the third upload finds no room."""

import uuid
from typing import Any, Final

from tests.conformance.case import Case, Stored, refused
from tests.conformance.examiner import Examiner

LIMITS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "rate": ({"rate": {"per_second": 0.0001, "burst": 2, "per": "tenant"}}, "rate-limited"),
    "rate-of-a-subject": ({"rate": {"per_second": 0.0001, "burst": 2, "per": "subject"}}, "rate-limited"),
    "objects": ({"quota": {"objects": 8, "bytes": None}}, "quota-exceeded"),
    "bytes": ({"quota": {"objects": None, "bytes": 100}}, "quota-exceeded"),
}
"""A lease is a fourth of what is left of a quota (`gateway.tenants.published.leasing`)."""


def limited() -> dict[str, dict[str, Any]]:
    """A fresh tenant for each limit."""
    document = {"version": 1, "types": {"*/*": []}, "overwrite": True}
    run = uuid.uuid4().hex[:8]
    return {name: {**document, "tenant": f"limited-{name}-{run}", **limit} for name, (limit, _) in LIMITS.items()}


def findings_of(examiner: Examiner, name: str, tenant: str) -> list[str]:
    """What is wrong with two uploads that find room and a third that does not."""
    stored = Case(id="limited", rows=(), tenant=tenant, expect=Stored(name="{u}/a.txt"), backends=("edge",))
    refusal = Case(id="limited", rows=(), tenant=tenant, expect=refused(LIMITS[name][1]), backends=("edge",))
    return [*examiner.examine(stored), *examiner.examine(stored), *examiner.examine(refusal)]
