"""Where stores are, as plain values that another process can be handed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.tenants.dynamodb.boto import make_client
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.stores import Stores, dynamodb_stores, open_sqlite


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


@dataclass(frozen=True)
class DynamoPlace:
    """A table of DynamoDB Local."""

    endpoint: str
    name: str

    def table(self) -> Table:
        """The table, by a client of its own; DynamoDB Local believes any credentials."""
        client = make_client(
            region="eu-central-1", endpoint=self.endpoint, aws_access_key_id="local", aws_secret_access_key="local"
        )
        return Table(client, self.name)

    def open(self) -> Stores:
        """The stores in the table."""
        return dynamodb_stores(self.table())
