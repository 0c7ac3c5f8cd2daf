"""The composition root: collaborators in, the gateway's one ASGI application out. Nothing else wires anything."""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request

from gateway.admission import Admission, Authenticator
from gateway.allowance import Allowance
from gateway.asgi.cors import WithCors, answer_with_cors
from gateway.asgi.direct import Answer
from gateway.asgi.front import Enact, RequestIds, UploadFront
from gateway.asgi.metered import Metered
from gateway.asgi.mounts import Mounts
from gateway.asgi.operations import Check, metrics_routes, operations_routes
from gateway.asgi.request_id import WithRequestId
from gateway.asgi.switches import Switched, Switches
from gateway.asgi.turnstile import Turnstile
from gateway.asgi.wire import Application, Scope
from gateway.cors import API, NO_PAGES, UPLOADS, Calls, Cors
from gateway.journal import Journal
from gateway.metrics import Metrics
from gateway.minting import minting
from gateway.policy.model import Backend
from gateway.proxy.forward import Forwarder, Integrity
from gateway.server.admin import AdminParts, admin_routes, metrics_access
from gateway.server.carriages import Limits, carriages
from gateway.server.files import BASE as FILES_BASE
from gateway.server.files import FilesFront
from gateway.server.http1 import EXTENSION
from gateway.server.pages import Bundle, page_routes
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.sts import Sts
from gateway.storage.upstream import Upstream
from gateway.tenants.aside import Aside
from gateway.tenants.protocol import PolicySource
from presigner.application import create_application
from presigner.composition import PresignerParts, api_routes, plans_first
from presigner.idempotency import Replays
from presigner.register import Register
from presigner.sealing import Sealer
from presigner.tickets import BASE as TICKET_BASE
from presigner.tickets import TicketFront

BASES: Final[Mapping[Backend, str]] = {backend: f"/{backend}" for backend in Backend}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a deployment brings: who verifies, where policies are, where the bucket is and who signs for it.

    `edge` makes the backend that stands for CloudFront from the admission that the edge function uses, `proxy` the one
    that stands for API Gateway; without it the proxy streams to S3 itself. `allowance`
    holds tenants to their quotas and rates; without one, tenants that have any are refused. `replays` remembers
    idempotency keys, `register` unfinished uploads. Without a `completer`, who may complete and abort uploads, none is
    multipart. Without `sts` no client gets credentials of S3. Without `admin` there is no admin API. `journal` is told
    of every decision. `beside` is as for `Admission`, `draining` says that the process has been told to stop,
    the `turnstile` bounds how many uploads a tenant sends through at once, `metrics` is where everything is counted,
    `switches` say who is shown that; `public_url` is where clients reach the gateway.
    `pages` are the built pages of this installation; `cors` names the origins of others that may call.
    """

    authenticator: Authenticator
    policies: PolicySource
    endpoint: Endpoint
    signer: Signer
    upstream: Upstream
    sealer: Sealer
    limits: Limits
    edge: Callable[[Admission], Application]
    checks: Mapping[str, Check]
    proxy: Callable[[Admission], Application] | None = None
    allowance: Allowance | None = None
    replays: Replays | None = None
    register: Register | None = None
    completer: Signer | None = None
    sts: Sts | None = None
    admin: AdminParts | None = None
    journal: Journal | None = None
    pages: Bundle = field(default_factory=Bundle.read)
    cors: Cors = NO_PAGES
    beside: Aside | None = None
    integrity: Integrity = Integrity.NONE
    draining: Callable[[], bool] = lambda: False
    public_url: str | None = None
    turnstile: Turnstile = field(default_factory=Turnstile)
    metrics: Metrics = field(default_factory=Metrics)
    switches: Switches = field(default_factory=Switches)
    clock: Callable[[], float] = time.time


def request_id(scope: Scope) -> str:
    """The id the HTTP front gave this request, so that its own answers and ours share one; else a fresh one."""
    given: str | None = scope.get("extensions", {}).get(EXTENSION, {}).get("request_id")
    return given or secrets.token_hex(16)


def compose(parts: Parts, request_ids: RequestIds = request_id) -> Application:
    """The gateway: three backends, `/files`, the upload API, the admin API and operations."""
    admission = _admission(parts)
    presigner = _presigner(parts, admission)
    ways = carriages(parts.limits)
    forwarder = Forwarder(
        upstream=parts.upstream,
        endpoint=parts.endpoint,
        signer=parts.signer,
        clock=parts.clock,
        integrity=parts.integrity,
    )

    def front(backend: Backend, enact: Enact, turnstile: Turnstile | None = None) -> UploadFront:
        return UploadFront(
            turnstile=turnstile,
            base=BASES[backend],
            carriage=ways[backend],
            admission=admission,
            enact=enact,
            request_ids=request_ids,
        )

    own = {Backend.PRESIGNED: front(Backend.PRESIGNED, presigner.presigner.redirect)}
    if parts.proxy is None:
        own[Backend.PROXY] = front(Backend.PROXY, forwarder, parts.turnstile)
    backends: dict[Backend, Application] = {
        **({} if parts.proxy is None else {Backend.PROXY: parts.proxy(admission)}),
        **own,
        Backend.EDGE: parts.edge(admission),
    }
    files = FilesFront(admission=admission, carriages=ways, backends=backends, request_ids=request_ids)
    api = create_application(
        [
            *api_routes(presigner),
            operations_routes(parts.checks, parts.draining),
            metrics_routes(parts.metrics, _metrics_access(parts)),
            page_routes(parts.pages, storage_origin=parts.endpoint.origin),
            *([] if parts.admin is None else [admin_routes(parts.admin)]),
        ],
        admission.journal,
        public_url=parts.public_url,
    )

    def paged(application: Application, calls: Calls) -> Application:
        return WithCors(application, cors=parts.cors, calls=calls, request_ids=request_ids)

    direct: dict[str, Answer] = {
        BASES[backend]: answer_with_cors(each.answer, cors=parts.cors, calls=UPLOADS) for backend, each in own.items()
    }
    mounts = {**{BASES[backend]: application for backend, application in backends.items()}, FILES_BASE: files}
    fallback = paged(plans_first(WithRequestId(api, request_ids), presigner, request_ids), API)
    everything = Mounts(
        mounts={
            **{base: paged(application, UPLOADS) for base, application in mounts.items()},
            TICKET_BASE: TicketFront(fallback, presigner.tickets),
        },
        direct=direct,
        fallback=fallback,
    )
    return Metered(Switched(everything, parts.switches, request_ids), parts.metrics)


def _metrics_access(parts: Parts) -> Callable[[Request], Awaitable[None]]:
    """Who may read the figures."""
    return metrics_access(None if parts.admin is None else parts.admin.authenticator, parts.switches.metrics)


def _presigner(parts: Parts, admission: Admission) -> PresignerParts:
    """The part of the gateway that signs and plans."""
    return PresignerParts(
        admission=admission,
        endpoint=parts.endpoint,
        signer=parts.signer,
        upstream=parts.upstream,
        sealer=parts.sealer,
        clock=parts.clock,
        replays=parts.replays,
        register=parts.register,
        completer=parts.completer,
        sts=parts.sts,
    )


def _admission(parts: Parts) -> Admission:
    return Admission(
        parts.authenticator,
        parts.policies,
        minting(parts.clock),
        parts.allowance,
        parts.journal,
        beside=parts.beside,
    )
