"""The presigner put together: the same calls behind the whole gateway and behind a Lambda function of its own."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter

from gateway.admission import Admission
from gateway.asgi.cors import WithCors
from gateway.asgi.front import RequestIds, UploadFront
from gateway.asgi.mounts import Mounts
from gateway.asgi.operations import Check, operations_routes
from gateway.asgi.request_id import WithRequestId
from gateway.asgi.wire import Application
from gateway.cors import API, UPLOADS, Cors
from gateway.storage.endpoint import Endpoint
from gateway.storage.multipart import Multipart
from gateway.storage.sigv4 import Signer
from gateway.storage.sts import Sts
from gateway.storage.upstream import Upstream
from presigner.api import ticket_routes, upload_routes
from presigner.application import create_application
from presigner.completion import Completer
from presigner.creation import Creation
from presigner.desk import Desk
from presigner.front import PlanFront
from presigner.idempotency import Replays
from presigner.life import Life
from presigner.planner import Planner
from presigner.redirect import BASE, ON_LAMBDA, Presigner
from presigner.register import Register
from presigner.sealing import Sealer
from presigner.signing import PlanSigner
from presigner.tickets import BASE as TICKET_BASE
from presigner.tickets import TicketFront, Tickets
from presigner.uppy.params import Params
from presigner.uppy.routes import uppy_routes
from presigner.uppy.sign import sign_routes
from presigner.uppy.sts import sts_routes


@dataclass(frozen=True, slots=True, kw_only=True)
class PresignerParts:
    """What the presigner is made of.

    `replays` remembers idempotency keys, `register` unfinished uploads. Without a `completer`, who may complete and
    abort uploads, none is multipart; without `sts` no client gets credentials of S3. `most_bytes` is the most that an
    answer may have, None where it has no limit.
    """

    admission: Admission
    endpoint: Endpoint
    signer: Signer
    upstream: Upstream
    sealer: Sealer
    clock: Callable[[], float]
    replays: Replays | None = None
    register: Register | None = None
    completer: Signer | None = None
    sts: Sts | None = None
    most_bytes: int | None = None

    @property
    def presigner(self) -> Presigner:
        """Who signs single PUTs."""
        return Presigner(endpoint=self.endpoint, signer=self.signer, clock=self.clock)

    @property
    def tickets(self) -> Tickets:
        """Who makes and reads tickets."""
        return Tickets(sealer=self.sealer, clock=self.clock)


def plans_first(api: Application, parts: PresignerParts, request_ids: RequestIds) -> Application:
    """The application, with the calls that are asked most answered before the framework."""
    desk = _desk(parts)
    return PlanFront(api, calls=(Creation(desk=desk), Params(desk=desk)), desk=desk, request_ids=request_ids)


def api_routes(parts: PresignerParts) -> tuple[APIRouter, ...]:
    """The routes of the upload API, Uppy's among them."""
    desk = _desk(parts)
    routes: tuple[APIRouter, ...] = (
        ticket_routes(desk, parts.tickets),
        upload_routes(desk),
        uppy_routes(desk, parts.endpoint),
    )
    routes = (*routes, sts_routes(desk, parts.sts, parts.endpoint, parts.signer.region))
    if parts.completer is None:
        return routes
    return (*routes, sign_routes(desk, PlanSigner(endpoint=parts.endpoint, signer=parts.completer)))


def standalone(
    parts: PresignerParts, *, cors: Cors, request_ids: RequestIds, checks: Mapping[str, Check] | None = None
) -> Application:
    """The presigner as an application of its own: `PUT /presigned/{name}`, the upload API and operations, as on Lambda.

    `checks` are what `/readyz` asks.
    """
    front = UploadFront(
        base=BASE,
        carriage=ON_LAMBDA,
        admission=parts.admission,
        enact=parts.presigner.redirect,
        request_ids=request_ids,
    )
    routes = (*api_routes(parts), operations_routes(checks or {}))
    api = WithRequestId(create_application(routes, parts.admission.journal), request_ids)
    fallback = WithCors(plans_first(api, parts, request_ids), cors=cors, calls=API, request_ids=request_ids)
    return Mounts(
        mounts={
            BASE: WithCors(front, cors=cors, calls=UPLOADS, request_ids=request_ids),
            TICKET_BASE: TicketFront(fallback, parts.tickets),
        },
        fallback=fallback,
    )


def _desk(parts: PresignerParts) -> Desk:
    storage, signer = _storage(parts), PlanSigner(endpoint=parts.endpoint, signer=parts.signer)
    life = completer = None
    register, clock, journal = parts.register, parts.clock, parts.admission.journal
    if storage is not None:
        life = Life(
            storage=storage, register=register, signer=signer, sealer=parts.sealer, clock=clock, journal=journal
        )
        completer = Completer(storage=storage, register=register, clock=clock, journal=journal, replays=parts.replays)
    planner = Planner(
        admission=parts.admission,
        presigner=parts.presigner,
        signer=signer,
        sealer=parts.sealer,
        storage=storage,
        register=register,
        clock=clock,
        new_id=lambda: f"{int(clock() * 1000):012x}{os.urandom(10).hex()}",
    )
    return Desk(
        admission=parts.admission,
        planner=planner,
        sealer=parts.sealer,
        replays=parts.replays,
        life=life,
        completer=completer,
        most_bytes=parts.most_bytes,
    )


def _storage(parts: PresignerParts) -> Multipart | None:
    """S3's multipart calls, where somebody may make them."""
    if parts.completer is None:
        return None
    return Multipart(upstream=parts.upstream, endpoint=parts.endpoint, signer=parts.completer, clock=parts.clock)
