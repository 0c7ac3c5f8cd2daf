"""How the gateway is put together on one machine: the composition root of the demo, without its processes."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from edge_auth.handler import make_handler
from gateway.admission import Admission
from gateway.allowance import Allowance
from gateway.asgi.wire import Application
from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.local.cloudfront import Distribution, OriginRequestPolicy
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.errors import DemoError
from gateway.local.files import prepare, write_object, write_private
from gateway.local.issuer import DevelopmentIssuer
from gateway.policy.model import Backend
from gateway.server.carriages import Limits, carriages, edge_headers
from gateway.server.composition import BASES, Parts, compose, request_id
from gateway.server.sweeper import sweep
from gateway.storage.endpoint import Endpoint
from gateway.storage.objects import Objects
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.demo_documents import demo_documents
from gateway.tenants.errors import StoreError
from gateway.tenants.folder import TenantFolder, TenantFolderError
from gateway.tenants.sqlite import Database, GroupCommit
from gateway.tenants.stores import Stores, sqlite_stores
from presigner.sealing import KEY_BYTES, Sealer

POLICY_LIFETIME: Final = 0.0
"""Seconds that a policy is believed without a look at its file: a change is in force at once."""


@asynccontextmanager
async def gateway(
    *, data: Path, limits: str, store: EmbeddedS3, issuer: DevelopmentIssuer, endpoint: Endpoint
) -> AsyncIterator[Application]:
    """The gateway over the demo's directory, its S3 and its issuer; open for as long as it serves."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(timeouts=Timeouts()))
        database = _database(data)
        stack.callback(database.close)
        aside = GroupCommit(database)
        stack.push_async_callback(asyncio.to_thread, aside.close)
        stores = sqlite_stores(database)
        completer = Signer(store.identities.completer, store.region)
        objects = Objects(upstream=upstream, endpoint=endpoint, signer=completer, clock=time.time)
        sweeping = asyncio.ensure_future(sweep(stores.ledger, objects.size, aside, clock=time.time))
        stack.push_async_callback(_cancelled, sweeping)
        yield _composed(
            data=data,
            limits=Limits(limits),
            store=store,
            issuer=issuer,
            endpoint=endpoint,
            upstream=upstream,
            stores=stores,
            allowance=Allowance(rates=stores.rates, ledger=stores.ledger, aside=aside, clock=time.time),
        )


async def _cancelled(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _composed(
    *,
    data: Path,
    limits: Limits,
    store: EmbeddedS3,
    issuer: DevelopmentIssuer,
    endpoint: Endpoint,
    upstream: Upstream,
    stores: Stores,
    allowance: Allowance,
) -> Application:
    tenants = _tenants(data)
    authenticator = Authenticator(
        [issuer.rule()],
        directory=tenants,
        api_keys=stores.keys,
        jwks_cache=JwksCache(fetcher=HttpsFetcher(allow_private=True)),
    )
    signer = Signer(store.identities.signer, store.region)

    def edge(admission: Admission) -> Application:
        carriage = carriages(limits)[Backend.EDGE]
        return Distribution(
            handler=make_handler(admission, base=BASES[Backend.EDGE], carriage=carriage),
            origin=endpoint,
            access_control=signer,
            upstream=upstream,
            clock=time.time,
            request_ids=request_id,
            request_policy=OriginRequestPolicy(headers=edge_headers(limits)),
        )

    async def keys_reachable() -> bool:
        return await upstream.reachable(issuer.origin)

    async def storage_reachable() -> bool:
        return await upstream.reachable(endpoint.origin)

    async def policies_valid() -> bool:
        return not tenants.faults

    return compose(
        Parts(
            authenticator=authenticator,
            policies=tenants,
            endpoint=endpoint,
            signer=signer,
            upstream=upstream,
            sealer=Sealer([_sealing_key(data)], secrets.token_bytes),
            limits=limits,
            edge=edge,
            checks={"storage": storage_reachable, "policies": policies_valid, "keys": keys_reachable},
            allowance=allowance,
        )
    )


def _database(data: Path) -> Database:
    """Where usage, reservations, rates and API keys are kept."""
    try:
        return Database(data / "gateway.sqlite")
    except StoreError as error:
        raise DemoError(f"The store {data / 'gateway.sqlite'} can't be used: {error}.") from error


def _tenants(data: Path) -> TenantFolder:
    """The folder of tenant documents, with the demo's two on the first start."""
    folder = data / "tenants"
    if not folder.exists():
        prepare(folder)
        for document in demo_documents():
            write_object(folder / f"{document['tenant']}.json", document)
    try:
        return TenantFolder(folder, allow_private_issuers=True, lifetime=0.0, clock=time.monotonic)
    except TenantFolderError as error:
        raise DemoError(str(error)) from error


def _sealing_key(data: Path) -> bytes:
    """The key that seals upload ids, made on the first start, so that an id outlives a restart."""
    path = data / "sealing.key"
    if not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES))
    return path.read_bytes()
