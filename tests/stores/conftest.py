"""The stores under test: every test that takes `stores` runs over each implementation, each time empty."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tenants.stores import Stores
from tests.stores import local_dynamodb
from tests.stores.places import DynamoPlace, Place, SqlitePlace

KINDS = ("sqlite", pytest.param("dynamodb", marks=pytest.mark.xdist_group("dynamodb")))


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """A running DynamoDB Local; skips where there can be none."""
    if told := local_dynamodb.why_not():
        pytest.skip(told)
    with local_dynamodb.serving() as endpoint:
        yield endpoint


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where empty stores are, in a form that other processes can be told."""
    if request.param == "sqlite":
        return SqlitePlace(str(tmp_path / "stores.db"))
    place = DynamoPlace(request.getfixturevalue("dynamodb_endpoint"), f"stores-{uuid.uuid4().hex}")
    place.table().create()
    return place


@pytest.fixture
def stores(place: Place) -> Stores:
    """Empty stores."""
    return place.open()
