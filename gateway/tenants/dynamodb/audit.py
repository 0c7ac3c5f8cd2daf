"""The audit's chains in DynamoDB: a line's number is its key, so that two writers can't both write line n.

Writers to one chain wait for each other; give every instance a chain of its own. The policy that the writers run under
should allow no DeleteItem and UpdateItem on keys that begin with `audit` (condition `dynamodb:LeadingKeys`).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from gateway.tenants.audit import MAIN, AuditRecord, Head, chained
from gateway.tenants.dynamodb.table import Conflict, Table, putting

_PAGE: Final = 100


class DynamoAuditLog:
    """An `AuditLog`; remembers the ends of the chains that it wrote to."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._heads: dict[str, Head] = {}
        self._doubted: dict[str, Head] = {}

    def append(self, records: Sequence[AuditRecord], *, chain: str = MAIN) -> Head:
        """Write the records behind the chain's last line."""

        def attempt() -> Head:
            doubted = self._doubted.get(chain)
            before, rest = self._known(chain, doubted, records)
            if not rest:
                self._doubted.pop(chain, None)
                return before
            head, actions = _lines(rest, before, chain)
            self._doubted[chain] = doubted or before
            try:
                written = self._table.transact(actions) is None
            except Conflict:
                written = False
            del self._doubted[chain]  # the store has answered
            if not written:
                raise Conflict
            return head

        if not records:
            return self.head(chain=chain)
        head: Head = self._table.decided(attempt)
        self._heads[chain] = head
        return head

    def _known(
        self, chain: str, doubted: Head | None, records: Sequence[AuditRecord]
    ) -> tuple[Head, Sequence[AuditRecord]]:
        """The chain's end, and those of the records that are not behind it yet.

        After a write that the store did not answer the same records come again, and their lines are the same behind
        the same end: what stands there already is not written twice.
        """
        known = self._heads.pop(chain, None)
        if doubted is None:
            return known or self.head(chain=chain), records
        there, count, head = list(islice(self.lines(chain=chain, after=doubted.seq), _PAGE)), 0, doubted
        for line, record in zip(there, records, strict=False):
            expected, end = chained(record, head)
            if line != expected:
                break
            count, head = count + 1, end
        return (head if count == len(there) else self.head(chain=chain)), records[count:]

    def lines(self, *, chain: str = MAIN, after: int = 0) -> Iterator[str]:
        """The chain's lines in order."""
        more = True
        while more:
            values = {":pk": f"audit#{chain}", ":after": _numbered(after)}
            found, more = self._table.query("pk = :pk AND sk > :after", values, limit=_PAGE)
            for item in found:
                yield item["line"]
            after = int(found[-1]["sk"]) if found else after

    def head(self, *, chain: str = MAIN) -> Head:
        """The chain's end."""
        found, _ = self._table.query("pk = :pk", {":pk": f"audit#{chain}"}, limit=1, newest_first=True)
        return Head(seq=int(found[0]["sk"]), hash=found[0]["hash"]) if found else Head()

    def chains(self) -> tuple[str, ...]:
        """The chains that there are."""
        names: list[str] = []
        more = True
        while more:
            values = {":pk": "audits", ":after": names[-1] if names else " "}
            found, more = self._table.query("pk = :pk AND sk > :after", values, limit=_PAGE)
            names += [item["sk"] for item in found]
        return tuple(names)


def _lines(records: Sequence[AuditRecord], head: Head, chain: str) -> "tuple[Head, list[dict[str, Any]]]":
    """The end that the records make, and the writes of their lines."""
    actions = [putting({"pk": "audits", "sk": chain})] if head.seq == 0 else []
    for record in records:
        line, head = chained(record, head)
        item = {"pk": f"audit#{chain}", "sk": _numbered(head.seq), "hash": head.hash, "line": line}
        actions.append(putting(item, condition="attribute_not_exists(pk)"))
    return head, actions


def _numbered(seq: int) -> str:
    return f"{seq:015d}"
