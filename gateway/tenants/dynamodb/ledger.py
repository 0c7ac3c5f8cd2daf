"""Reservations, usage and objects in DynamoDB: every verb that changes is one transaction over two or three items.

What a condition compares is `held_*`, stored and reserved together, because a condition can't add. Whatever a verb read
before (the reservation, the object's row) is a condition of its write: if it changed meanwhile, the verb looks again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.policy.model import QuotaRule
from gateway.tenants.dynamodb.schema import DUE, OWN_DUE, SHARDS, shard
from gateway.tenants.dynamodb.table import Conflict, Item, Table, deleting, putting, updating
from gateway.tenants.ledger import QuotaExceeded, Reservation, Reserved, StoredObject, Usage
from gateway.tenants.pages import Page, page_size

_MOVE = (
    "ADD bytes :bytes, objects :objects, reserved_bytes :reserved_bytes, reserved_objects :reserved_objects, "
    "held_bytes :held_bytes, held_objects :held_objects"
)


class DynamoLedger:
    """A `Ledger` and an `Inventory`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def reserve(self, reservation: Reservation, quota: QuotaRule) -> Reserved | QuotaExceeded:
        """Keep room, if it stays within the quota."""
        answer: Reserved | QuotaExceeded = self._table.decided(lambda: self._reserve(reservation, quota))
        return answer

    def settle(self, tenant: str, reservation_id: str, stored: StoredObject) -> Usage:
        """End the reservation, if it is still there, and count what S3 holds."""
        return self._count(tenant, reservation_id, stored.key, stored.bytes, stored.seen_at)

    def correct(self, tenant: str, key: str, size: int | None, seen_at: float) -> Usage:
        """Count `size` bytes under the key, None: no object."""
        return self._count(tenant, None, key, size, seen_at)

    def release(self, tenant: str, reservation_id: str) -> bool:
        """End a reservation of which nothing was stored."""

        def attempt() -> bool:
            kept = self._table.get(f"reservation#{tenant}", reservation_id)
            if kept is None:
                return False
            moved = _moving(tenant, (0, 0), (-kept["bytes"], -kept["objects"]))
            if self._table.transact([_ending(kept["pk"], kept["sk"]), moved]) is not None:
                raise Conflict
            return True

        return bool(self._table.decided(attempt))

    def due(self, now: float, *, limit: int, tenant: str | None = None) -> tuple[Reservation, ...]:
        """Reservations whose time is over, earliest first."""
        size = page_size(limit)
        found: list[Item] = []
        places = [(DUE, "due_pk", f"reservation#{number}") for number in range(SHARDS)]
        if tenant is not None:
            places = [(OWN_DUE, "pk", f"reservation#{tenant}")]
        for index, name, pk in places:
            values: dict[str, object] = {":pk": pk, ":now": now}
            items, _ = self._table.query(f"{name} = :pk AND due_at <= :now", values, limit=size, index=index)
            found += items
        earliest = sorted(found, key=lambda item: (item["due_at"], item["pk"], item["sk"]))
        return tuple(_reservation(item) for item in earliest[:size])

    def usage(self, tenant: str) -> Usage:
        """What is counted for the tenant now."""
        return _usage(self._table.get(f"usage#{tenant}", "usage"))

    def objects(self, tenant: str, *, limit: int, cursor: str | None = None) -> Page[StoredObject]:
        """The tenant's objects by key; the cursor is the key of the last one."""
        size = page_size(limit)
        condition, values = "pk = :pk", {":pk": f"object#{tenant}"}
        if cursor:
            condition, values = f"{condition} AND sk > :after", {**values, ":after": _name(tenant, cursor)}
        found, _ = self._table.query(condition, values, limit=size + 1)
        items = tuple(
            StoredObject(key=f"{tenant}/{item['sk']}", bytes=item["bytes"], seen_at=item["seen_at"])
            for item in found[:size]
        )
        return Page(items=items, cursor=items[-1].key if len(found) > size else None)

    def seen(self, tenant: str, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Those of the keys that there is an object under."""
        places = {(f"object#{tenant}", _name(tenant, key)): key for key in keys}
        found = self._table.get_all(list(places))
        return {
            places[place]: StoredObject(key=places[place], bytes=item["bytes"], seen_at=item["seen_at"])
            for place, item in found.items()
        }

    def repair(self, tenant: str, key: str, size: int | None, before: StoredObject | None) -> bool:
        """Count `size` bytes under the key, if its row is still `before`."""
        place = (f"object#{tenant}", _name(tenant, key))
        row = None if before is None else {"bytes": before.bytes, "seen_at": before.seen_at}
        grown = (size or 0) - (before.bytes if before else 0), (size is not None) - (before is not None)
        seeing = _seeing(place, row, size, 0.0 if before is None else before.seen_at)
        actions = [*seeing, _moving(tenant, grown, (0, 0))]
        return not seeing or self._table.decided(lambda: self._table.transact(actions)) is None

    def _reserve(self, reservation: Reservation, quota: QuotaRule) -> Reserved | QuotaExceeded:
        tenant = reservation.tenant
        of_usage, of_kept = (f"usage#{tenant}", "usage"), (f"reservation#{tenant}", reservation.id)
        found = self._table.get_all([of_usage, of_kept])
        usage = _usage(found.get(of_usage))
        if of_kept in found:
            return Reserved(usage=usage)
        exceeded = _exceeded(usage, reservation, quota)
        if exceeded is not None:
            return QuotaExceeded(what=exceeded, usage=usage, due_at=self._earliest(tenant))
        moved = _moving(tenant, (0, 0), (reservation.bytes, reservation.objects), _room(reservation, quota))
        if self._table.transact([moved, _keeping(reservation)]) is not None:
            raise Conflict  # the room or the id was taken meanwhile; the next look says which
        return Reserved(
            usage=Usage(
                bytes=usage.bytes,
                objects=usage.objects,
                reserved_bytes=usage.reserved_bytes + reservation.bytes,
                reserved_objects=usage.reserved_objects + reservation.objects,
            )
        )

    def _earliest(self, tenant: str) -> float | None:
        values: dict[str, object] = {":pk": f"reservation#{tenant}", ":zero": 0}
        found, _ = self._table.query("pk = :pk AND due_at >= :zero", values, limit=1, index=OWN_DUE)
        return found[0]["due_at"] if found else None

    def _count(self, tenant: str, reservation_id: str | None, key: str, size: int | None, seen_at: float) -> Usage:
        of_object = (f"object#{tenant}", _name(tenant, key))
        of_usage = (f"usage#{tenant}", "usage")
        of_kept = (f"reservation#{tenant}", reservation_id or "none")

        def attempt() -> Usage:
            found = self._table.get_all([of_object, of_usage, of_kept])
            before, kept = found.get(of_object), found.get(of_kept)
            freed = (-kept["bytes"], -kept["objects"]) if kept else (0, 0)
            actions = [_ending(*of_kept)] if kept else []
            grown = (0, 0)
            if before is None or before["seen_at"] <= seen_at:
                grown = ((size or 0) - (before["bytes"] if before else 0), (size is not None) - (before is not None))
                actions += _seeing(of_object, before, size, seen_at)
            if not actions:
                return _usage(found.get(of_usage))
            if self._table.transact([*actions, _moving(tenant, grown, freed)]) is not None:
                raise Conflict
            return _moved(_usage(found.get(of_usage)), grown, freed)

        usage: Usage = self._table.decided(attempt)
        return usage


def _name(tenant: str, key: str) -> str:
    """The key without the tenant's prefix, which every key of the tenant has."""
    return key.removeprefix(f"{tenant}/")


def _exceeded(usage: Usage, reservation: Reservation, quota: QuotaRule) -> str | None:
    if quota.bytes is not None and usage.bytes + usage.reserved_bytes + reservation.bytes > quota.bytes:
        return "bytes"
    if quota.objects is not None and usage.objects + usage.reserved_objects + reservation.objects > quota.objects:
        return "objects"
    return None


def _room(reservation: Reservation, quota: QuotaRule) -> tuple[str, dict[str, int]]:
    """The condition that there is room, and its values; a tenant that has used nothing was looked at before."""
    conditions, values = [], {}
    if quota.bytes is not None:
        conditions.append("held_bytes <= :most_bytes")
        values[":most_bytes"] = quota.bytes - reservation.bytes
    if quota.objects is not None:
        conditions.append("held_objects <= :most_objects")
        values[":most_objects"] = quota.objects - reservation.objects
    return (f"attribute_not_exists(pk) OR ({' AND '.join(conditions)})" if conditions else ""), values


def _moving(
    tenant: str, grown: tuple[int, int], reserved: tuple[int, int], room: tuple[str, Mapping[str, int]] = ("", {})
) -> dict[str, Any]:
    """The change of the tenant's usage, under the condition that there is room."""
    values = {
        ":bytes": grown[0],
        ":objects": grown[1],
        ":reserved_bytes": reserved[0],
        ":reserved_objects": reserved[1],
        ":held_bytes": grown[0] + reserved[0],
        ":held_objects": grown[1] + reserved[1],
    }
    return updating(f"usage#{tenant}", "usage", _MOVE, condition=room[0], values={**values, **room[1]})


def _moved(usage: Usage, grown: tuple[int, int], reserved: tuple[int, int]) -> Usage:
    return Usage(
        bytes=usage.bytes + grown[0],
        objects=usage.objects + grown[1],
        reserved_bytes=usage.reserved_bytes + reserved[0],
        reserved_objects=usage.reserved_objects + reserved[1],
    )


def _keeping(reservation: Reservation) -> dict[str, Any]:
    item: dict[str, object] = {
        "pk": f"reservation#{reservation.tenant}",
        "sk": reservation.id,
        "key": reservation.key,
        "bytes": reservation.bytes,
        "objects": reservation.objects,
        "due_pk": shard("reservation", reservation.tenant),
        "due_at": reservation.expires_at,
    }
    return putting(item, condition="attribute_not_exists(pk)")


def _ending(pk: str, sk: str) -> dict[str, Any]:
    return deleting(pk, sk, condition="attribute_exists(pk)")


def _seeing(place: tuple[str, str], before: Item | None, size: int | None, seen_at: float) -> "list[dict[str, Any]]":
    """Bring the object's row to what was seen, if it is still as it was."""
    unchanged = "attribute_not_exists(pk)" if before is None else "seen_at = :was_at AND bytes = :was"
    values: dict[str, object] = {} if before is None else {":was_at": before["seen_at"], ":was": before["bytes"]}
    if size is not None:
        item: dict[str, object] = {"pk": place[0], "sk": place[1], "bytes": size, "seen_at": seen_at}
        return [putting(item, condition=unchanged, values=values)]
    return [] if before is None else [deleting(place[0], place[1], condition=unchanged, values=values)]


def _usage(item: Item | None) -> Usage:
    if item is None:
        return Usage()
    return Usage(
        bytes=item["bytes"],
        objects=item["objects"],
        reserved_bytes=item["reserved_bytes"],
        reserved_objects=item["reserved_objects"],
    )


def _reservation(item: Item) -> Reservation:
    return Reservation(
        id=item["sk"],
        tenant=item["pk"].removeprefix("reservation#"),
        key=item["key"],
        bytes=item["bytes"],
        objects=item["objects"],
        expires_at=item["due_at"],
    )
