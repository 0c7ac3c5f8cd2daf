"""Policies with history in DynamoDB: a change is one transaction, decided by the number of the version it replaces."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.tenants.dynamodb.table import Conflict as InTheWay
from gateway.tenants.dynamodb.table import Item, Table, deleting, putting
from gateway.tenants.identifiers import digest
from gateway.tenants.pages import MAX_PAGE, Page, number_cursor, page_size
from gateway.tenants.policies import Change, Conflict, PolicyVersion, issuers_of, next_version

_MOST_INDEXED: Final = 96
"""Issuers added or taken off in one transaction of 100 actions (API reference, TransactWriteItems)."""


class DynamoPolicies:
    """A `PolicyStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str) -> PolicyVersion | None:
        """The version in force."""
        return _in_force(self._table.get(f"policy#{tenant}", "now"))

    def create(self, tenant: str, document: Mapping[str, Any], change: Change) -> PolicyVersion | Conflict:
        """Put the first version in force, or the first after a deletion."""
        return self._change(tenant, None, document, change)

    def replace(self, tenant: str, etag: str, document: Mapping[str, Any], change: Change) -> PolicyVersion | Conflict:
        """Put the next version in force, if the present one has this etag."""
        return self._change(tenant, etag, document, change)

    def delete(self, tenant: str, etag: str, change: Change) -> PolicyVersion | Conflict:
        """End the tenant, if the present version has this etag."""
        return self._change(tenant, etag, None, change)

    def list(self, *, limit: int, cursor: str | None = None) -> Page[PolicyVersion]:
        """The tenants that exist, by id."""
        size = page_size(limit)
        after = {"condition": "pk = :pk", "values": {":pk": "tenants"}}
        if cursor:
            after = {"condition": "pk = :pk AND sk > :sk", "values": {":pk": "tenants", ":sk": cursor}}
        found, _ = self._table.query(**after, limit=size + 1)  # type: ignore[arg-type]
        names = [item["sk"] for item in found[:size]]
        return Page(items=self._in_force(names), cursor=names[-1] if len(found) > size else None)

    def history(self, tenant: str, *, limit: int, cursor: str | None = None) -> Page[PolicyVersion]:
        """All versions, newest first; the cursor is the number of the last one seen."""
        size = page_size(limit)
        before = number_cursor(cursor)
        last = "v#~" if before is None else _numbered(max(before - 1, 0))
        found, _ = self._table.query(
            "pk = :pk AND sk BETWEEN :first AND :last",
            {":pk": f"policy#{tenant}", ":first": _numbered(0), ":last": last},
            limit=size + 1,
            newest_first=True,
        )
        items = tuple(_version(item) for item in found[:size])
        return Page(items=items, cursor=str(items[-1].version) if len(found) > size else None)

    def version(self, tenant: str, number: int) -> PolicyVersion | None:
        """One version of the history."""
        item = self._table.get(f"policy#{tenant}", _numbered(number)) if number > 0 else None
        return None if item is None else _version(item)

    def believers(self, issuer: str) -> tuple[str, ...]:
        """The tenants whose document in force names this issuer."""
        believing: list[str] = []
        after, more = " ", True
        while more:
            values = {":pk": f"issuer#{digest(issuer)}", ":after": after}
            found, more = self._table.query("pk = :pk AND sk > :after", values, limit=MAX_PAGE)
            versions = self._in_force([item["sk"] for item in found])
            believing += [each.tenant for each in versions if issuer in issuers_of(each.document)]
            after = found[-1]["sk"] if found else after
        return tuple(believing)

    def _in_force(self, tenants: Sequence[str]) -> tuple[PolicyVersion, ...]:
        items = self._table.get_all([(f"policy#{tenant}", "now") for tenant in tenants])
        versions = (_in_force(items.get((f"policy#{tenant}", "now"))) for tenant in tenants)
        return tuple(version for version in versions if version is not None)

    def _change(
        self, tenant: str, etag: str | None, document: Mapping[str, Any] | None, change: Change
    ) -> PolicyVersion | Conflict:
        def attempt() -> PolicyVersion | Conflict:
            item = self._table.get(f"policy#{tenant}", "now")
            current = _in_force(item)
            if (current.etag if current else None) != etag:
                return Conflict(current=current)
            made = next_version(tenant, item["version"] if item else 0, document, change)
            if self._table.transact(_actions(made, current, item)) is not None:
                raise InTheWay  # somebody was faster; the next look says who
            return made

        answer: PolicyVersion | Conflict = self._table.decided(attempt)
        return answer


def _actions(made: PolicyVersion, current: PolicyVersion | None, item: Item | None) -> "list[dict[str, Any]]":
    pk = f"policy#{made.tenant}"
    unchanged = "attribute_not_exists(pk)" if item is None else "version = :before"
    before: dict[str, object] = {} if item is None else {":before": item["version"]}
    actions = [
        putting({"pk": pk, "sk": "now", **_members(made)}, condition=unchanged, values=before),
        putting({"pk": pk, "sk": _numbered(made.version), **_members(made)}, condition="attribute_not_exists(pk)"),
    ]
    if made.text is None:
        actions.append(deleting("tenants", made.tenant))
    elif current is None:
        actions.append(putting({"pk": "tenants", "sk": made.tenant}))
    was, becomes = (set(issuers_of(each.document)) if each else set() for each in (current, made))
    indexed = [putting({"pk": f"issuer#{digest(each)}", "sk": made.tenant}) for each in sorted(becomes - was)]
    indexed += [deleting(f"issuer#{digest(each)}", made.tenant) for each in sorted(was - becomes)]
    return actions + indexed[:_MOST_INDEXED]  # what is not taken off is not believed: `believers` asks the documents


def _numbered(number: int) -> str:
    return f"v#{number:012d}"


def _members(made: PolicyVersion) -> dict[str, object]:
    return {
        "tenant": made.tenant,
        "version": made.version,
        "etag": made.etag,
        "at": made.at,
        "by": made.by,
        "reason": made.reason,
        "document": made.text,
    }


def _in_force(item: Item | None) -> PolicyVersion | None:
    return None if item is None or "document" not in item else _version(item)


def _version(item: Item) -> PolicyVersion:
    return PolicyVersion(
        tenant=item["tenant"],
        version=item["version"],
        etag=item["etag"],
        at=item["at"],
        by=item["by"],
        reason=item["reason"],
        text=item.get("document"),
    )
