"""Idempotency keys in DynamoDB: a claim is one conditional write, and who loses it is told what stood there."""

from typing import Final

from gateway.tenants.dynamodb.schema import TTL
from gateway.tenants.dynamodb.table import Refused, Table
from gateway.tenants.idempotency import LEASE, LIFE, Answered, BeingWorkedOn, Claim, Claimed, OtherRequest
from gateway.tenants.identifiers import digest as short

_NOBODY_HAS_IT: Final = "attribute_not_exists(pk)"
_ITS_DAY_IS_OVER: Final = "expires_at <= :now"
_ITS_WORKER_DIED: Final = "request_digest = :digest AND attribute_not_exists(answered) AND lease_until <= :now"
_FREE: Final = f"{_NOBODY_HAS_IT} OR {_ITS_DAY_IS_OVER} OR ({_ITS_WORKER_DIED})"
_MINE: Final = "claim_token = :token AND attribute_not_exists(answered)"


class DynamoIdempotency:
    """An `IdempotencyStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim(self, scope: str, key: str, *, digest: str, token: str, now: float) -> Claim:
        """Take the key for the request of this digest."""
        item = {
            "pk": _place(scope, key),
            "sk": "claim",
            "request_digest": digest,
            "claim_token": token,
            "lease_until": now + LEASE,
            "expires_at": now + LIFE,
            TTL: round(now + LIFE) + 3_600,
        }
        refused = self._table.put(item, condition=_FREE, values={":now": now, ":digest": digest})
        if refused is None:
            return Claimed(token=token)
        if refused.item["request_digest"] != digest:
            return OtherRequest()
        if "answered" in refused.item:
            return Answered(answer=refused.item["answered"])
        return BeingWorkedOn(until=refused.item["lease_until"])

    def answer(self, scope: str, key: str, *, token: str, answer: bytes) -> bool:
        """Keep the answer."""
        values = {":token": token, ":answer": answer}
        change = "SET answered = :answer"
        done = self._table.update((_place(scope, key), "claim"), change, condition=_MINE, values=values)
        return not isinstance(done, Refused)

    def forget(self, scope: str, key: str, *, token: str) -> None:
        """Give the claim back."""
        self._table.delete(_place(scope, key), "claim", condition=_MINE, values={":token": token})


def _place(scope: str, key: str) -> str:
    return f"claim#{short(scope, key)}"
