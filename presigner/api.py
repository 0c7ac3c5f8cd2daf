"""The upload API over HTTP (FastAPI): plans for clients that agree first and send afterwards."""

from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError

from gateway.admission import Admission
from gateway.allowance import Caller
from gateway.asgi.request_id import STATE_KEY
from gateway.policy.problems import Code, Fault, Refusal
from gateway.policy.strict_json import loads
from presigner.access import opened, permitted
from presigner.bodies import (
    CompletedBody,
    CompleteRequest,
    PartsBody,
    PartsRequest,
    UploadDetailBody,
    UploadsBody,
)
from presigner.completion import Completer
from presigner.idempotency import Replays, idempotency_key
from presigner.life import Life
from presigner.planner import Planner
from presigner.plans import CreateUpload, PlanBody, faults
from presigner.problems import RefusedError, invalid_body
from presigner.sealing import Sealer
from presigner.upload import Upload
from presigner.wire import accepts_gzip, json_answer

Outcome = TypeVar("Outcome")
Body = TypeVar("Body", bound=BaseModel)

BODY_LIMIT = 65_536
"""The most bytes of a plan's request."""

PARTS_LIMIT = 2_097_152
"""The most bytes of a request that names 10,000 parts with their ETags and checksums."""

PAGE = 50
"""Uploads on a page where the client names no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What serves the upload API; without `replays` an `Idempotency-Key` is refused rather than ignored.

    Without `life` and `completer` the routes of an upload that was begun are not there.
    """

    admission: Admission
    planner: Planner
    sealer: Sealer
    replays: Replays | None
    life: Life | None
    completer: Completer | None

    async def caller(self, request: Request, *, query: frozenset[str] = frozenset()) -> Caller:
        """Who calls; raises RefusedError, also for a query parameter that is not one of `query`."""
        unknown = request.url.query and (not query or set(request.query_params) - query)
        if unknown:
            raise RefusedError(Refusal(code=Code.QUERY_NOT_ALLOWED, detail="This call has no such query parameters."))
        return granted(await self.admission.caller(headers_of(request), request_id=request_id_of(request)))

    async def own(self, request: Request, sealed: str) -> tuple[Caller, Upload]:
        """The caller and the upload of theirs that the path names; raises RefusedError."""
        caller = await self.caller(request)
        if refusal := permitted(caller):
            raise RefusedError(refusal)
        return caller, granted(opened(sealed, caller, self.sealer, self.planner.clock()))


def upload_routes(desk: Desk) -> APIRouter:
    """The routes of `/uploads`."""
    router = APIRouter(tags=["uploads"])
    _route_creation(router, desk)
    if desk.life is not None and desk.completer is not None:
        _route_reading(router, desk, desk.life)
        _route_ending(router, desk, desk.life, desk.completer)
    return router


def _route_creation(router: APIRouter, desk: Desk) -> None:
    @router.post("/uploads", status_code=201, response_model=PlanBody, openapi_extra=described(CreateUpload))
    async def create_upload(request: Request) -> Response:
        """Plan an upload: what to send where, all of it signed."""
        caller = await desk.caller(request)
        key = granted(idempotency_key(headers_of(request)))
        body = parse_body(await read_body(request), CreateUpload)
        if found := faults(body, caller.policy):
            raise RefusedError(invalid_body(*found))

        async def plan() -> dict[str, Any] | Refusal:
            return await desk.planner.plan(caller, body)

        if key is None:
            made = granted(await plan())
        elif desk.replays is None:
            raise RefusedError(invalid_body(Fault("/headers/idempotency-key", "This gateway remembers no keys.")))
        else:
            made = granted(await desk.replays.once(caller.principal, key, body.model_dump(), plan))
        return json_answer(await desk.planner.whole(dict(made)), status=201, gzip=wants_gzip(request))


def _route_reading(router: APIRouter, desk: Desk, life: Life) -> None:
    @router.get("/uploads", response_model=UploadsBody)
    async def list_uploads(request: Request) -> Response:
        """The caller's unfinished uploads."""
        caller = await desk.caller(request, query=frozenset({"limit", "cursor"}))
        if refusal := permitted(caller):
            raise RefusedError(refusal)
        limit = page_limit(request.query_params.get("limit"))
        page = await life.page(caller, limit=limit, cursor=request.query_params.get("cursor"))
        return json_answer(granted(page), gzip=wants_gzip(request))

    @router.get("/uploads/{upload_id}", response_model=UploadDetailBody)
    async def read_upload(request: Request, upload_id: str) -> Response:
        """An upload's state and the parts that S3 has."""
        _, upload = await desk.own(request, upload_id)
        return json_answer(granted(await life.detail(upload, upload_id)), gzip=wants_gzip(request))

    @router.post("/uploads/{upload_id}/parts", response_model=PartsBody, openapi_extra=described(PartsRequest))
    async def sign_parts(request: Request, upload_id: str) -> Response:
        """Fresh URLs for parts."""
        caller, upload = await desk.own(request, upload_id)
        body = parse_body(await read_body(request, PARTS_LIMIT), PartsRequest, PARTS_LIMIT)
        return json_answer(granted(await life.urls(upload, caller, body)), gzip=wants_gzip(request))


def _route_ending(router: APIRouter, desk: Desk, life: Life, completer: Completer) -> None:
    @router.post(
        "/uploads/{upload_id}/complete", response_model=CompletedBody, openapi_extra=described(CompleteRequest)
    )
    async def complete_upload(request: Request, upload_id: str) -> Response:
        """Complete the upload: what S3 holds is compared with the plan first."""
        caller, upload = await desk.own(request, upload_id)
        body = parse_body(await read_body(request, PARTS_LIMIT) or b"{}", CompleteRequest, PARTS_LIMIT)
        return json_answer(granted(await completer.complete(upload, upload_id, caller, body)))

    @router.delete("/uploads/{upload_id}", status_code=204)
    async def abort_upload(request: Request, upload_id: str) -> Response:
        """Give the upload up."""
        _, upload = await desk.own(request, upload_id)
        if refusal := await life.abort(upload, upload_id):
            raise RefusedError(refusal)
        return Response(status_code=204)


def described(body: type[BaseModel]) -> dict[str, Any]:
    """The request's body in the OpenAPI document; it is read by `parse_body`, not by the framework."""
    return {"requestBody": {"content": {"application/json": {"schema": body.model_json_schema()}}}}


def headers_of(request: Request) -> tuple[tuple[str, str], ...]:
    """The request's header pairs as they came."""
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"])


def request_id_of(request: Request) -> str:
    """The id that `WithRequestId` gave the request."""
    return str(getattr(request.state, STATE_KEY, ""))


def wants_gzip(request: Request) -> bool:
    """Whether the client takes gzip."""
    return accepts_gzip(request.headers.getlist("accept-encoding"))


def page_limit(text: str | None) -> int:
    """How many uploads a page has at most; raises RefusedError for what is no number from 1 to 100."""
    if text is None:
        return PAGE
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 100:
        return int(text)
    raise RefusedError(invalid_body(Fault("/query/limit", "A limit is a number from 1 to 100.")))


def granted(outcome: Outcome | Refusal) -> Outcome:
    """What is no refusal; a refusal is raised as `RefusedError`."""
    if isinstance(outcome, Refusal):
        raise RefusedError(outcome)
    return outcome


async def read_body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The body, at most `limit` bytes; more is refused before it is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            detail = f"The request's body has more than {limit} bytes."
            raise RefusedError(Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail=detail, limit=limit))
    return bytes(body)


def parse_body(data: bytes, kind: type[Body], limit: int = BODY_LIMIT) -> Body:
    """The body, strictly read; raises RefusedError with every fault and its pointer."""
    document = loads(data, max_bytes=limit, max_depth=8)
    if isinstance(document, Fault):
        raise RefusedError(invalid_body(document))
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        found = tuple(Fault(pointer(item["loc"]), item["msg"]) for item in error.errors(include_url=False))
        raise RefusedError(invalid_body(*found)) from None


def pointer(location: tuple[int | str, ...]) -> str:
    """A pydantic location as an RFC 6901 pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
