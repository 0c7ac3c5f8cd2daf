"""What an operator does with tenants, whatever the way it was asked: documents that change safely.

Owns when a change is accepted: the document is valid, it agrees with what else is in force, and it was made against
the state that is there. Knows no HTTP; a refusal is a value. A change, its line in the audit and what goes with it are
one step where the store can (`together`); where it can't, they follow each other in an order that a crash between any
two leaves safe.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from gateway.policy.document import parse, render
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.policy.problems import Code, Fault, Refusal
from gateway.tenants.audit import AuditLog, AuditRecord
from gateway.tenants.errors import CursorError
from gateway.tenants.identifiers import digest
from gateway.tenants.keys import ApiKeyStore
from gateway.tenants.merge_patch import merged
from gateway.tenants.pages import Page, page_size
from gateway.tenants.policies import Change, Conflict, PolicyStore, PolicyVersion
from gateway.tenants.protocol import IssuerDirectory, shared_without_claim

Result = TypeVar("Result")

NOT_FOUND: Final = Refusal(code=Code.NOT_FOUND, detail="There is no such tenant.")
ETAG_NEEDED: Final = Refusal(
    code=Code.PRECONDITION_REQUIRED,
    detail="Say which state the change was made against: If-Match with the tenant's etag, as GET answers it.",
)
CHANGED: Final = Refusal(
    code=Code.PRECONDITION_FAILED,
    detail="The tenant is not in the state that the change was made against; GET it again.",
)


class Together(Protocol):
    """Runs a call so that all that it writes is written or none of it, where the stores can."""

    def __call__(self, call: Callable[[], Result]) -> Result:
        """What `call` answers."""
        ...


def plainly(call: Callable[[], Result]) -> Result:
    """A `Together` for stores without transactions: one write after the other."""
    return call()


class KeptPolicies(IssuerDirectory, Protocol):
    """Policies that somebody else keeps (files in a repository): in force, and not changed from here."""

    @property
    def tenants(self) -> tuple[str, ...]:
        """Their ids, sorted."""
        ...

    def get(self, tenant: str) -> Policy | None:
        """The policy in force."""
        ...


class NothingKept:
    """A deployment whose tenants are all in the store."""

    tenants: tuple[str, ...] = ()

    def get(self, tenant: str) -> Policy | None:
        """None."""
        del tenant
        return None

    def issuers(self, issuer: str) -> tuple[tuple[TenantId, IssuerRule], ...]:
        """Nobody."""
        del issuer
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Who asks for a change, in which request, and why in their own words."""

    issuer: str
    subject: str
    request_id: str
    reason: str = ""

    @property
    def by(self) -> str:
        """The operator as the history names it: unique, for a subject is so within its issuer only."""
        return f"{self.issuer}#{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Against which state a change was made: one of `etags`, or none at all (`absent`); or nothing was said."""

    etags: tuple[str, ...] | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant as it is in force: its document with every default filled in; `version` 0 is one kept in a file."""

    document: dict[str, Any]
    etag: str
    version: int
    created: bool = False

    @property
    def read_only(self) -> bool:
        """Whether it is kept in a file, and so is not changed from here."""
        return self.version == 0


@dataclass(frozen=True, slots=True)
class _Made:
    """A version that was written, whether its tenant is new, and the keys that ended with it."""

    version: PolicyVersion
    created: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSettings:
    """What the operator's settings say about documents.

    `shared_issuers` are the operator's own, for tenants or for operators; no tenant can have one for itself.
    """

    allow_private_issuers: bool
    shared_issuers: Sequence[IssuerRule] = ()


class TenantService:
    """Tenants' documents and their history. Every verb may raise `StoreUnavailableError`."""

    def __init__(
        self,
        *,
        policies: PolicyStore,
        keys: ApiKeyStore,
        audit: AuditLog,
        directory: IssuerDirectory,
        settings: DocumentSettings,
        clock: Callable[[], float],
        together: Together = plainly,
        kept: KeptPolicies | None = None,
        on_change: Callable[[PolicyVersion], None] | None = None,
        on_key_change: Callable[[str], None] | None = None,
    ) -> None:
        """`directory` says who believes an issuer now, in the store and elsewhere; `clock` gives epoch seconds.

        `on_change` is told of every version once it is in force, `on_key_change` the id of every key that ended with
        its tenant: caches and publishers listen there.
        """
        self._policies = policies
        self._keys = keys
        self._audit = audit
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._together = together
        self._kept = kept or NothingKept()
        self._on_change = on_change or (lambda _: None)
        self._on_key_change = on_key_change or (lambda _: None)

    def list(self, *, limit: int, cursor: str | None = None) -> Page[Tenant]:
        """All tenants: those kept in files, then those of the store, each by id; raises `CursorError`.

        A page may be shorter than `limit` while there is a next one.
        """
        place, _, after = (cursor or "files:").partition(":")
        if place == "files":
            return self._list_kept(page_size(limit), after)
        if place != "store":
            raise CursorError("the cursor is not one of this listing")
        page = self._policies.list(limit=limit, cursor=after or None)
        kept = frozenset(self._kept.tenants)
        items = tuple(_tenant(version) for version in page.items if version.tenant not in kept)
        return Page(items=items, cursor=None if page.cursor is None else f"store:{page.cursor}")

    def _list_kept(self, size: int, after: str) -> Page[Tenant]:
        rest = [tenant for tenant in self._kept.tenants if tenant > after]
        items = tuple(kept for tenant in rest[:size] if (kept := self._kept_tenant(tenant)) is not None)
        if len(rest) > size:
            return Page(items=items, cursor=f"files:{rest[size - 1]}")
        if len(items) == size:
            return Page(items=items, cursor="store:")
        stored = self.list(limit=size - len(items), cursor="store:")
        return Page(items=(*items, *stored.items), cursor=stored.cursor)

    def get(self, tenant: str) -> Tenant | Refusal:
        """The tenant in force."""
        kept = self._kept_tenant(tenant)
        if kept is not None:
            return kept
        version = self._policies.get(tenant)
        return NOT_FOUND if version is None else _tenant(version)

    def check(self, tenant: str, document: object) -> Policy | Refusal:
        """The policy that a document for this tenant would be, or all that is wrong with it; changes nothing."""
        policy = self._read(tenant, document)
        return policy if isinstance(policy, Refusal) else self._sharing_refusal(policy) or policy

    def put(self, tenant: str, document: object, condition: Condition, operation: Operation) -> Tenant | Refusal:
        """Put a document in force: a new tenant's, or in the place of the one that `condition` names."""
        policy = self._writable(tenant) or self._read(tenant, document)
        if isinstance(policy, Refusal):
            return policy

        def change() -> _Made | Refusal:
            current = self._policies.get(tenant)
            refused = unmet(condition, current)
            if refused is not None:
                return refused
            return self._write(policy, current, "tenant.create" if current is None else "tenant.replace", operation)

        return self._changed(change)

    def patch(self, tenant: str, patch: object, condition: Condition, operation: Operation) -> Tenant | Refusal:
        """Change a part of the document (`gateway.tenants.merge_patch`); faults point into what would be the result."""

        def document(current: PolicyVersion) -> object:
            return merged(current.document, patch)

        return self._replace(tenant, document, condition, "tenant.patch", operation)

    def rollback(self, tenant: str, number: int, condition: Condition, operation: Operation) -> Tenant | Refusal:
        """Put the document of an earlier version in force again, as a new version."""

        def document(current: PolicyVersion) -> object:
            version = self._policies.version(current.tenant, number)
            if version is None or version.text is None:
                return invalid("The tenant can't go back there.", Fault("/version", "there is no such document"))
            return version.document

        return self._replace(tenant, document, condition, "tenant.rollback", operation)

    def delete(self, tenant: str, condition: Condition, operation: Operation) -> Refusal | None:
        """End the tenant and all of its API keys, which would otherwise open a later tenant of its name."""

        def change() -> _Made | Refusal:
            current = self._policies.get(tenant)
            refused = self._writable(tenant) or _unmet_by(condition, current)
            if refused is not None or current is None:
                return refused or NOT_FOUND
            made = self._policies.delete(tenant, current.etag, self._change(operation))
            if isinstance(made, Conflict):
                return CHANGED
            keys = self._forget_keys(tenant)
            self._record("tenant.delete", tenant, made.version, operation)
            return _Made(made, keys=keys)

        ended = self._changed(change)
        return ended if isinstance(ended, Refusal) else None

    def history(self, tenant: str, *, limit: int, cursor: str | None = None) -> Page[PolicyVersion] | Refusal:
        """All versions, newest first, deletions too; a deleted tenant still has one. Raises `CursorError`."""
        page = self._policies.history(tenant, limit=limit, cursor=cursor)
        known = page.items or cursor is not None or tenant in self._kept.tenants
        return page if known else NOT_FOUND

    def refused(self, operation: Operation, code: Code) -> None:
        """Keep in the audit that an operator's valid token was not enough."""
        self._audit.append([audited(operation, self._clock(), "admin", outcome="refused", rule=str(code))])

    # How a change is made

    def _replace(
        self,
        tenant: str,
        document: Callable[[PolicyVersion], object],
        condition: Condition,
        action: str,
        operation: Operation,
    ) -> Tenant | Refusal:
        def change() -> _Made | Refusal:
            current = self._policies.get(tenant)
            refused = self._writable(tenant) or _unmet_by(condition, current)
            if refused is not None or current is None:
                return refused or NOT_FOUND
            wanted = document(current)
            policy = wanted if isinstance(wanted, Refusal) else self._read(tenant, wanted)
            return policy if isinstance(policy, Refusal) else self._write(policy, current, action, operation)

        return self._changed(change)

    def _changed(self, change: Callable[[], _Made | Refusal]) -> Tenant | Refusal:
        """The change made in one step, and told when it is in force."""
        made = self._together(change)
        if isinstance(made, Refusal):
            return made
        self._on_change(made.version)
        for key in made.keys:
            self._on_key_change(key)
        return _tenant(made.version, created=made.created)

    def _write(
        self, policy: Policy, current: PolicyVersion | None, action: str, operation: Operation
    ) -> _Made | Refusal:
        """The next version, if the present one is still `current`."""
        shared = self._sharing_refusal(policy)
        if shared is not None:
            return shared
        document, change = render(policy), self._change(operation)
        keys: tuple[str, ...] = ()
        if current is None:
            keys = self._forget_keys(policy.tenant)  # a crash may have left them when a tenant of this name was deleted
            made = self._policies.create(policy.tenant, document, change)
        else:
            made = self._policies.replace(policy.tenant, current.etag, document, change)
        if isinstance(made, Conflict):
            return CHANGED
        self._record(action, policy.tenant, made.version, operation)
        return _Made(made, created=current is None, keys=keys)

    def _read(self, tenant: str, document: object) -> Policy | Refusal:
        """The policy of the document, which must be this tenant's."""
        policy = parse(document, allow_private_issuers=self._settings.allow_private_issuers)
        faults = () if isinstance(policy, Policy) else policy
        if isinstance(policy, Policy):
            faults = (*_other_tenant(policy, tenant), *self._taken(policy))
            if not faults:
                return policy
        return invalid("The tenant's document is not valid.", *faults)

    def _taken(self, policy: Policy) -> tuple[Fault, ...]:
        """The issuers that are the operator's own: a tenant's entry for one would never be asked."""
        own = {rule.issuer for rule in self._settings.shared_issuers}
        return tuple(
            Fault(f"/issuers/{index}/issuer", "this issuer is the operator's own, and no tenant's")
            for index, rule in enumerate(policy.issuers)
            if rule.issuer in own
        )

    def _sharing_refusal(self, policy: Policy) -> Refusal | None:
        """What is wrong with the issuers that other tenants name, too."""
        faults = [fault for index in range(len(policy.issuers)) for fault in self._sharing_faults(policy, index)]
        return invalid("The tenant's document is not valid.", *faults) if faults else None

    def _sharing_faults(self, policy: Policy, index: int) -> tuple[Fault, ...]:
        rule = policy.issuers[index]
        others = tuple(entry for entry in self._directory.issuers(rule.issuer) if entry[0] != policy.tenant)
        careless = shared_without_claim((*others, (policy.tenant, rule)))
        if policy.tenant in careless:
            detail = "another tenant names this issuer too, so both must name the claim that tells whose a token is"
            return (Fault(f"/issuers/{index}/tenant_claim", detail),)
        if careless:
            return (Fault(f"/issuers/{index}/issuer", "another tenant names this issuer for itself alone"),)
        return ()

    def _writable(self, tenant: str) -> Refusal | None:
        if self._kept.get(tenant) is None:
            return None
        return Refusal(
            code=Code.METHOD_NOT_ALLOWED,
            detail="This tenant is kept in a file, which is where it can be changed.",
            headers=(("allow", "GET"),),
        )

    def _kept_tenant(self, tenant: str) -> Tenant | None:
        policy = self._kept.get(tenant)
        if policy is None:
            return None
        document = render(policy)
        return Tenant(document=document, etag=f"file-{digest(json.dumps(document, sort_keys=True))[:16]}", version=0)

    def _forget_keys(self, tenant: str) -> tuple[str, ...]:
        return tuple(key.id for key in self._keys.list(tenant) if self._keys.revoke(tenant, key.id))

    def _change(self, operation: Operation) -> Change:
        return Change(at=self._clock(), by=operation.by, reason=operation.reason)

    def _record(self, action: str, tenant: str, version: int, operation: Operation) -> None:
        record = audited(operation, self._clock(), action, tenant=tenant, policy_version=version)
        self._audit.append([record])


def invalid(detail: str, *faults: Fault) -> Refusal:
    """A `request-invalid` with these faults."""
    return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=faults)


def unmet(condition: Condition, current: PolicyVersion | Tenant | None) -> Refusal | None:
    """Why a PUT may not happen in this state (RFC 9110 section 13.1): both are fine only for a tenant that is new."""
    if current is None:
        return CHANGED if condition.etags is not None else None
    return CHANGED if condition.absent else _unmet_by(condition, current)


def _unmet_by(condition: Condition, current: PolicyVersion | Tenant | None) -> Refusal | None:
    """Why a change of an existing tenant may not happen in this state."""
    if current is None:
        return NOT_FOUND
    if condition.etags is None:
        return ETAG_NEEDED
    return None if current.etag in condition.etags else CHANGED


def _other_tenant(policy: Policy, tenant: str) -> list[Fault]:
    return [] if policy.tenant == tenant else [Fault("/tenant", "this must be the tenant that the path names")]


def _tenant(version: PolicyVersion, *, created: bool = False) -> Tenant:
    return Tenant(document=_filled(version), etag=version.etag, version=version.version, created=created)


def _filled(version: PolicyVersion) -> dict[str, Any]:
    """The version's document in the contract's order, with the defaults that an older gateway did not know."""
    document = version.document or {}
    policy = parse(document, allow_private_issuers=True)
    return render(policy) if isinstance(policy, Policy) else document


def audited(operation: Operation, at: float, action: str, *, outcome: str = "changed", **known: Any) -> AuditRecord:
    """A line about what this operator did."""
    return AuditRecord(
        at=at,
        request_id=operation.request_id,
        action=action,
        outcome=outcome,
        issuer=operation.issuer,
        subject=operation.subject,
        reason=operation.reason or None,
        **known,
    )
