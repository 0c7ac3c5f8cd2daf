"""One demo for the session, and a user's terminal a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.room import Room, Terminal, room


@pytest.fixture(scope="session")
def shared_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A demo that no test kills."""
    with room(tmp_path_factory.mktemp("room")) as made:
        yield made


@pytest.fixture
def terminal(tmp_path: Path, shared_room: Room) -> Terminal:
    """A user of the tenant `free`."""
    return Terminal(tmp_path, shared_room, shared_room.token())
