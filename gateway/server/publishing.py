"""The publisher of the edge's documents as a thread of the process that changes tenants."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.identity.fetch import HttpsFetcher
from gateway.server.deployment import Deployment, EdgeDocuments
from gateway.server.opened import OpenStores
from gateway.storage.small import SmallObjects
from gateway.tenants.published.leasing import Leasing
from gateway.tenants.published.publisher import Publisher, PublisherSettings
from gateway.tenants.published.signing import Ring
from gateway.tenants.published.source import TenantStates
from gateway.tenants.published.writer import DocumentWriter
from gateway.tenants.service import KeptPolicies


def publisher(documents: EdgeDocuments, deployment: Deployment, opened: OpenStores, kept: KeptPolicies) -> Publisher:
    """The publisher of this deployment; nothing is written before it runs."""
    objects = SmallObjects(endpoint=documents.endpoint, signer=lambda: documents.writer, clock=time.time)
    writer = DocumentWriter(
        objects,
        prefix=documents.prefix,
        pair=documents.pair,
        ring=Ring({**documents.believed, documents.pair.key_id: documents.pair.public}),
        lifetime=documents.lifetime,
        clock=time.time,
    )
    shares = documents.shares
    return Publisher(
        TenantStates(opened.stores.policies, opened.stores.keys, kept),
        writer,
        shared=deployment.tenant_issuers,
        fetcher=HttpsFetcher(allow_private=deployment.allow_private_issuers),
        clock=time.time,
        settings=PublisherSettings(
            parts=documents.parts, look_every=documents.look_every, tick=min(5.0, documents.look_every)
        ),
        sharing=None if shares is None else Leasing(opened.stores.ledger, shares, clock=time.time),
    )


@asynccontextmanager
async def running(published: Publisher) -> AsyncIterator[None]:
    """The publisher's thread, for as long as the gateway serves."""
    stop = threading.Event()
    thread = threading.Thread(target=published.run, args=(stop,), name="edge-documents", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        published.nudge()
        await asyncio.to_thread(thread.join)
