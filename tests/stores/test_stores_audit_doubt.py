"""A write that the store did not answer: what it did write is not there twice, and what it did not is not lost."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.tenants.audit import AuditRecord, Head, verify
from gateway.tenants.dynamodb.audit import DynamoAuditLog
from gateway.tenants.errors import StoreUnavailableError
from tests.stores.places import DynamoPlace

pytestmark = pytest.mark.xdist_group("dynamodb")


class Unsure:
    """A table that loses an answer: after the write (`wrote`) or before it."""

    def __init__(self, table: Any, *, wrote: bool) -> None:
        self._table, self._wrote, self.silent = table, wrote, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def transact(self, actions: Sequence[dict[str, Any]]) -> Any:
        if not self.silent:
            return self._table.transact(actions)
        self.silent = False
        if self._wrote:
            self._table.transact(actions)
        raise StoreUnavailableError("the answer was lost")


def records(*numbers: int) -> list[AuditRecord]:
    return [AuditRecord(at=1.8e9, request_id=f"r{n}", action="upload", outcome="granted") for n in numbers]


@pytest.fixture
def table(dynamodb_endpoint: str) -> DynamoPlace:
    """An empty table; a write to SQLite is always answered."""
    place = DynamoPlace(dynamodb_endpoint, f"doubt-{uuid.uuid4().hex}")
    place.table().create()
    return place


def test_a_batch_is_there_once_however_often_its_answer_is_lost(table: DynamoPlace) -> None:
    """Each time it has grown by what came meanwhile."""
    unsure = Unsure(table.table(), wrote=True)
    log = DynamoAuditLog(unsure)  # type: ignore[arg-type]
    for numbers in ((1,), (1, 2), (1, 2, 3)):
        unsure.silent = True
        with pytest.raises(StoreUnavailableError):
            log.append(records(*numbers))

    assert log.append(records(1, 2, 3)).seq == 3
    assert log.append(records(4)).seq == 4
    assert isinstance(verify(log.lines()), Head)


@pytest.mark.parametrize("wrote", [True, False])
@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("begun", [True, False])
def test_a_batch_that_comes_again_is_there_once(table: DynamoPlace, wrote: bool, others: bool, begun: bool) -> None:
    """Also where more came meanwhile, here or from another writer; the chain is whole."""
    if begun:
        DynamoAuditLog(table.table()).append(records(0))
    log = DynamoAuditLog(Unsure(table.table(), wrote=wrote))  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailableError):
        log.append(records(1, 2))
    if others:
        DynamoAuditLog(table.table()).append(records(9))
    head = log.append(records(1, 2, 3))
    log.append(records(4))
    lines = list(log.lines())

    assert isinstance(verify(lines), Head)
    said = sorted(json.loads(line)["request_id"] for line in lines)
    assert said == sorted([*(["r0"] if begun else []), *(["r9"] if others else []), "r1", "r2", "r3", "r4"])
    assert head.seq == len(lines) - 1
