"""The contract of `Ledger` and `Inventory`: never more than the quota, never a byte counted twice or lost."""

import multiprocessing
import os
import random
import signal
import uuid
from multiprocessing.connection import Connection

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.policy.model import QuotaRule
from gateway.tenants.ledger import QuotaExceeded, Reservation, Reserved, StoredObject, Usage
from gateway.tenants.stores import Stores
from tests.stores.places import Place

NOW = 1_800_000_000.0
NO_LIMIT = QuotaRule()


def _reservation(number: int = 1, *, size: int = 10, expires_at: float = NOW + 60, key: str = "") -> Reservation:
    return Reservation(id=f"r{number}", tenant="acme", key=key or f"acme/{number}", bytes=size, expires_at=expires_at)


def _stored(number: int = 1, *, size: int = 10, seen_at: float = NOW) -> StoredObject:
    return StoredObject(key=f"acme/{number}", bytes=size, seen_at=seen_at)


def test_usage_of_a_tenant_that_did_nothing_is_nothing(stores: Stores) -> None:
    """Zeroes, not an error."""
    assert stores.ledger.usage("acme") == Usage()


def test_a_reservation_counts_until_it_is_settled(stores: Stores) -> None:
    """Then what is stored counts, whatever was reserved."""
    assert stores.ledger.reserve(_reservation(), NO_LIMIT) == Reserved(
        usage=Usage(reserved_bytes=10, reserved_objects=1)
    )
    assert stores.ledger.settle("acme", "r1", _stored(size=7)) == Usage(bytes=7, objects=1)
    assert stores.ledger.usage("acme") == Usage(bytes=7, objects=1)


def test_a_released_reservation_counts_no_more(stores: Stores) -> None:
    """Releasing twice frees once."""
    stores.ledger.reserve(_reservation(), NO_LIMIT)
    assert [stores.ledger.release("acme", "r1") for _ in range(2)] == [True, False]
    assert stores.ledger.usage("acme") == Usage()


def test_the_same_reservation_twice_is_one(stores: Stores) -> None:
    """A call that is repeated because its answer was lost reserves nothing more."""
    first = stores.ledger.reserve(_reservation(), QuotaRule(bytes=10))
    assert stores.ledger.reserve(_reservation(), QuotaRule(bytes=10)) == first


def test_settling_twice_counts_once(stores: Stores) -> None:
    """The row of the object makes it so."""
    stores.ledger.reserve(_reservation(), NO_LIMIT)
    assert [stores.ledger.settle("acme", "r1", _stored()) for _ in range(2)] == [Usage(bytes=10, objects=1)] * 2


def test_an_overwrite_counts_the_difference(stores: Stores) -> None:
    """One object, of the size it has now."""
    for number, size in ((1, 10), (2, 25), (3, 4)):
        reservation = _reservation(number, size=size, key="acme/1")
        stores.ledger.reserve(reservation, NO_LIMIT)
        stores.ledger.settle("acme", reservation.id, _stored(1, size=size, seen_at=NOW + number))
    assert stores.ledger.usage("acme") == Usage(bytes=4, objects=1)


def test_an_older_look_does_not_undo_a_newer(stores: Stores) -> None:
    """It ends its reservation and leaves the object as the newer look saw it."""
    for number in (1, 2):
        stores.ledger.reserve(_reservation(number, key="acme/1"), NO_LIMIT)
    stores.ledger.settle("acme", "r2", _stored(size=5, seen_at=NOW + 2))
    assert stores.ledger.settle("acme", "r1", _stored(size=9, seen_at=NOW + 1)) == Usage(bytes=5, objects=1)


def test_a_late_settling_counts_what_is_there(stores: Stores) -> None:
    """Also when its reservation is gone."""
    assert stores.ledger.settle("acme", "never", _stored()) == Usage(bytes=10, objects=1)


@pytest.mark.parametrize(
    ("quota", "sizes", "fits"),
    [
        (QuotaRule(bytes=20), (10, 10, 1), [True, True, False]),
        (QuotaRule(bytes=20), (10, 10, 0), [True, True, True]),
        (QuotaRule(bytes=9), (10, 9), [False, True]),
        (QuotaRule(bytes=0), (0, 1), [True, False]),
        (QuotaRule(objects=2), (0, 0, 0), [True, True, False]),
        (QuotaRule(objects=0), (0,), [False]),
        (QuotaRule(bytes=100, objects=1), (1, 1), [True, False]),
        (QuotaRule(), (2**45, 2**45), [True, True]),
    ],
)
def test_room_ends_at_the_quota_exactly(
    stores: Stores, quota: QuotaRule, sizes: tuple[int, ...], fits: list[bool]
) -> None:
    """The last byte and object fit, the next does not."""
    answers = [stores.ledger.reserve(_reservation(n, size=size), quota) for n, size in enumerate(sizes)]
    assert [isinstance(answer, Reserved) for answer in answers] == fits


def test_a_refusal_says_what_is_used_up_and_when_room_may_come(stores: Stores) -> None:
    """Bytes or objects, the usage, and the earliest end of a reservation."""
    quota = QuotaRule(bytes=20, objects=2)
    stores.ledger.reserve(_reservation(1, expires_at=NOW + 90), quota)
    stores.ledger.reserve(_reservation(2, expires_at=NOW + 30, size=5), quota)
    used = Usage(reserved_bytes=15, reserved_objects=2)
    assert stores.ledger.reserve(_reservation(3, size=6), quota) == QuotaExceeded(
        what="bytes", usage=used, due_at=NOW + 30
    )
    assert stores.ledger.reserve(_reservation(3, size=1), quota) == QuotaExceeded(
        what="objects", usage=used, due_at=NOW + 30
    )


def test_a_refusal_without_reservations_promises_nothing(stores: Stores) -> None:
    """What is stored frees itself at no time."""
    stores.ledger.correct("acme", "acme/1", 10, NOW)
    answer = stores.ledger.reserve(_reservation(2), QuotaRule(bytes=10))
    assert answer == QuotaExceeded(what="bytes", usage=Usage(bytes=10, objects=1), due_at=None)


def test_a_quota_that_shrank_below_usage_takes_nothing(stores: Stores) -> None:
    """And nothing is lost by it."""
    stores.ledger.correct("acme", "acme/1", 10, NOW)
    assert isinstance(stores.ledger.reserve(_reservation(2, size=0), QuotaRule(bytes=5)), QuotaExceeded)


def test_tenants_do_not_share_room(stores: Stores) -> None:
    """Each has its own count and reservations, equal ids included."""
    stores.ledger.reserve(_reservation(), QuotaRule(bytes=10))
    other = Reservation(id="r1", tenant="acme2", key="acme2/1", bytes=10, expires_at=NOW)
    assert isinstance(stores.ledger.reserve(other, QuotaRule(bytes=10)), Reserved)
    assert not stores.ledger.release("globex", "r1")


def test_due_reservations_come_earliest_first(stores: Stores) -> None:
    """Of one tenant or of all; those whose time is not over stay."""
    early, late, later = (_reservation(n, expires_at=NOW + n) for n in (1, 2, 3))
    other = Reservation(id="r1", tenant="globex", key="globex/1", bytes=1, expires_at=NOW)
    for each in (later, late, early, other):
        stores.ledger.reserve(each, NO_LIMIT)
    assert stores.ledger.due(NOW + 2, limit=10) == (other, early, late)
    assert stores.ledger.due(NOW + 2, limit=10, tenant="acme") == (early, late)
    assert stores.ledger.due(NOW + 9, limit=2) == (other, early)
    assert stores.ledger.due(NOW - 1, limit=10) == ()


def test_objects_are_listed_as_s3_lists_them(stores: Stores) -> None:
    """By the bytes of UTF-8, in pages, each once."""
    names = ["Z", "a", "a/b", "a0", "\u00e9", "\uffee", "\U0001f600"]
    for number, name in enumerate(names):
        stores.ledger.correct("acme", f"acme/{name}", number, NOW)
    first = stores.ledger.objects("acme", limit=4)
    second = stores.ledger.objects("acme", limit=4, cursor=first.cursor)
    listed = [each.key for each in (*first.items, *second.items)]
    assert listed == sorted((f"acme/{name}" for name in names), key=str.encode)
    assert second.cursor is None


@pytest.mark.parametrize("name", ["x" * 1019, "\U0001f600" * 254])
def test_the_longest_key_is_kept(stores: Stores, name: str) -> None:
    """1,024 bytes, as S3 allows."""
    stores.ledger.correct("acme", f"acme/{name}", 1, NOW)
    assert [each.key for each in stores.ledger.objects("acme", limit=1).items] == [f"acme/{name}"]


def test_a_correction_says_what_s3_says(stores: Stores) -> None:
    """More, less, nothing; a look that began earlier than the last changes nothing."""
    used = [
        stores.ledger.correct("acme", "acme/1", size, NOW + at)
        for size, at in ((10, 0), (12, 1), (3, 2), (99, 1), (None, 1), (None, 3), (None, 4))
    ]
    assert [(each.bytes, each.objects) for each in used] == [(10, 1), (12, 1), (3, 1), (3, 1), (3, 1), (0, 0), (0, 0)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release", "correct"]),
        st.integers(0, 4),
        st.integers(0, 3),
        st.integers(0, 12),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_usage_is_the_sum_of_objects_and_reservations(
    stores: Stores, steps: list[tuple[str, int, int, int, int]]
) -> None:
    """After any sequence of verbs, and reservations keep within the quota."""
    tenant = f"t{uuid.uuid4().hex}"
    quota = QuotaRule(bytes=30, objects=4)
    for verb, number, key, size, at in steps:
        before = stores.ledger.usage(tenant)
        reservation = Reservation(
            id=f"r{number}", tenant=tenant, key=f"{tenant}/{key}", bytes=size, expires_at=NOW - number
        )
        match verb:
            case "reserve":
                answer = stores.ledger.reserve(reservation, quota)
                grown = answer.usage.bytes + answer.usage.reserved_bytes
                assert answer.usage == before or grown <= 30
            case "settle":
                stores.ledger.settle(
                    tenant, reservation.id, StoredObject(key=reservation.key, bytes=size, seen_at=NOW + at)
                )
            case "release":
                stores.ledger.release(tenant, reservation.id)
            case _:
                stores.ledger.correct(tenant, reservation.key, None if size > 9 else size, NOW + at)
    kept = stores.ledger.due(NOW, limit=100, tenant=tenant)
    objects = stores.ledger.objects(tenant, limit=100).items
    assert stores.ledger.usage(tenant) == Usage(
        bytes=sum(each.bytes for each in objects),
        objects=len(objects),
        reserved_bytes=sum(each.bytes for each in kept),
        reserved_objects=len(kept),
    )


def _reserve_fifty(place: Place, worker: int, told: Connection) -> None:
    ledger = place.open().ledger
    answers = [ledger.reserve(_reservation(worker * 50 + n), QuotaRule(objects=50)) for n in range(50)]
    told.send(sum(isinstance(answer, Reserved) for answer in answers))


def test_two_hundred_reservations_of_four_processes_for_fifty_places(place: Place) -> None:
    """Exactly fifty are kept, and the ledger says so."""
    place.open()
    spawn = multiprocessing.get_context("spawn")
    ends = [spawn.Pipe(duplex=False) for _ in range(4)]
    workers = [spawn.Process(target=_reserve_fifty, args=(place, n, end[1])) for n, end in enumerate(ends)]
    for worker in workers:
        worker.start()
    kept = [end[0].recv() for end in ends]
    for worker in workers:
        worker.join()
    assert sum(kept) == 50
    assert place.open().ledger.usage("acme") == Usage(reserved_bytes=500, reserved_objects=50)


def _work_until_killed(place: Place, seed: int, told: Connection) -> None:
    """Upload after upload: reserve, "store" (say so), settle or release, for ever."""
    ledger = place.open().ledger
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        reservation = _reservation(
            seed * 1_000_000 + number, size=chance.randrange(20), key=f"acme/{chance.randrange(5)}"
        )
        told.send(None)
        if isinstance(ledger.reserve(reservation, QuotaRule(bytes=120, objects=9)), QuotaExceeded):
            continue
        if chance.random() < 0.3:
            ledger.release("acme", reservation.id)
        else:
            stored = StoredObject(key=reservation.key, bytes=reservation.bytes, seen_at=NOW + number)
            ledger.settle("acme", reservation.id, stored)


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=pytest.mark.long)])
def test_processes_that_are_killed_leak_nothing(place: Place, rounds: int) -> None:
    """After SIGKILL at any step, what is reserved is listed when it is due, and ending it leaves the objects' sum."""
    ledger = place.open().ledger
    spawn = multiprocessing.get_context("spawn")
    for seed in range(rounds):
        receiver, sender = spawn.Pipe(duplex=False)
        worker = spawn.Process(target=_work_until_killed, args=(place, seed, sender))
        worker.start()
        for _ in range(random.Random(seed).randrange(3, 40)):
            receiver.recv()
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
    while due := ledger.due(NOW + 60, limit=100):
        for each in due:
            ledger.release(each.tenant, each.id)
    objects = ledger.objects("acme", limit=100).items
    assert ledger.usage("acme") == Usage(bytes=sum(each.bytes for each in objects), objects=len(objects))
