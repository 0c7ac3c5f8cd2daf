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
from gateway.cors import Cors
from gateway.identity.apikeys import ApiKeySource
from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.journal import Journal
from gateway.local.administration import DemoTenants, demo_admin, open_tenants
from gateway.local.cloudfront import Distribution, OriginRequestPolicy
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.errors import DemoError
from gateway.local.files import write_private
from gateway.local.issuer import DevelopmentIssuer
from gateway.policy.model import Backend
from gateway.server.admin import AdminParts
from gateway.server.carriages import Limits, carriages, edge_headers
from gateway.server.composition import BASES, Parts, compose, request_id
from gateway.server.sweeper import sample_usage, sweep, sweep_uploads
from gateway.storage.endpoint import Endpoint
from gateway.storage.multipart import Multipart
from gateway.storage.objects import Objects
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.aside import Threads
from gateway.tenants.errors import StoreError
from gateway.tenants.replay import RecentDecisions
from gateway.tenants.sampling import UsageSampler
from gateway.tenants.sqlite import Database, GroupCommit
from gateway.tenants.stores import sqlite_stores
from presigner.idempotency import Replays
from presigner.register import Register
from presigner.sealing import KEY_BYTES, Sealer

ADMIN_THREADS: Final = 4
"""Threads for the admin API's calls, which wait for the disk."""


@asynccontextmanager
async def gateway(
    *, data: Path, limits: str, store: EmbeddedS3, issuer: DevelopmentIssuer, endpoint: Endpoint, cors: Cors
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
        register = Register(uploads=stores.uploads, ledger=stores.ledger, aside=aside, clock=time.time)
        sealer = Sealer([_sealing_key(data)], secrets.token_bytes)
        multipart = Multipart(upstream=upstream, endpoint=endpoint, signer=completer, clock=time.time)
        ending = asyncio.ensure_future(sweep_uploads(register, multipart, sealer))
        stack.push_async_callback(_cancelled, ending)
        beside = Threads(ADMIN_THREADS)
        stack.push_async_callback(asyncio.to_thread, beside.close)
        recent = RecentDecisions(stores.decisions)
        stack.push_async_callback(asyncio.to_thread, recent.close)
        sampler = UsageSampler(ledger=stores.ledger, history=stores.history, clock=time.time)
        sampling = asyncio.ensure_future(sample_usage(sampler, beside))
        stack.push_async_callback(_cancelled, sampling)
        tenants = open_tenants(data, stores)
        yield _composed(
            limits=Limits(limits),
            store=store,
            issuer=issuer,
            endpoint=endpoint,
            upstream=upstream,
            tenants=tenants,
            api_keys=stores.keys,
            admin=demo_admin(
                stores=stores,
                database=database,
                tenants=tenants,
                issuer=issuer,
                limits=Limits(limits),
                recent=recent,
                aside=beside,
            ),
            journal=Journal(clock=time.time, observers=(recent.observe, sampler.observe)),
            allowance=Allowance(rates=stores.rates, ledger=stores.ledger, aside=aside, clock=time.time),
            replays=Replays(
                store=stores.idempotency, aside=aside, clock=time.time, new_token=lambda: secrets.token_hex(16)
            ),
            register=register,
            completer=completer,
            sealer=sealer,
            cors=cors,
        )


async def _cancelled(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _composed(
    *,
    limits: Limits,
    store: EmbeddedS3,
    issuer: DevelopmentIssuer,
    endpoint: Endpoint,
    upstream: Upstream,
    tenants: DemoTenants,
    api_keys: ApiKeySource,
    admin: AdminParts,
    journal: Journal,
    allowance: Allowance,
    replays: Replays,
    register: Register,
    completer: Signer,
    sealer: Sealer,
    cors: Cors,
) -> Application:
    authenticator = Authenticator(
        [issuer.rule()],
        directory=tenants.policies,
        api_keys=api_keys,
        jwks_cache=JwksCache(fetcher=HttpsFetcher(allow_private=True)),
    )
    signer = Signer(store.identities.signer, store.region)

    def edge(admission: Admission) -> Application:
        carriage = carriages(limits)[Backend.EDGE]
        return Distribution(
            handler=make_handler(admission, base=BASES[Backend.EDGE], carriage=carriage, cors=cors),
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
        return not tenants.folder.faults

    return compose(
        Parts(
            authenticator=authenticator,
            policies=tenants.policies,
            endpoint=endpoint,
            signer=signer,
            upstream=upstream,
            sealer=sealer,
            limits=limits,
            edge=edge,
            checks={"storage": storage_reachable, "policies": policies_valid, "keys": keys_reachable},
            allowance=allowance,
            replays=replays,
            register=register,
            completer=completer,
            admin=admin,
            journal=journal,
            cors=cors,
        )
    )


def _database(data: Path) -> Database:
    """Where tenants, API keys, usage, reservations and rates are kept."""
    path = data / "gateway.sqlite"
    try:
        path.touch(mode=0o600)  # SQLite gives its other files the same mode
        return Database(path)
    except (StoreError, OSError) as error:
        raise DemoError(f"The store {path} can't be used: {error}.") from error


def _sealing_key(data: Path) -> bytes:
    """The key that seals upload ids, made on the first start, so that an id outlives a restart."""
    path = data / "sealing.key"
    if not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES))
    return path.read_bytes()
