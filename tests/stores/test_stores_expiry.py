"""Reservations that nobody ended: S3 is looked at before their room is given away."""

import asyncio

import pytest

from gateway.policy.model import QuotaRule
from gateway.tenants.aside import Threads
from gateway.tenants.expiry import DueSettlement, settle_due
from gateway.tenants.ledger import QuotaExceeded, Reservation, Usage
from gateway.tenants.stores import Stores

NOW = 1_800_000_000.0


def _reserve(stores: Stores, number: int, *, lives: float = 0, size: int = 10, tenant: str = "acme") -> None:
    reservation = Reservation(
        id=f"r{number}", tenant=tenant, key=f"{tenant}/{number}", bytes=size, expires_at=NOW + lives
    )
    stores.ledger.reserve(reservation, QuotaRule())


def _end(stores: Stores, there: dict[str, int], *, silent: str = "", tenant: str | None = None) -> int:
    async def look(key: str) -> int | None:
        if key == silent:
            raise OSError("S3 does not answer")
        return there.get(key)

    aside = Threads(1)
    try:
        return asyncio.run(settle_due(stores.ledger, look, aside, clock=lambda: NOW, tenant=tenant))
    finally:
        aside.close()


def test_what_arrived_is_counted_and_what_did_not_is_released(stores: Stores) -> None:
    """What is not due yet stays."""
    for number, lives in ((1, -1), (2, 0), (3, 1)):
        _reserve(stores, number, lives=lives)
    assert _end(stores, {"acme/1": 7}) == 2
    assert stores.ledger.usage("acme") == Usage(bytes=7, objects=1, reserved_bytes=10, reserved_objects=1)


def test_what_s3_does_not_say_is_asked_again(stores: Stores) -> None:
    """The others are done, and the error is not swallowed."""
    for number in (1, 2):
        _reserve(stores, number)
    with pytest.raises(OSError, match="S3 does not answer"):
        _end(stores, {}, silent="acme/1")
    assert [each.id for each in stores.ledger.due(NOW, limit=9)] == ["r1"]
    assert _end(stores, {"acme/1": 3}) == 1
    assert stores.ledger.usage("acme") == Usage(bytes=3, objects=1)


def test_one_tenants_room_can_be_looked_for_alone(stores: Stores) -> None:
    """So that a refusal for quota can be tried again at once."""
    _reserve(stores, 1)
    _reserve(stores, 1, tenant="globex")
    another = Reservation(id="r2", tenant="acme", key="acme/2", bytes=5, expires_at=NOW + 9)
    assert isinstance(stores.ledger.reserve(another, QuotaRule(bytes=10)), QuotaExceeded)
    assert _end(stores, {}, tenant="acme") == 1
    assert not isinstance(stores.ledger.reserve(another, QuotaRule(bytes=10)), QuotaExceeded)
    assert stores.ledger.usage("globex").reserved_objects == 1


def test_somebody_is_told_of_each_that_ended(stores: Stores) -> None:
    """With what S3 holds under its key; also where a request asked for its tenant alone."""
    for number in (1, 2):
        _reserve(stores, number)
    told: dict[str, int | None] = {}

    async def look(key: str) -> int | None:
        return 7 if key == "acme/1" else None

    def tell(kept: Reservation, size: int | None) -> None:
        told[kept.key] = size

    aside = Threads(1)
    settlement = DueSettlement(stores.ledger, look, aside, clock=lambda: NOW, told=tell)

    async def go() -> int:
        return await settlement("acme")

    assert asyncio.run(go()) == 2
    aside.close()
    assert told == {"acme/1": 7, "acme/2": None}
