"""`upload-gateway serve`: settings become a deployment, and workers serve it until they are told to stop.

The process that reads the settings looks at everything once, so that what is wrong is said in one sentence before
anything listens; then it only supervises (`gateway.server.workers`). Each worker opens the deployment for itself.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.asgi.forwarded import TrustedProxies
from gateway.asgi.turnstile import Turnstile
from gateway.cors import Cors
from gateway.identity.authenticate import AuthenticatorSettings
from gateway.local.edge import edge_here
from gateway.local.proxy import proxy_here
from gateway.metrics import Metrics
from gateway.server.carriages import Limits
from gateway.server.deployment import Deployment, EdgeDocuments
from gateway.server.listening import close_all, on_path, on_port
from gateway.server.logs import write_logs
from gateway.server.notify import tell
from gateway.server.opened import OpenStoresFor, dynamodb_opened, sqlite_opened
from gateway.server.shared import SharedMemory
from gateway.server.tls import TlsFiles
from gateway.server.wiring import wired
from gateway.server.worker import Draining, Service
from gateway.server.workers import Supervisor
from gateway.settings import Settings
from gateway.settings.http import http_limits
from gateway.settings.model import DynamoDbStore, Edge, S3Identity, SqliteStore
from gateway.storage.provider import CredentialsError, Provider, sdk_provider
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.sts import StsRole
from gateway.tenants.cache import CacheRules
from gateway.tenants.errors import StoreError
from gateway.tenants.folder import TenantFolder, TenantFolderError
from gateway.tenants.published.leasing import LeaseRules
from gateway.tenants.published.signing import SigningPair

_LOG: Final = logging.getLogger(__name__)

SPARE: Final = 5.0
"""Seconds that a worker has beyond its own limits before it is killed."""


class ServeError(Exception):
    """The gateway can't start; a sentence for whoever starts it."""


def run(settings: Settings, *, notify: str | None = None) -> int:
    """Serve until told to stop; the exit status. Raises `ServeError` where that can't begin.

    `notify` is where a service manager listens (`NOTIFY_SOCKET`).
    """
    write_logs(as_json=settings.log.format == "json", level=settings.log.level)
    examine(settings)
    listeners = _listeners(settings)
    watched = _operations(settings)
    place = _place(settings, listeners[0])
    shared = SharedMemory.of(settings.workers)

    def ready() -> None:
        _LOG.info("The gateway is ready at %s, with %d workers.", place, settings.workers)
        tell(notify, "READY=1")

    def release() -> None:
        tell(notify, "STOPPING=1")
        close_all(listeners)
        close_all(watched)

    def work(number: int, serving: Callable[[], None]) -> int:
        close_all(listeners, but=number)
        close_all(watched, but=number)
        beside = watched[number] if watched else None
        return service(settings, shared=shared, number=number).serve(listeners[number], serving, operations=beside)

    return Supervisor(
        work=work,
        count=settings.workers,
        on_ready=ready,
        release=release,
        on_end=shared.vacated,
        release_after=settings.drain.delay,
        patience=settings.drain.delay + settings.drain.grace + SPARE,
    ).run()


def examine(settings: Settings) -> None:
    """Open all that a worker will open and close it again; raises `ServeError` with what is wrong."""
    try:
        made = deployment(settings)
        asyncio.run(_opened_once(made))
        if settings.tls is not None:
            _tls(settings)
    except (CredentialsError, TenantFolderError) as error:
        raise ServeError(str(error)) from error
    except StoreError as error:
        raise ServeError(f"The store can't be used: {error}.") from error
    except ssl.SSLError as error:
        raise ServeError(f"The certificate and its key can't be used: {error.reason or error}.") from error
    except OSError as error:
        raise ServeError(f"{error.filename or 'Something that is needed'}: {error.strerror or error}.") from error


async def _opened_once(made: Deployment) -> None:
    async with made.stores():
        if made.folder is not None:
            made.folder()


def _tls(settings: Settings) -> TlsFiles | None:
    if settings.tls is None:
        return None
    files = TlsFiles(certificate=settings.tls.certificate, key=settings.tls.key)
    files.context()
    return files


def service(settings: Settings, *, shared: SharedMemory, number: int) -> Service:
    """One worker's service; the first of all sweeps, for more would only ask S3 the same again."""
    metrics = Metrics(shared.metrics, number)
    turnstile = Turnstile(most_uploads(settings), seats=shared.turnstile, number=number, gauge=metrics.uploads)

    def made(draining: Callable[[], bool]) -> Deployment:
        described = deployment(settings, sweeps=number == 0, draining=draining)
        return replace(described, metrics=metrics, turnstile=turnstile)

    return Service(
        open=lambda draining: wired(made(draining)),
        metrics=metrics,
        limits=http_limits(settings.http),
        tls=_tls(settings),
        delay=settings.drain.delay,
        grace=settings.drain.grace,
    )


def deployment(settings: Settings, *, sweeps: bool = True, draining: Callable[[], bool] | None = None) -> Deployment:
    """What the settings describe; raises `CredentialsError` where an identity has no credentials."""
    renewals: dict[Signer, Provider] = {}
    tenants, operator = settings.tenants, settings.s3.operator
    return Deployment(
        endpoint=settings.s3.place(),
        signer=signer(settings.s3.signer, settings.s3.region, renewals),
        completer=signer(settings.s3.completer, settings.s3.region, renewals),
        operator=None if operator is None else signer(operator, settings.s3.region, renewals),
        renewals=renewals,
        sts=_sessions(settings),
        stores=_stores(settings),
        sealing_keys=settings.sealing.ring(),
        tenant_issuers=[issuer.rule() for issuer in settings.issuers],
        operator_issuers=[issuer.rule() for issuer in settings.operators],
        tokens=AuthenticatorSettings(max_lifetime=settings.tokens.max_lifetime, leeway=settings.tokens.leeway),
        edge=edge_here,
        documents=documents(settings, renewals),
        proxy=proxy_here if settings.limits is Limits.AWS else None,
        integrity=settings.s3.checked,
        folder=_folder(settings),
        allow_private_issuers=tenants.allow_private_issuers,
        policy_cache=CacheRules(lifetime=tenants.policy_lifetime, stale_limit=tenants.policy_stale_limit),
        audit=settings.audit.rules(),
        limits=settings.limits,
        cors=Cors.of(settings.cors.origins),
        proxies=TrustedProxies.of(settings.listen.trusted_proxies),
        switches=settings.operations.switches(),
        public_url=settings.public_url,
        sweeps=sweeps,
        draining=draining or Draining(),
    )


def most_uploads(settings: Settings) -> int:
    """How many uploads a tenant may have under way on this machine."""
    return settings.tenants.most_uploads or max(1, http_limits(settings.http).max_connections * settings.workers // 2)


def documents(settings: Settings, renewals: dict[Signer, Provider]) -> EdgeDocuments | None:
    """Where the edge's documents go and who signs them; None where there is no edge function."""
    edge = settings.edge
    if edge is None:
        return None
    return EdgeDocuments(
        endpoint=edge.place(),
        writer=signer(edge.publisher, edge.region, renewals),
        pair=SigningPair.from_bytes(edge.key_id, edge.seed()),
        believed={},
        prefix=edge.prefix,
        lifetime=edge.lifetime,
        look_every=edge.look_every,
        parts=edge.parts,
        throttle=_throttle(settings, edge),
        shares=LeaseRules(instances=edge.instances, lifetime=edge.lease) if edge.throttle == "leased" else None,
    )


def _throttle(settings: Settings, edge: Edge) -> dict[str, object]:
    """What the edge function is told of rates and quotas."""
    store = settings.store
    if edge.throttle != "shared" or not isinstance(store, DynamoDbStore):
        return {"kind": edge.throttle}
    return {
        "kind": edge.throttle,
        "table": store.table,
        "region": store.region,
        "near": list(edge.near),
        "endpoint": None if store.endpoint is None else str(store.endpoint),
    }


def signer(identity: S3Identity, region: str, renewals: dict[Signer, Provider]) -> Signer:
    """A signer with the identity's credentials; where they are the SDK's, how to renew them is added to `renewals`."""
    if identity.access_key is not None and identity.secret_key is not None:
        token = identity.session_token
        given = Credentials(
            identity.access_key,
            identity.secret_key.get_secret_value(),
            None if token is None else token.get_secret_value(),
        )
        return Signer(given, region)
    provider = sdk_provider(identity.profile)
    made = Signer(provider(), region)
    renewals[made] = provider
    return made


def _sessions(settings: Settings) -> StsRole | None:
    sessions = settings.s3.sessions
    if sessions is None:
        return None
    return StsRole(url=sessions.endpoint or f"https://sts.{settings.s3.region}.amazonaws.com/", arn=sessions.role)


def _stores(settings: Settings) -> OpenStoresFor:
    store = settings.store
    if isinstance(store, SqliteStore):
        path = store.path
        return lambda: sqlite_opened(path)
    table, region, endpoint = store.table, store.region, store.endpoint
    return lambda: dynamodb_opened(table=table, region=region, endpoint=endpoint)


def _folder(settings: Settings) -> Callable[[], TenantFolder] | None:
    tenants, path = settings.tenants, settings.tenants.folder
    if path is None:
        return None
    return lambda: TenantFolder(
        path,
        allow_private_issuers=tenants.allow_private_issuers,
        lifetime=tenants.policy_lifetime,
        clock=time.monotonic,
    )


def _listeners(settings: Settings) -> list[socket.socket]:
    listen = settings.listen
    try:
        if listen.unix is not None:
            return on_path(listen.unix, workers=settings.workers)
        return on_port(listen.host, listen.port, workers=settings.workers)
    except OSError as error:
        where = listen.unix or f"{listen.host}, port {listen.port}"
        raise ServeError(f"The gateway can't listen on {where}: {error.strerror or error}.") from error


def _operations(settings: Settings) -> list[socket.socket]:
    """The listener apart, a socket a worker; none where there is none."""
    said = settings.operations
    if said.port is None:
        return []
    try:
        made = on_port(said.host, said.port, workers=settings.workers)
    except OSError as error:
        where = f"{said.host}, port {said.port}"
        raise ServeError(f"The operations' listener can't be on {where}: {error.strerror or error}.") from error
    _LOG.info("Operations answer at http://%s:%d.", *made[0].getsockname()[:2])
    return made


def _place(settings: Settings, listener: socket.socket) -> str:
    if settings.listen.unix is not None:
        return str(settings.listen.unix)
    host, port = listener.getsockname()[:2]
    scheme = "http" if settings.tls is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
