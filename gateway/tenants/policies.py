"""Policies with their history: what is in force, and every version that ever was.

A store keeps documents and knows nothing of their meaning but who their issuers are. Versions of a tenant rise by one
and go on after it was deleted and made again, so an etag never names two different states, and a change that was made
against an older one is always refused.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.tenants.pages import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who changes something, when (seconds since the epoch) and why."""

    at: float
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version of a tenant's document.

    `etag` is opaque and not quoted. `text` is the document as canonical JSON, None where the change was a deletion.
    """

    tenant: str
    version: int
    etag: str
    at: float
    by: str
    reason: str
    text: str | None

    @property
    def document(self) -> dict[str, Any] | None:
        """The document, decoded afresh, None for a deletion."""
        return None if self.text is None else json.loads(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """The change was made against another state than the present one: `current`, None where there is no tenant."""

    current: PolicyVersion | None


class PolicyStore(Protocol):
    """Every verb may raise `StoreUnavailableError`; the listing verbs also `CursorError`."""

    def get(self, tenant: str) -> PolicyVersion | None:
        """The version in force, None for a tenant that does not exist (any more)."""
        ...

    def create(self, tenant: str, document: Mapping[str, Any], change: Change) -> PolicyVersion | Conflict:
        """Put the first version in force, or the first after a deletion; a conflict where the tenant exists."""
        ...

    def replace(self, tenant: str, etag: str, document: Mapping[str, Any], change: Change) -> PolicyVersion | Conflict:
        """Put the next version in force, if the present one has this etag."""
        ...

    def delete(self, tenant: str, etag: str, change: Change) -> PolicyVersion | Conflict:
        """End the tenant, if the present version has this etag; the answer is the version that says so."""
        ...

    def list(self, *, limit: int, cursor: str | None = None) -> Page[PolicyVersion]:
        """The tenants that exist, by id."""
        ...

    def history(self, tenant: str, *, limit: int, cursor: str | None = None) -> Page[PolicyVersion]:
        """All versions, deletions too, newest first; empty for a tenant that never was."""
        ...

    def version(self, tenant: str, number: int) -> PolicyVersion | None:
        """One version of the history."""
        ...

    def believers(self, issuer: str) -> tuple[str, ...]:
        """The tenants whose document in force names exactly this issuer, sorted."""
        ...


def canonical(document: Mapping[str, Any]) -> str:
    """The document as stores keep it: JSON, members sorted, nothing between them."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def next_version(tenant: str, last: int, document: Mapping[str, Any] | None, change: Change) -> PolicyVersion:
    """The version after number `last`; None for a document is the deletion."""
    text = None if document is None else canonical(document)
    digest = hashlib.sha256(f"{tenant}\n{last + 1}\n{text}".encode()).hexdigest()
    return PolicyVersion(
        tenant=tenant,
        version=last + 1,
        etag=f"{last + 1}-{digest[:16]}",
        at=change.at,
        by=change.by,
        reason=change.reason,
        text=text,
    )


def issuers_of(document: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The issuers that a document names, each once; whatever is no list of issuers names none."""
    listed = (document or {}).get("issuers")
    entries = listed if isinstance(listed, list) else []
    named = (entry.get("issuer") for entry in entries if isinstance(entry, Mapping))
    return tuple(sorted({issuer for issuer in named if isinstance(issuer, str) and issuer}))
