"""Calls to one DynamoDB table: plain values in and out, its errors translated here and nowhere else.

The client is boto3's (`boto`), or an edge function's own (`gateway.tenants.dynamodb.direct`). A condition that does not
hold is an answer, `Refused`, with the item that stood against it, so that nobody has to read again.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.tenants.dynamodb.schema import DEFINITION, TTL
from gateway.tenants.errors import StoreUnavailableError

Item = dict[str, Any]

MOST_TRIES: Final = 30
"""Times that a transaction is tried which others are in the way of."""

LONGEST_PAUSE: Final = 0.25
"""Seconds between two tries, at most; at random, so that those in each other's way part (full jitter)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A condition did not hold: `item` is what stood there (empty: nothing), `index` its place in the transaction."""

    item: Item
    index: int = 0


class AnswerError(Exception):
    """DynamoDB refused: its error's code, the item that a condition met, a reason for each action of a transaction."""

    def __init__(self, code: str, *, item: Mapping[str, Any] | None = None, reasons: Sequence[Any] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.item = item or {}
        self.reasons = reasons


class Client(Protocol):
    """DynamoDB's operations, with boto3's names and DynamoDB's members; safe for threads.

    Each raises `AnswerError` where DynamoDB refuses, and `StoreUnavailableError` where it does not answer.
    """

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        """An operation by its Python name."""
        ...


class Conflict(Exception):  # noqa: N818 - never leaves this room
    """Somebody else changed the same items at the same moment; trying again decides."""


class Table:
    """The table `name`; `sleep` and `chance` (0 to 1) are what a repeated transaction waits with."""

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep
        self._chance = chance

    def create(self) -> None:
        """Make the table, unless it is there; for tests and first steps, a deployment has its template."""
        with _translated():
            try:
                self._client.create_table(TableName=self._name, **DEFINITION)
            except AnswerError as error:  # a slow answer has the client ask twice, and the second is told this
                if error.code != "ResourceInUseException":
                    raise
            self._client.get_waiter("table_exists").wait(TableName=self._name)  # type: ignore[attr-defined]
            specification = {"Enabled": True, "AttributeName": TTL}
            self._client.update_time_to_live(TableName=self._name, TimeToLiveSpecification=specification)

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, as it is now."""
        with _translated():
            found = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True)
        return unpacked(found["Item"]) if "Item" in found else None

    def get_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        """At most 100 items, those that there are, by their keys."""
        asked = {self._name: {"Keys": [_key(pk, sk) for pk, sk in keys], "ConsistentRead": True}}
        found: dict[tuple[str, str], Item] = {}
        for _ in self._tries():
            if not keys or not asked:
                break
            with _translated():
                answer = self._client.batch_get_item(RequestItems=asked)
            items = (unpacked(item) for item in answer["Responses"].get(self._name, ()))
            found |= {(item["pk"], item["sk"]): item for item in items}
            asked = answer.get("UnprocessedKeys") or {}
        return found

    def query(
        self,
        condition: str,
        values: Mapping[str, object],
        *,
        limit: int,
        index: str | None = None,
        newest_first: bool = False,
        where: str | None = None,
    ) -> tuple[list[Item], bool]:
        """At most `limit` items of one partition in order, and whether there may be more."""
        options: dict[str, Any] = {"IndexName": index} if index else {"ConsistentRead": True}
        if where:
            options["FilterExpression"] = where
        with _translated():
            found = self._client.query(
                TableName=self._name,
                KeyConditionExpression=condition,
                ExpressionAttributeValues=packed(values),
                Limit=limit,
                ScanIndexForward=not newest_first,
                **options,
            )
        return [unpacked(item) for item in found["Items"]], "LastEvaluatedKey" in found

    def put(self, item: Mapping[str, object], *, condition: str, values: Mapping[str, object]) -> Refused | None:
        """Write an item if the condition holds."""
        answer = self._conditional("put_item", {"Item": packed(item)}, condition, values)
        return answer if isinstance(answer, Refused) else None

    def update(
        self,
        place: tuple[str, str],
        change: str,
        *,
        condition: str,
        values: Mapping[str, object],
        names: Mapping[str, str] | None = None,
    ) -> Item | Refused:
        """The item as it is changed, if the condition holds; `names` stand for words that DynamoDB keeps for itself."""
        body = {"Key": _key(*place), "UpdateExpression": change, "ReturnValues": "ALL_NEW"}
        if names:
            body["ExpressionAttributeNames"] = names
        answer = self._conditional("update_item", body, condition, values)
        return answer if isinstance(answer, Refused) else unpacked(answer["Attributes"])

    def delete(self, pk: str, sk: str, *, condition: str, values: Mapping[str, object]) -> Refused | None:
        """Delete an item if the condition holds."""
        answer = self._conditional("delete_item", {"Key": _key(pk, sk)}, condition, values)
        return answer if isinstance(answer, Refused) else None

    def put_all(self, items: Sequence[Mapping[str, object]]) -> None:
        """Write items, whatever was there."""
        for start in range(0, len(items), 25):
            asked: Any = {self._name: [{"PutRequest": {"Item": packed(item)}} for item in items[start : start + 25]]}
            for _ in self._tries():
                with _translated():
                    asked = self._client.batch_write_item(RequestItems=asked).get("UnprocessedItems")
                if not asked:
                    break

    def transact(self, actions: Sequence[dict[str, Any]]) -> Refused | None:
        """All of the actions or none; the first whose condition does not hold.

        Raises `Conflict` where another transaction on the same items was at work.
        """
        named = [{kind: {"TableName": self._name, **body} for kind, body in action.items()} for action in actions]
        try:
            with _translated():
                self._client.transact_write_items(TransactItems=named)
        except _Cancelled as cancelled:
            for index, reason in enumerate(cancelled.reasons):
                if reason.get("Code") == "ConditionalCheckFailed":
                    return Refused(item=unpacked(reason.get("Item", {})), index=index)
            raise Conflict from cancelled
        return None

    def decided(self, attempt: Callable[[], Any]) -> Any:
        """What `attempt` answers once no `Conflict` is in its way; `StoreUnavailableError` when that takes too long."""
        for _ in self._tries():
            try:
                return attempt()
            except Conflict:
                continue
        raise StoreUnavailableError("the store has too many changes of the same item")

    def _tries(self) -> Iterator[int]:
        """Numbers from 0, with a pause before each but the first that grows on average."""
        for number in range(MOST_TRIES):
            if number:
                self._sleep(self._chance() * min(LONGEST_PAUSE, 0.004 * 2**number))
            yield number

    def _conditional(
        self, operation: str, body: dict[str, Any], condition: str, values: Mapping[str, object]
    ) -> dict[str, Any] | Refused:
        call = getattr(self._client, operation)
        try:
            with _translated():
                answer: dict[str, Any] = call(TableName=self._name, **body, **_condition(condition, values))
        except _ConditionError as refused:
            return Refused(item=unpacked(refused.item))
        return answer


def putting(
    item: Mapping[str, object], *, condition: str = "", values: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """A transaction's Put."""
    return {"Put": {"Item": packed(item), **_condition(condition, values or {})}}


def updating(
    pk: str, sk: str, change: str, *, condition: str = "", values: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """A transaction's Update."""
    return {"Update": {"Key": _key(pk, sk), "UpdateExpression": change, **_condition(condition, values or {})}}


def deleting(pk: str, sk: str, *, condition: str = "", values: Mapping[str, object] | None = None) -> dict[str, Any]:
    """A transaction's Delete."""
    return {"Delete": {"Key": _key(pk, sk), **_condition(condition, values or {})}}


def packed(values: Mapping[str, object]) -> dict[str, Any]:
    """Plain values as DynamoDB writes them; None is left out."""
    return {name: _pack(value) for name, value in values.items() if value is not None}


def unpacked(item: Mapping[str, Any]) -> Item:
    """DynamoDB's values as plain ones."""
    return {name: _unpack(value) for name, value in item.items()}


def _pack(value: object) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case bytes():
            return {"B": value}
        case int() | float() if not isinstance(value, bool):
            return {"N": repr(value)}
    raise TypeError(f"a {type(value).__name__} is not kept as it is")


def _unpack(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    if kind != "N":
        return inner
    return int(inner) if inner.lstrip("-").isdigit() else float(inner)


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _condition(condition: str, values: Mapping[str, object]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if condition:
        options = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if values:
        options["ExpressionAttributeValues"] = packed(values)
    return options


class _ConditionError(Exception):
    """A single write's condition did not hold."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        super().__init__()
        self.item = item


class _Cancelled(Exception):  # noqa: N818 - never leaves this module
    """A transaction was cancelled; a reason for each of its actions."""

    def __init__(self, reasons: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.reasons = reasons


_IN_THE_WAY: Final = ("TransactionConflictException", "TransactionInProgressException")


@contextmanager
def _translated() -> Iterator[None]:
    """DynamoDB's errors as ours (DynamoDB API reference, "Common errors" and each operation's)."""
    try:
        yield
    except AnswerError as error:
        if error.code == "ConditionalCheckFailedException":
            raise _ConditionError(error.item) from error
        if error.code == "TransactionCanceledException":
            raise _Cancelled(error.reasons) from error
        if error.code in _IN_THE_WAY:
            raise Conflict from error
        raise StoreUnavailableError(f"the store does not answer ({error.code})") from error
