"""The stores under test: every test that takes `stores` runs over each implementation, each time empty."""

from pathlib import Path

import pytest

from gateway.tenants.stores import Stores
from tests.stores.places import Place, SqlitePlace

KINDS = ("sqlite",)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where empty stores are, in a form that other processes can be told."""
    return SqlitePlace(str(tmp_path / "stores.db"))


@pytest.fixture
def stores(place: Place) -> Stores:
    """Empty stores."""
    return place.open()
