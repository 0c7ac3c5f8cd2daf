"""What is DynamoDB's alone: errors in our words, what it costs to import, which operations it needs."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import gateway.tenants.dynamodb.table as table_module
from gateway.identity.errors import SourceUnavailableError
from gateway.policy.model import QuotaRule
from gateway.tenants.dynamodb.schema import ACTIONS, SHARDS, shard
from gateway.tenants.dynamodb.table import AnswerError, Table, packed, unpacked
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.ledger import Reservation
from tests.stores.places import DynamoPlace


def test_a_table_that_is_not_there_is_a_store_that_does_not_answer(dynamodb_endpoint: str) -> None:
    """For every kind of call, and without the table's name or an address in the words."""
    stores = DynamoPlace(dynamodb_endpoint, "secret-name").open()
    reservation = Reservation(id="r", tenant="acme", key="acme/a", bytes=1, expires_at=1.0)
    calls = (
        lambda: stores.policies.get("acme"),
        lambda: stores.policies.list(limit=1),
        lambda: stores.ledger.reserve(reservation, QuotaRule()),
        lambda: stores.idempotency.claim("s", "k", digest="d", token="t", now=1.0),
        lambda: stores.uploads.remove("acme", "o", "i"),
    )
    for call in calls:
        with pytest.raises(StoreUnavailableError, match=r"^the store does not answer \(ResourceNotFoundException\)$"):
            call()
    with pytest.raises(SourceUnavailableError):
        stores.keys.api_key("k")


def test_an_endpoint_that_nobody_serves_is_a_store_that_does_not_answer() -> None:
    """After the client's own few tries."""
    pytest.importorskip("boto3")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = DynamoPlace(f"http://127.0.0.1:{taken.getsockname()[1]}", "t")
        with pytest.raises(StoreUnavailableError, match="EndpointConnectionError"):
            place.open().policies.get("acme")


class Busy:
    """A client whose every transaction meets another."""

    def __init__(self) -> None:
        self.calls = 0

    def __getattr__(self, operation: str) -> object:
        return self.refuse

    def refuse(self, **_options: object) -> dict[str, object]:
        """What DynamoDB says then (API reference, TransactWriteItems, "Errors")."""
        self.calls += 1
        reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
        raise AnswerError("TransactionCanceledException", reasons=reasons)


def test_a_transaction_that_others_are_always_in_the_way_of_gives_up() -> None:
    """After many tries, with pauses that grow and end."""
    client = Busy()
    pauses: list[float] = []
    table = Table(client, "t", sleep=pauses.append, chance=lambda: 1.0)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailableError):
        table.decided(lambda: table.transact([]))
    assert client.calls == table_module.MOST_TRIES
    assert pauses == sorted(pauses)
    assert pauses[-1] == table_module.LONGEST_PAUSE


@pytest.mark.parametrize("value", ["\u00e9", "", 0, -5, 2**62, 53_687_091_200_000, 0.5, 1_800_000_000.123456, b"\x00"])
def test_values_come_back_as_they_were(value: object) -> None:
    """Numbers exactly, as far as a float goes."""
    assert unpacked(packed({"a": value, "b": None})) == {"a": value}


@pytest.mark.parametrize("value", [True, [1], object()])
def test_other_values_are_not_kept(value: object) -> None:
    """A defect of ours, said at once."""
    with pytest.raises(TypeError):
        packed({"a": value})


def test_tenants_are_spread_over_all_shards() -> None:
    """Every shard has some, and a tenant's is always the same."""
    assert {shard("k", f"tenant-{n}") for n in range(200)} == {f"k#{n}" for n in range(SHARDS)}


def test_the_actions_are_those_that_are_called() -> None:
    """So that the deployment's policy allows what is needed and nothing else; creating is not a gateway's."""
    source = Path(table_module.__file__).read_text()
    called = {*re.findall(r"self\._client\.(\w+)\(", source), *re.findall(r'_conditional\(\s*"(\w+)"', source)}
    called -= {"create_table", "get_waiter", "update_time_to_live", "transact_write_items"}
    named = {f"dynamodb:{operation.title().replace('_', '')}" for operation in called}
    assert named == set(ACTIONS)


def test_importing_the_stores_does_not_import_boto3() -> None:
    """Only a client that is made does."""
    code = "import sys, gateway.tenants.stores; print(sorted({'boto3', 'botocore'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
