"""Token buckets in DynamoDB: one conditional write a token, two where the bucket is not full.

A condition can't take the later of two times, so there are two forms: of a bucket that is full (or new), and of one
that is not. The first is tried first; its refusal says how full the bucket is, and so whether the second is worth it.
"""

from gateway.policy.model import RateRule
from gateway.tenants.dynamodb.schema import TTL
from gateway.tenants.dynamodb.table import Conflict, Refused, Table
from gateway.tenants.rate import SECOND, Taken, Terms, TryLater


class DynamoRateBuckets:
    """A `RateBuckets`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def take(self, bucket: str, rule: RateRule, now: float) -> Taken | TryLater:
        """Take one token."""
        terms = Terms.of(rule, now)
        answer: Taken | TryLater = self._table.decided(lambda: self._take(f"rate#{bucket}", terms))
        return answer

    def level(self, bucket: str, rule: RateRule, now: float) -> Taken:
        """What is left, without taking."""
        terms = Terms.of(rule, now)
        item = self._table.get(f"rate#{bucket}", "rate")
        return terms.taken(terms.now if item is None else item["full_at"])

    def _take(self, pk: str, terms: Terms) -> Taken | TryLater:
        full_at = terms.now + terms.interval
        item = {"pk": pk, "sk": "rate", "full_at": full_at, TTL: full_at // SECOND + 86_400}
        is_full = "attribute_not_exists(pk) OR full_at <= :now"
        refused = self._table.put(item, condition=is_full, values={":now": terms.now})
        if refused is None:
            return terms.taken(full_at)
        if refused.item["full_at"] > terms.latest:
            return terms.later(refused.item["full_at"])
        return self._take_more(pk, terms, refused.item["full_at"])

    def _take_more(self, pk: str, terms: Terms, full_at: int) -> Taken | TryLater:
        """Of a bucket that is not full; others may take meanwhile, as long as a token is left."""
        change = "SET full_at = full_at + :interval, #ttl = :ttl"
        values = {":interval": terms.interval, ":now": terms.now, ":latest": terms.latest}
        answer = self._table.update(
            (pk, "rate"),
            change,
            condition="full_at BETWEEN :now AND :latest",
            values={**values, ":ttl": full_at // SECOND + 86_400},
            names={"#ttl": TTL},
        )
        if not isinstance(answer, Refused):
            return terms.taken(answer["full_at"])
        if answer.item and answer.item["full_at"] > terms.latest:
            return terms.later(answer.item["full_at"])
        raise Conflict  # it became full, or its item was deleted, in between
