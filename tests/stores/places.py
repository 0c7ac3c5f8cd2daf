"""Where stores are, as plain values that another process can be handed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.tenants.stores import Stores, open_sqlite


class Place(Protocol):
    """Opens the stores, in whichever process asks."""

    def open(self) -> Stores:
        """The stores."""
        ...


@dataclass(frozen=True)
class SqlitePlace:
    """A file."""

    path: str

    def open(self) -> Stores:
        """The stores in the file."""
        return open_sqlite(Path(self.path))
