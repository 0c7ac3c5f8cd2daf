"""What the demo's gateway is made of: the deployment that its directory, its S3 and its issuer are."""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.asgi.switches import Exposure, Switches
from gateway.asgi.wire import Application
from gateway.cors import Cors
from gateway.local.edge import edge_here, published_edge
from gateway.local.errors import DemoError
from gateway.local.files import prepare, write_private
from gateway.local.issuer import DevelopmentIssuer
from gateway.local.proxy import proxy_here
from gateway.local.s3_identities import UPLOADS_ROLE, Identities
from gateway.metrics import Metrics
from gateway.policy.document import parse, render
from gateway.policy.model import Policy
from gateway.server.carriages import Limits
from gateway.server.deployment import Deployment, EdgeDocuments
from gateway.server.metering import CountedFront
from gateway.server.opened import private_database, sqlite_opened
from gateway.server.wiring import wired
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.sts import StsRole
from gateway.tenants.cache import CacheRules
from gateway.tenants.demo_documents import demo_documents
from gateway.tenants.errors import StoreError
from gateway.tenants.folder import TenantFolder, TenantFolderError
from gateway.tenants.policies import Change, PolicyStore
from gateway.tenants.published.leasing import LeaseRules
from gateway.tenants.published.signing import SigningPair
from gateway.tenants.stores import sqlite_stores
from presigner.sealing import KEY_BYTES

__all__ = ["CountedFront", "Metrics", "Place", "deployment", "found", "gateway", "prepared"]

POLICY_LIFETIME: Final = 0.0
"""Seconds that a policy is believed without a look at where it is kept: a change is in force at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a demo is: directory, bucket, who may do what there, issuers, whose limits hold, whose pages may call.

    `documents` is the bucket of the edge's documents where the edge is to decide by them, as in CloudFront.
    """

    data: Path
    endpoint: Endpoint
    region: str
    identities: Identities
    issuer: DevelopmentIssuer
    limits: str
    cors: Cors
    documents: Endpoint | None = None


def found(data: Path, told: Mapping[str, Any]) -> Place:
    """The place of a demo that another process runs: by what that one tells, and what it keeps in its directory."""
    return Place(
        data=data,
        endpoint=Endpoint.at(told["endpoint"], told["bucket"]),
        region=told["region"],
        identities=Identities.keep(data / "s3-keys.json", secrets.token_hex),
        issuer=DevelopmentIssuer.open(data),
        limits=told["limits"],
        cors=Cors.of(told["origins"]),
        documents=None if told["documents"] is None else Endpoint.at(*told["documents"]),
    )


def prepared(data: Path) -> None:
    """Make what a gateway of this directory needs, once, whichever processes will serve; raises `DemoError`.

    The demo's two tenants are put into a store that has never had them, and the folder of documents is read, so that
    what is wrong with it is said before anything serves.
    """
    folder = _folder_of(data)
    if not folder.exists():
        prepare(folder)
    _sealing_key(data)
    path = data / "gateway.sqlite"
    try:
        database = private_database(path)
        _seed(sqlite_stores(database).policies)
        database.close()
    except (StoreError, OSError) as error:
        raise DemoError(f"The store {path} can't be used: {error}.") from error
    try:
        _folder(data)
    except TenantFolderError as error:
        raise DemoError(str(error)) from error


def deployment(
    place: Place, *, sweeps: bool, draining: Callable[[], bool], metrics: Metrics | None = None
) -> Deployment:
    """The gateway of a prepared directory."""
    documents = _documents(place)
    return Deployment(
        endpoint=place.endpoint,
        signer=Signer(place.identities.signer, place.region),
        completer=Signer(place.identities.completer, place.region),
        sts=StsRole(url=f"{place.endpoint.origin}/", arn=UPLOADS_ROLE),
        operator=Signer(place.identities.operator, place.region),
        stores=lambda: sqlite_opened(place.data / "gateway.sqlite"),
        sealing_keys=[_sealing_key(place.data)],
        tenant_issuers=[place.issuer.rule()],
        operator_issuers=[place.issuer.operator_rule()],
        edge=edge_here if documents is None else published_edge(documents, place.identities.edge),
        documents=documents,
        proxy=proxy_here if Limits(place.limits) is Limits.AWS else None,
        folder=lambda: _folder(place.data),
        allow_private_issuers=True,
        policy_cache=CacheRules(lifetime=POLICY_LIFETIME, stale_limit=0),
        limits=Limits(place.limits),
        cors=place.cors,
        sweeps=sweeps,
        draining=draining,
        metrics=metrics or Metrics(),
        switches=Switches(metrics=Exposure.OPEN),
    )


def gateway(
    place: Place, *, sweeps: bool = True, draining: Callable[[], bool] = lambda: False, metrics: Metrics | None = None
) -> AbstractAsyncContextManager[Application]:
    """The application of a prepared directory, open for as long as it serves; `metrics` is where it counts."""
    return wired(deployment(place, sweeps=sweeps, draining=draining, metrics=metrics))


def _documents(place: Place) -> EdgeDocuments | None:
    """The edge's documents, signed by a key of the directory's own; files of tenants are looked at every second.

    Rates and quotas are shared out to one function, for that is how many there are in one process.
    """
    if place.documents is None:
        return None
    path = place.data / "edge-signing.key"
    if not path.exists():
        write_private(path, secrets.token_bytes(32))
    return EdgeDocuments(
        endpoint=place.documents,
        writer=Signer(place.identities.publisher, place.region),
        pair=SigningPair.from_bytes("demo", path.read_bytes()),
        believed={},
        look_every=1.0,
        parts=1,
        throttle={"kind": "leased"},
        shares=LeaseRules(instances=1),
    )


def _folder_of(data: Path) -> Path:
    return data / "tenants"


def _folder(data: Path) -> TenantFolder:
    """Documents in files, which are in force before the store's; such a tenant is read-only for the admin API."""
    return TenantFolder(_folder_of(data), allow_private_issuers=True, lifetime=POLICY_LIFETIME, clock=time.monotonic)


def _seed(policies: PolicyStore) -> None:
    """Put the demo's two tenants into a store that has never had them; one that was deleted stays deleted."""
    for document in demo_documents():
        policy = parse(document)
        if isinstance(policy, Policy) and not policies.history(policy.tenant, limit=1).items:
            change = Change(at=time.time(), by="upload-gateway demo", reason="The demo's own tenant")
            policies.create(policy.tenant, render(policy), change)


def _sealing_key(data: Path) -> bytes:
    """The key that seals upload ids, made on the first start, so that an id outlives a restart."""
    path = data / "sealing.key"
    if not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES))
    return path.read_bytes()
