"""How the gateway is put together in one process: every deployment goes through `wired`, and differs in what it gives.

Everything that is opened here is closed here, in the opposite order.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from gateway.allowance import Allowance
from gateway.asgi.forwarded import Forwarded
from gateway.asgi.operations import Check
from gateway.asgi.wire import Application
from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.identity.rules import jwks_source
from gateway.journal import Journal
from gateway.server.comparing import Reconciling
from gateway.server.composition import Parts, compose
from gateway.server.deployment import Deployment, Site
from gateway.server.metering import CountedFetcher, CountedTrail, keep_looking, s3_observer
from gateway.server.opened import OpenStores
from gateway.server.publishing import publisher, running
from gateway.server.reconciling import chain_of, sweep_ledger
from gateway.server.sweeper import keep_key_uses, sample_usage, sweep, sweep_uploads
from gateway.server.tenancy import Tenancy, admin, tenancy
from gateway.storage.multipart import Multipart
from gateway.storage.objects import Objects
from gateway.storage.provider import keep_renewed
from gateway.storage.sts import AssumedRole, Sts
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.expiry import DueSettlement
from gateway.tenants.published.leasing import looking
from gateway.tenants.published.publisher import Publisher
from gateway.tenants.replay import RecentDecisions
from gateway.tenants.sampling import UsageSampler
from gateway.tenants.service import KeptPolicies
from gateway.tenants.trail import AuditTrail
from presigner.idempotency import Replays
from presigner.register import Register
from presigner.sealing import Sealer

_PROBE = "readyz"
"""The tenant that is asked for to see whether the store answers; whether there is one does not matter."""


@asynccontextmanager
async def wired(deployment: Deployment) -> AsyncIterator[Application]:
    """The gateway's application, open for as long as it serves.

    Raises `TenantFolderError`, `StoreError` or `OSError` where the deployment can't be opened.
    """
    async with AsyncExitStack() as stack:
        metrics = deployment.metrics
        upstream = await stack.enter_async_context(Upstream(timeouts=Timeouts(), observe=s3_observer(metrics)))
        opened = await stack.enter_async_context(deployment.stores())
        recent = RecentDecisions(opened.stores.decisions)
        stack.push_async_callback(asyncio.to_thread, recent.close)
        sampler = UsageSampler(ledger=opened.stores.ledger, history=opened.stores.history, clock=time.time)
        tenants = tenancy(deployment, opened)
        trail = await stack.enter_async_context(_trail(deployment, opened))
        told = CountedTrail(trail, metrics)
        journal = Journal(clock=time.time, trail=told, observers=(recent.observe, sampler.observe))
        sealer = Sealer(deployment.sealing_keys, secrets.token_bytes)
        register = Register(
            uploads=opened.stores.uploads, ledger=opened.stores.ledger, aside=opened.aside, clock=time.time
        )
        sweeping: tuple[Coroutine[Any, Any, None], ...] = ()
        if deployment.sweeps:
            comparing = _comparing(deployment, opened, upstream, sealer=sealer, journal=journal, kept=tenants.kept)
            sweeping = _sweeping(
                deployment, opened, upstream, register=register, sealer=sealer, journal=journal, comparing=comparing
            )
        renewing = (keep_renewed(deployment.renewals),) if deployment.renewals else ()
        uses = keep_key_uses(tenants.key_uses, opened.beside)
        looking = keep_looking(metrics, trail.state)
        for work in (looking, sample_usage(sampler, opened.beside), uses, *renewing, *sweeping):
            stack.push_async_callback(_cancelled, asyncio.ensure_future(work))
        published = None
        if deployment.documents is not None:
            published = publisher(deployment.documents, deployment, opened, tenants.kept)
            await stack.enter_async_context(running(published))
        parts = _parts(
            deployment,
            opened,
            published=published,
            upstream=upstream,
            tenants=tenants,
            register=register,
            sealer=sealer,
            recent=recent,
            journal=journal,
        )
        application = compose(parts)
        yield Forwarded(application, deployment.proxies) if deployment.proxies else application


def _trail(deployment: Deployment, opened: OpenStores) -> AuditTrail:
    """Where this process writes its decisions down."""
    return AuditTrail(
        opened.stores.audit, opened.aside, clock=time.time, chain=chain_of(opened), rules=deployment.audit
    )


def _sweeping(
    deployment: Deployment,
    opened: OpenStores,
    upstream: Upstream,
    *,
    register: Register,
    sealer: Sealer,
    journal: Journal,
    comparing: Reconciling | None,
) -> tuple[Coroutine[Any, Any, None], ...]:
    """The work beside answering, for ever; the ledger is held against S3 where somebody may list the bucket."""
    endpoint, completer = deployment.endpoint, deployment.completer
    multipart = Multipart(upstream=upstream, endpoint=endpoint, signer=completer, clock=time.time)
    look = _look(deployment, upstream, None if comparing is None else comparing.tenant)
    return (
        sweep(opened.stores.ledger, look, opened.aside, journal, clock=time.time),
        sweep_uploads(register, multipart, sealer, journal),
        *(() if comparing is None else (sweep_ledger(comparing),)),
    )


def _comparing(
    deployment: Deployment,
    opened: OpenStores,
    upstream: Upstream,
    *,
    sealer: Sealer,
    journal: Journal,
    kept: KeptPolicies,
) -> Reconciling | None:
    """What holds the ledger against S3, where somebody may list the bucket."""
    if deployment.operator is None:
        return None
    return Reconciling(
        upstream=upstream,
        endpoint=deployment.endpoint,
        operator=deployment.operator,
        completer=deployment.completer,
        opened=opened,
        sealer=sealer,
        journal=journal,
        clock=time.time,
        kept=kept.tenants,
    )


def _look(
    deployment: Deployment, upstream: Upstream, relist: Callable[[str], Awaitable[object]] | None = None
) -> Callable[[str], Awaitable[int | None]]:
    """A look at one object; at a lease, which takes a listing, where there is one."""
    objects = Objects(upstream=upstream, endpoint=deployment.endpoint, signer=deployment.completer, clock=time.time)
    return looking(objects.size, relist)


def _sts(deployment: Deployment, upstream: Upstream) -> Sts | None:
    """Where sessions come from, where there are any."""
    if deployment.sts is None:
        return None
    return AssumedRole(upstream=upstream, role=deployment.sts, signer=deployment.signer, clock=time.time)


async def _cancelled(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _parts(
    deployment: Deployment,
    opened: OpenStores,
    *,
    published: Publisher | None,
    upstream: Upstream,
    tenants: Tenancy,
    register: Register,
    sealer: Sealer,
    recent: RecentDecisions,
    journal: Journal,
) -> Parts:
    stores, aside = opened.stores, opened.aside
    fetcher = HttpsFetcher(allow_private=deployment.allow_private_issuers)
    jwks_cache = JwksCache(fetcher=CountedFetcher(fetcher, deployment.metrics))
    site = Site(
        limits=deployment.limits,
        endpoint=deployment.endpoint,
        signer=deployment.signer,
        upstream=upstream,
        cors=deployment.cors,
        turnstile=deployment.turnstile,
    )
    return Parts(
        authenticator=Authenticator(
            deployment.tenant_issuers,
            directory=tenants.policies,
            api_keys=tenants.key_uses,
            jwks_cache=jwks_cache,
            settings=deployment.tokens,
        ),
        policies=tenants.policies,
        endpoint=deployment.endpoint,
        signer=deployment.signer,
        upstream=upstream,
        sealer=sealer,
        limits=deployment.limits,
        edge=deployment.edge(site),
        proxy=None if deployment.proxy is None else deployment.proxy(site),
        checks=_checks(deployment, opened, upstream, tenants, jwks_cache),
        draining=deployment.draining,
        allowance=Allowance(
            rates=stores.rates,
            ledger=stores.ledger,
            aside=aside,
            clock=time.time,
            settle_due=DueSettlement(
                stores.ledger, _look(deployment, upstream), aside, clock=time.time, told=journal.swept
            ),
        ),
        replays=Replays(
            store=stores.idempotency, aside=aside, clock=time.time, new_token=lambda: secrets.token_hex(16)
        ),
        register=register,
        completer=deployment.completer,
        sts=_sts(deployment, upstream),
        admin=admin(
            deployment,
            opened,
            tenants,
            jwks_cache=jwks_cache,
            last_decisions=recent.last,
            published=published,
        ),
        journal=journal,
        integrity=deployment.integrity,
        cors=deployment.cors,
        turnstile=deployment.turnstile,
        metrics=deployment.metrics,
        switches=deployment.switches,
        public_url=deployment.public_url,
        beside=opened.beside if opened.remote else None,
    )


def _checks(
    deployment: Deployment, opened: OpenStores, upstream: Upstream, tenants: Tenancy, jwks_cache: JwksCache
) -> dict[str, Check]:
    """What `/readyz` asks."""

    async def storage() -> bool:
        return await upstream.reachable(deployment.endpoint.origin)

    async def policies() -> bool:
        try:
            await opened.beside(lambda: opened.stores.policies.get(_PROBE))
        except OSError:
            return False
        return tenants.faultless

    async def keys() -> bool:
        unknown = {
            _origin(rule.jwks_uri or rule.issuer)
            for rule in deployment.tenant_issuers
            if not jwks_cache.believes(jwks_source(rule))
        }
        return all([await upstream.reachable(origin) for origin in unknown])

    return {"storage": storage, "policies": policies, "keys": keys}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
