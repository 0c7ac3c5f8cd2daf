"""DynamoDB without an SDK: the same ledger and the same buckets, within a deadline, over the real thing."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.policy.model import QuotaRule, RateRule
from gateway.storage.sigv4 import Credentials, Signer
from gateway.tenants.dynamodb.direct import DYNAMODB, TRIES, DirectDynamoDb
from gateway.tenants.dynamodb.ledger import DynamoLedger
from gateway.tenants.dynamodb.rate import DynamoRateBuckets
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.ledger import QuotaExceeded, Reservation, Reserved, StoredObject
from gateway.tenants.rate import Taken, TryLater
from tests.stores.places import DynamoPlace

NOW = 1_800_000_000.0
QUOTA = QuotaRule(bytes=100, objects=5)
LONG = 60.0


def direct(origin: str) -> DirectDynamoDb:
    signer = Signer(Credentials("local", "local"), "eu-central-1", DYNAMODB)
    return DirectDynamoDb(origin, lambda: signer, clock=time.time, monotonic=time.monotonic, sleep=lambda _: None)


def wanted(number: int, size: int = 10) -> Reservation:
    return Reservation(id=f"r{number}", tenant="acme", key=f"acme/{number}", bytes=size, expires_at=NOW + number)


@pytest.fixture
def place(dynamodb_endpoint: str) -> DynamoPlace:
    made = DynamoPlace(dynamodb_endpoint, f"direct-{uuid.uuid4().hex}")
    made.table().create()
    return made


@pytest.fixture
def table(place: DynamoPlace) -> Iterator[Table]:
    """The table as an edge function has it."""
    made = direct(place.endpoint)
    yield Table(made.until(time.monotonic() + LONG), place.name)
    made.close()


@pytest.mark.xdist_group("dynamodb")
def test_the_ledgers_agree(place: DynamoPlace, table: Table) -> None:
    """What one reserved the other counts, settles and releases, and neither promises what the other gave away."""
    there, here = place.open().ledger, DynamoLedger(table)

    outcomes = [(here, there)[number % 2].reserve(wanted(number), QUOTA) for number in range(7)]

    assert [type(each) for each in outcomes] == [Reserved] * 5 + [QuotaExceeded] * 2
    assert {each.due_at for each in outcomes if isinstance(each, QuotaExceeded)} == {NOW}
    assert isinstance(here.reserve(wanted(1), QUOTA), Reserved)  # the same id again
    assert there.usage("acme") == here.usage("acme")
    assert [each.id for each in there.due(NOW + 2, limit=10)] == ["r0", "r1", "r2"]
    there.settle("acme", "r0", StoredObject(key="acme/0", bytes=7, seen_at=NOW))
    assert there.release("acme", "r1")
    assert (here.usage("acme").bytes, here.usage("acme").reserved_objects) == (7, 3)


@pytest.mark.xdist_group("dynamodb")
def test_many_at_once_get_what_there_is(place: DynamoPlace, table: Table) -> None:
    """Eight threads of a few functions: never a byte more than the quota."""
    ledger = DynamoLedger(table)
    outcomes: list[Reserved | QuotaExceeded] = []

    def work(first: int) -> None:
        outcomes.extend(ledger.reserve(wanted(number, 30), QUOTA) for number in range(first, first + 2))

    threads = [threading.Thread(target=work, args=(2 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(each, Reserved) for each in outcomes) == 3
    assert place.open().ledger.usage("acme").reserved_bytes == 90


@pytest.mark.xdist_group("dynamodb")
def test_the_buckets_agree(place: DynamoPlace, table: Table) -> None:
    """Tokens are taken from one bucket, whoever takes."""
    there, here = place.open().rates, DynamoRateBuckets(table)
    rule = RateRule(per_second=1, burst=5, per="tenant")

    outcomes = [(here, there)[number % 2].take("acme", rule, NOW) for number in range(7)]

    assert [each.left for each in outcomes if isinstance(each, Taken)] == [4, 3, 2, 1, 0]
    assert [each.seconds for each in outcomes if isinstance(each, TryLater)] == [1.0, 1.0]
    assert isinstance(here.take("acme", rule, NOW + 1), Taken)


@pytest.mark.xdist_group("dynamodb")
def test_no_table_is_a_store_that_does_not_answer(place: DynamoPlace) -> None:
    """In a sentence without the table's name."""
    made = direct(place.endpoint)
    nowhere = Table(made.until(time.monotonic() + LONG), "secret-name")
    with pytest.raises(StoreUnavailableError, match=r"^the store does not answer \(ResourceNotFoundException\)$"):
        DynamoLedger(nowhere).usage("acme")
    made.close()


class Scripted(BaseHTTPRequestHandler):
    """DynamoDB as the test wants it."""

    protocol_version = "HTTP/1.1"
    answers: list[tuple[int, bytes]]
    asked: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).asked.append(self.headers["x-amz-target"])
        status, body = type(self).answers.pop(0) if type(self).answers else (200, b"{}")
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody wants to know."""


@pytest.fixture
def scripted() -> Iterator[tuple[str, type[Scripted]]]:
    handler = type("Once", (Scripted,), {"answers": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()
        thread.join()


def refused(code: str) -> tuple[int, bytes]:
    return 400, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}).encode()


@pytest.mark.parametrize("first", [(500, b"{}"), (503, b""), (200, b"garbage"), refused("ThrottlingException")])
def test_what_it_could_not_do_just_now_is_asked_again(
    scripted: tuple[str, type[Scripted]], first: tuple[int, bytes]
) -> None:
    """A few times."""
    origin, handler = scripted
    made = direct(origin)
    handler.answers += [first]
    assert DynamoLedger(Table(made.until(time.monotonic() + LONG), "t")).usage("acme").bytes == 0
    assert handler.asked == ["DynamoDB_20120810.GetItem"] * 2

    handler.answers += [first] * TRIES
    with pytest.raises(StoreUnavailableError):
        DynamoLedger(Table(made.until(time.monotonic() + LONG), "t")).usage("acme")
    made.close()


def test_what_it_refuses_is_not_asked_again(scripted: tuple[str, type[Scripted]]) -> None:
    """A role that may not."""
    origin, handler = scripted
    handler.answers += [refused("AccessDeniedException")]
    made = direct(origin)
    with pytest.raises(StoreUnavailableError, match="AccessDeniedException"):
        DynamoLedger(Table(made.until(time.monotonic() + LONG), "t")).usage("acme")
    assert len(handler.asked) == 1
    made.close()


def test_after_the_deadline_nobody_is_asked(scripted: tuple[str, type[Scripted]]) -> None:
    """A function refuses rather than be killed."""
    origin, handler = scripted
    made = direct(origin)
    with pytest.raises(StoreUnavailableError):
        DynamoLedger(Table(made.until(time.monotonic()), "t")).usage("acme")
    assert handler.asked == []
    made.close()
