"""Rate and quota, taken in one step and told what became of the upload; on a real SQLite store."""

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.admission import Admission, Admitted
from gateway.allowance import MARGIN, SLOWEST, Allowance, Caller, Room, over_by
from gateway.intake import RawRequest
from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import (
    Backend,
    Carriage,
    Intent,
    Minted,
    Policy,
    Principal,
    QuotaRule,
    RateRule,
    TenantId,
)
from gateway.policy.problems import Code, Refusal
from gateway.tenants.expiry import DueSettlement
from gateway.tenants.ledger import Ledger, Reservation
from gateway.tenants.stores import Stores, open_sqlite

Result = TypeVar("Result")

NOW = 1_795_000_000.0
PRINCIPAL = Principal(tenant="acme", issuer="https://issuer", subject="s", scopes=frozenset({"files:write"}))
POLICY = Policy(tenant=TenantId("acme"), types={"*/*": ()}, overwrite=True)


async def at_once(call: Callable[[], Result]) -> Result:
    """An `Aside` that waits for nobody."""
    return call()


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return open_sqlite(tmp_path / "gateway.sqlite")


def allowance(stores: Stores, ledger: Ledger | None = None) -> Allowance:
    return Allowance(rates=stores.rates, ledger=ledger or stores.ledger, aside=at_once, clock=lambda: NOW)


def grant(size: int = 10, name: str = "a", backend: Backend = Backend.PROXY) -> Grant:
    intent = Intent(
        carriage=Carriage(backend=backend),
        name=name,
        size=size,
        content_type=None,
        checksum=None,
        create_only=False,
        metadata=(),
        object_headers=(),
        minted=Minted(at=NOW, uuid="u"),
    )
    outcome = decide(PRINCIPAL, POLICY, intent)
    assert isinstance(outcome, Grant)
    return outcome


def caller(**changes: object) -> Caller:
    policy = dataclasses.replace(POLICY, **changes)  # type: ignore[arg-type]
    return Caller(principal=PRINCIPAL, policy=policy, request_id="r")


def take(stores: Stores, who: Caller, what: Grant) -> Room | Refusal:
    return asyncio.run(allowance(stores).take(who, what))


def test_usage_is_counted_for_a_tenant_without_a_quota(stores: Stores) -> None:
    """What is stored is counted, whoever it belongs to."""
    room = take(stores, caller(), grant(size=10))
    assert not isinstance(room, Refusal)

    asyncio.run(room.stored())

    usage = stores.ledger.usage("acme")
    assert (usage.bytes, usage.objects, usage.reserved_bytes) == (10, 1, 0)


def test_room_is_kept_while_an_upload_is_under_way_and_given_back_when_it_fails(stores: Stores) -> None:
    """Two uploads can't be promised the same room."""
    who = caller(quota=QuotaRule(bytes=15))
    first = take(stores, who, grant(size=10, name="a"))
    assert not isinstance(first, Refusal)

    refused = take(stores, who, grant(size=10, name="b"))
    asyncio.run(first.released())
    again = take(stores, who, grant(size=10, name="b"))

    assert isinstance(refused, Refusal)
    assert refused.code is Code.QUOTA_EXCEEDED
    assert refused.limit == 15
    assert dict(refused.headers)["ratelimit"] == '"bytes";r=5'
    assert refused.retry_after is not None
    assert not isinstance(again, Refusal)


def test_what_goes_along_is_written_with_the_room_or_not_at_all(stores: Stores) -> None:
    """With the size that there is room for; a store that fails at it gives the room back."""
    sizes: list[int] = []
    full, who = caller(quota=QuotaRule(objects=0)), caller()

    def silent(_size: int) -> None:
        raise OSError("the store is silent")

    def outcomes() -> list[object]:
        tried = ((full, sizes.append), (who, silent), (who, sizes.append))
        return [asyncio.run(allowance(stores).take(each, grant(size=10), along=along)) for each, along in tried]

    refused, failed, held = outcomes()

    assert isinstance(refused, Refusal)
    assert isinstance(failed, Refusal)
    assert (refused.code, failed.code) == (Code.QUOTA_EXCEEDED, Code.STORAGE_UNAVAILABLE)
    assert not isinstance(held, Refusal)
    assert sizes == [10]
    assert stores.ledger.usage("acme").reserved_objects == 1


def test_an_overwrite_settles_the_difference(stores: Stores) -> None:
    """The same key twice is one object of the last size."""
    for size in (10, 4):
        room = take(stores, caller(), grant(size=size))
        assert not isinstance(room, Refusal)
        asyncio.run(room.stored())

    usage = stores.ledger.usage("acme")
    assert (usage.bytes, usage.objects) == (4, 1)


def test_a_quota_without_reservations_to_end_says_no_time(stores: Stores) -> None:
    """`Retry-After` is there only where waiting could help."""
    refused = take(stores, caller(quota=QuotaRule(objects=0)), grant())

    assert isinstance(refused, Refusal)
    assert refused.retry_after is None


def test_a_rate_is_held_and_said(stores: Stores) -> None:
    """The bucket's burst is admitted, the next is told when to come back."""
    who = caller(rate=RateRule(per_second=0.5, burst=2))
    rooms = [take(stores, who, grant(name=str(number))) for number in range(3)]

    assert not isinstance(rooms[1], Refusal)
    assert dict(rooms[1].headers) == {"ratelimit-policy": '"rate";q=2;w=4', "ratelimit": '"rate";r=0;t=4'}
    assert isinstance(rooms[2], Refusal)
    assert rooms[2].code is Code.RATE_LIMITED
    assert rooms[2].retry_after == 2


@pytest.mark.parametrize(("backend", "lifetime"), [(Backend.PROXY, 0), (Backend.EDGE, 0), (Backend.PRESIGNED, 900)])
def test_a_reservation_outlives_the_slowest_transfer(backend: Backend, lifetime: int) -> None:
    """A URL's upload may begin when the URL is about to expire."""
    assert over_by(grant(size=SLOWEST * 100, backend=backend), NOW) == NOW + lifetime + 100 + MARGIN


class Silent:
    """A ledger that does not answer."""

    def __getattr__(self, _verb: str) -> Callable[..., object]:
        def fails(*_arguments: object) -> object:
            raise OSError

        return fails


def test_a_store_that_does_not_answer_fails_closed(stores: Stores) -> None:
    """Nobody is let in because nobody could count."""
    silent: Ledger = Silent()  # type: ignore[assignment]

    refused = asyncio.run(allowance(stores, silent).take(caller(), grant()))

    assert isinstance(refused, Refusal)
    assert refused.status == 503


@pytest.mark.parametrize(
    "changes",
    [{"quota": QuotaRule(bytes=5)}, {"quota": QuotaRule(objects=5)}, {"rate": RateRule(per_second=1, burst=1)}],
)
def test_without_a_store_a_tenant_that_has_limits_is_refused(changes: dict[str, object]) -> None:
    """An edge function that can't hold a quota does not pretend to."""

    class Known:
        def authenticate(self, _presented: object) -> Principal:
            return PRINCIPAL

        async def authenticate_async(self, _presented: object) -> Principal:
            return PRINCIPAL

        def get(self, _tenant: str) -> Policy:
            return caller(**changes).policy

    headers = (("authorization", "Bearer x"), ("content-length", "1"))
    raw = RawRequest(method="PUT", path="/edge/a", query="", headers=headers)
    admission = Admission(Known(), Known(), lambda: Minted(at=NOW, uuid="u"))

    outcomes = [
        admission.admit_sync(raw, base="/edge", carriage=Carriage(backend=Backend.EDGE), request_id="r"),
        asyncio.run(admission.admit(raw, base="/edge", carriage=Carriage(backend=Backend.EDGE), request_id="r")),
    ]

    assert [each.code for each in outcomes if isinstance(each, Refusal)] == [Code.BACKEND_NOT_ALLOWED] * 2
    assert not any(isinstance(each, Admitted) for each in outcomes)


def _held_until(stores: Stores, tenant: str, number: int, until: float) -> None:
    kept = Reservation(id=f"r{number}", tenant=tenant, key=f"{tenant}/{number}", bytes=10, expires_at=until)
    stores.ledger.reserve(kept, QuotaRule())


def _take_with_a_look(
    stores: Stores, who: Caller, s3: dict[str, int | None], *, times: int = 1
) -> list[Room | Refusal]:
    """So many takes at once; a key that is not in `s3` gets no answer, and each look is counted under "looks"."""

    async def look(key: str) -> int | None:
        s3["looks"] = (s3.get("looks") or 0) + 1
        await asyncio.sleep(0)
        if key not in s3:
            raise OSError("S3 does not answer")
        return s3[key]

    async def together() -> list[Room | Refusal]:
        due = DueSettlement(stores.ledger, look, at_once, clock=lambda: NOW)
        asked = Allowance(rates=stores.rates, ledger=stores.ledger, aside=at_once, clock=lambda: NOW, settle_due=due)
        return await asyncio.gather(*(asked.take(who, grant(name=f"new-{number}")) for number in range(times)))

    return asyncio.run(together())


@pytest.mark.parametrize(
    ("until", "s3", "fits"),
    [
        pytest.param(NOW, {"acme/1": None}, True, id="due-and-nothing-arrived"),
        pytest.param(NOW, {"acme/1": 3}, False, id="due-and-it-arrived"),
        pytest.param(NOW, {}, False, id="due-and-s3-is-silent"),
        pytest.param(NOW + 1, {"acme/1": None}, False, id="not-due"),
    ],
)
def test_room_that_is_due_is_looked_for_before_a_quota_refuses(
    stores: Stores, until: float, s3: dict[str, int | None], fits: bool
) -> None:
    """S3 says what became of it, and only what is not there makes room."""
    _held_until(stores, "acme", 1, until)

    (taken,) = _take_with_a_look(stores, caller(quota=QuotaRule(objects=1)), s3)

    assert isinstance(taken, Refusal) is not fits


def test_a_second_try_takes_no_second_token(stores: Stores) -> None:
    """A rate of one token is enough for one upload, also where its room had to be looked for."""
    _held_until(stores, "acme", 1, NOW)
    slow = RateRule(per_second=0.001, burst=1, per="tenant")

    (taken,) = _take_with_a_look(stores, caller(quota=QuotaRule(objects=1), rate=slow), {"acme/1": None})

    assert not isinstance(taken, Refusal)


def test_requests_that_are_refused_together_ask_s3_once(stores: Stores) -> None:
    """A storm on a full tenant costs S3 no more than one request does."""
    _held_until(stores, "acme", 1, NOW)
    s3: dict[str, int | None] = {"acme/1": 3}

    taken = _take_with_a_look(stores, caller(quota=QuotaRule(objects=1)), s3, times=20)

    assert all(isinstance(each, Refusal) for each in taken)
    assert s3["looks"] == 1
