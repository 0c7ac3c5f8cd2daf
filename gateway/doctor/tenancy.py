"""Tenants: whether they are there, their documents good, and the issuers that they believe give their keys."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from gateway.doctor.findings import Finding, fail, ok
from gateway.doctor.subject import Subject
from gateway.identity.discovery import load
from gateway.identity.errors import JwtBaseError
from gateway.identity.fetch import DEADLINE, Fetcher, HttpsFetcher
from gateway.identity.rules import jwks_source
from gateway.identity.source import JwksSource
from gateway.policy.document import parse
from gateway.policy.model import IssuerRule, Policy
from gateway.server.opened import OpenStores
from gateway.tenants.errors import StoreError
from gateway.tenants.folder import TenantFolderError

MOST_ISSUERS: Final = 100
"""Issuers of tenants that are asked; the operator's own are asked always."""

_PAGE: Final = 100
_MOST_SHOWN: Final = 5


async def tenants(subject: Subject) -> tuple[list[Finding], list[IssuerRule]]:
    """Whether the store answers and every document can be in force; and the issuers that tenants name themselves."""
    found, rules = _folder(subject)
    try:
        async with subject.stores() as opened:
            documents, wrong = await _stored(subject, opened, rules)
    except (StoreError, OSError) as error:
        says = f"The store of tenants, keys and usage does not answer: {error}."
        return [*found, fail("store", says, "Start it, or mend its address or the rights of this user.")], rules
    found.append(ok("store", "The store of tenants, keys and usage answers."))
    found.append(_documents("tenants-store", documents, wrong))
    return found, rules


async def _stored(subject: Subject, opened: OpenStores, rules: list[IssuerRule]) -> tuple[int, list[str]]:
    """How many documents the store has, and what is wrong with them; their issuers are added to `rules`."""
    count, wrong, cursor = 0, list[str](), None
    while True:
        page = await opened.beside(lambda at=cursor: opened.stores.policies.list(limit=_PAGE, cursor=at))  # type: ignore[misc]
        for version in page.items:
            count += 1
            policy = parse(version.document, allow_private_issuers=subject.allow_private_issuers)
            if isinstance(policy, Policy):
                rules.extend(policy.issuers)
            else:
                wrong += [f"{version.tenant}#{fault.pointer}: {fault.detail}" for fault in policy]
        cursor = page.cursor
        if cursor is None:
            return count, wrong


def _folder(subject: Subject) -> tuple[list[Finding], list[IssuerRule]]:
    if subject.folder is None:
        return [], []
    try:
        folder = subject.folder()
    except TenantFolderError as error:
        return [_documents("tenants-folder", 0, [str(fault) for fault in error.faults])], []
    policies = [policy for tenant in folder.tenants if (policy := folder.get(tenant)) is not None]
    return [_documents("tenants-folder", len(policies), [])], [rule for policy in policies for rule in policy.issuers]


def _documents(check: str, count: int, wrong: Sequence[str]) -> Finding:
    if not wrong:
        return ok(check, f"All {count} documents are valid." if count else "There are no documents.")
    more = f" and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
    says = f"Documents are not valid, so these tenants are refused: {'; '.join(wrong[:_MOST_SHOWN])}{more}."
    return fail(check, says, "Mend each at the pointer that is named.")


async def issuers(subject: Subject, own: Sequence[IssuerRule]) -> list[Finding]:
    """Whether the keys of the operator's issuers, and of those that tenants name, can be had; each is asked once."""
    fetcher = HttpsFetcher(allow_private=subject.allow_private_issuers)
    rules = (*subject.operator_issuers, *subject.tenant_issuers, *own[:MOST_ISSUERS])
    sources = dict.fromkeys(jwks_source(rule) for rule in rules)
    return list(await asyncio.gather(*(asyncio.to_thread(_issuer, fetcher, source) for source in sources)))


def _issuer(fetcher: Fetcher, source: JwksSource) -> Finding:
    check = "issuer-keys"
    try:
        keys = load(fetcher, source, DEADLINE, time.monotonic)
    except JwtBaseError as error:
        remedy = (
            "Mend its address in the settings or the document, or the way there; tokens of it are refused meanwhile."
        )
        return fail(check, f"The keys of {source.issuer} can't be had: {error}.", remedy)
    if not keys.keys:
        return fail(check, f"{source.issuer} has no key that can verify a token.", "Let it publish signing keys.")
    return ok(check, f"{source.issuer} gives {len(keys.keys)} keys.")
