"""The last decisions of each tenant in DynamoDB; what is older than a week disappears by itself."""

import itertools
import json
import uuid
from collections.abc import Iterable
from typing import Final

from gateway.tenants.decisions import KEPT, Decision, canonical_members
from gateway.tenants.dynamodb.schema import TTL
from gateway.tenants.dynamodb.table import Table

_WEEK: Final = 604_800


class DynamoDecisionRing:
    """A `DecisionRing`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._writer = uuid.uuid4().hex[:12]
        self._number = itertools.count()

    def keep(self, decisions: Iterable[Decision]) -> None:
        """Keep these, in the order of their times and, at one moment, of their keeping by this process."""
        self._table.put_all(
            [
                {
                    "pk": f"decision#{each.tenant}",
                    "sk": f"{each.at:018.6f}#{next(self._number):012d}#{self._writer}",
                    "at": each.at,
                    "members": canonical_members(each),
                    TTL: round(each.at) + _WEEK,
                }
                for each in decisions
            ]
        )

    def last(self, tenant: str, limit: int = KEPT) -> tuple[Decision, ...]:
        """The tenant's last decisions, newest first."""
        size = min(max(limit, 0), KEPT)
        if not size:
            return ()
        found, _ = self._table.query("pk = :pk", {":pk": f"decision#{tenant}"}, limit=size, newest_first=True)
        return tuple(Decision(tenant=tenant, at=item["at"], members=json.loads(item["members"])) for item in found)
