"""A deployment's stores, opened for as long as a process serves: which they are, and how an event loop calls them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from gateway.tenants.aside import Aside, Threads
from gateway.tenants.dynamodb.boto import make_client
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.service import Together, plainly
from gateway.tenants.sqlite import Database, GroupCommit
from gateway.tenants.stores import Stores, dynamodb_stores, sqlite_stores

ADMIN_THREADS: Final = 4
"""Threads for calls that wait for the disk, or take long."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStores:
    """The stores, and who calls them.

    `aside` runs the short verbs of a request without stopping the event loop, `beside` what may take longer: the admin
    API's calls and whatever goes through many rows. `together` makes several writes one where the stores can. `remote`
    says that a look at a policy or a key waits for a network, so that it does not belong on the event loop either.
    """

    stores: Stores
    aside: Aside
    beside: Aside
    together: Together
    remote: bool


OpenStoresFor = Callable[[], AbstractAsyncContextManager[OpenStores]]
"""Opens the stores in the process that will use them."""


def private_database(path: Path) -> Database:
    """The store's file, made for its owner alone if there is none; raises `StoreError` or `OSError`."""
    path.touch(mode=0o600)  # SQLite gives its other files the same mode
    return Database(path)


@asynccontextmanager
async def sqlite_opened(path: Path) -> AsyncIterator[OpenStores]:
    """The stores in one private file, made if there is none; raises `StoreError` or `OSError` where it can't be."""
    database = private_database(path)
    aside, beside = GroupCommit(database), Threads(ADMIN_THREADS)
    try:
        yield OpenStores(
            stores=sqlite_stores(database),
            aside=aside,
            beside=beside,
            together=in_one_transaction(database),
            remote=False,
        )
    finally:
        await asyncio.to_thread(beside.close)
        await asyncio.to_thread(aside.close)
        database.close()


@asynccontextmanager
async def dynamodb_opened(*, table: str, region: str, endpoint: str | None = None) -> AsyncIterator[OpenStores]:
    """The stores in one table, with the credentials that the AWS SDK finds; every verb waits for the network."""
    client = await asyncio.to_thread(lambda: make_client(region=region, endpoint=endpoint))
    aside = Threads()
    try:
        yield OpenStores(
            stores=dynamodb_stores(Table(client, table)), aside=aside, beside=aside, together=plainly, remote=True
        )
    finally:
        await asyncio.to_thread(aside.close)


def in_one_transaction(database: Database) -> Together:
    """Each call as one transaction, on the disk before its answer; others wait, so what it looked at stays so."""

    def together(call: Callable[[], Result]) -> Result:
        with database.writing(durable=True):
            return call()

    return together
