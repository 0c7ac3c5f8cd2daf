"""Samples of tenants' usage in DynamoDB: one item a slot; old ones disappear by themselves."""

from collections.abc import Iterable
from dataclasses import asdict

from gateway.tenants.dynamodb.schema import TTL
from gateway.tenants.dynamodb.table import Item, Table
from gateway.tenants.ledger import Usage
from gateway.tenants.usage_history import KEPT_FOR, MOST, UsageSample, slot


class DynamoUsageHistory:
    """A `UsageHistory`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, samples: Iterable[UsageSample]) -> None:
        """Keep these, each in its slot's place."""
        placed = {(each.tenant, slot(each.at)): each for each in samples}  # one write takes no item twice
        self._table.put_all([_item(each) for each in placed.values()])

    def since(self, tenant: str, at: float) -> tuple[UsageSample, ...]:
        """The tenant's samples from this moment on, and the last one before; an answer of one page (1 MB)."""
        values: dict[str, object] = {":pk": f"history#{tenant}", ":slot": _sort(at)}
        before, _ = self._table.query("pk = :pk AND sk <= :slot", values, limit=2, newest_first=True)
        behind, _ = self._table.query("pk = :pk AND sk > :slot", values, limit=MOST)
        samples = [_sample(tenant, item) for item in (*reversed(before), *behind)]
        led = max((index for index, each in enumerate(samples) if each.at <= at), default=0)
        return tuple(samples[led:])


def _sort(at: float) -> str:
    return f"{slot(at):012d}"


def _item(sample: UsageSample) -> dict[str, object]:
    place = {"pk": f"history#{sample.tenant}", "sk": _sort(sample.at)}
    return {**place, "at": sample.at, **asdict(sample.usage), TTL: round(sample.at) + KEPT_FOR}


def _sample(tenant: str, item: Item) -> UsageSample:
    usage = Usage(
        bytes=item["bytes"],
        objects=item["objects"],
        reserved_bytes=item["reserved_bytes"],
        reserved_objects=item["reserved_objects"],
    )
    return UsageSample(tenant=tenant, at=item["at"], usage=usage)
