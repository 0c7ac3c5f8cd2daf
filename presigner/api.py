"""The upload API over HTTP (FastAPI): plans for clients that agree first and send afterwards."""

from fastapi import APIRouter, Request, Response

from gateway.asgi.problems import RefusedError
from gateway.journal import TICKET
from presigner.bodies import (
    CompletedBody,
    CompleteRequest,
    PartsBody,
    PartsRequest,
    TicketBody,
    UploadDetailBody,
    UploadsBody,
)
from presigner.completion import Completer
from presigner.creation import PATH, Creation
from presigner.desk import Desk, demand_query
from presigner.life import Life
from presigner.plans import CreateUpload, PlanBody, rfc3339
from presigner.reading import (
    PARTS_LIMIT,
    asked_of,
    described,
    granted,
    page_limit,
    parse_body,
    read_body,
    wants_gzip,
)
from presigner.tickets import Tickets
from presigner.wire import fitting, framed, json_answer


def upload_routes(desk: Desk) -> APIRouter:
    """The routes of `/uploads`."""
    router = APIRouter(tags=["uploads"])
    _route_creation(router, desk)
    if desk.life is not None and desk.completer is not None:
        _route_reading(router, desk, desk.life)
        _route_ending(router, desk, desk.life, desk.completer)
    return router


def ticket_routes(desk: Desk, tickets: Tickets) -> APIRouter:
    """The route that makes tickets."""
    router = APIRouter(tags=["uploads"])

    @router.post("/uploads/tickets", status_code=201, response_model=TicketBody)
    async def create_ticket(request: Request) -> Response:
        """A ticket for clients that can send no header: the paths under `/t/{ticket}/s3` take it."""
        demand_query(request)
        caller = await desk.caller(request, client="uppy")
        await desk.pace(caller)
        ticket, ends = tickets.made(caller)
        desk.admission.journal.acted(caller, TICKET, "granted")
        return json_answer({"ticket": ticket, "expires_at": rfc3339(ends)}, status=201)

    return router


def _route_creation(router: APIRouter, desk: Desk) -> None:
    creation = Creation(desk=desk)

    @router.post(PATH, status_code=201, response_model=PlanBody, openapi_extra=described(CreateUpload))
    async def create_upload(request: Request) -> Response:
        """Plan an upload: what to send where, all of it signed."""
        demand_query(request)
        caller = await desk.caller(request)
        return framed(await creation.reply(caller, asked_of(request)))


def _route_reading(router: APIRouter, desk: Desk, life: Life) -> None:
    @router.get("/uploads", response_model=UploadsBody)
    async def list_uploads(request: Request) -> Response:
        """The caller's unfinished uploads."""
        demand_query(request, "limit", "cursor")
        caller = await desk.caller(request)
        await desk.pace(caller)
        limit = page_limit(request.query_params.get("limit"))
        page = await life.page(caller, limit=limit, cursor=request.query_params.get("cursor"))
        return json_answer(granted(page), gzip=wants_gzip(request))

    @router.get("/uploads/{upload_id}", response_model=UploadDetailBody)
    async def read_upload(request: Request, upload_id: str) -> Response:
        """An upload's state and the parts that S3 has."""
        demand_query(request)
        _, upload = await desk.own(request, upload_id)
        return json_answer(granted(await life.detail(upload, upload_id)), gzip=wants_gzip(request))

    @router.post("/uploads/{upload_id}/parts", response_model=PartsBody, openapi_extra=described(PartsRequest))
    async def sign_parts(request: Request, upload_id: str) -> Response:
        """Fresh URLs for parts."""
        demand_query(request)
        caller, upload = await desk.own(request, upload_id)
        body = parse_body(await read_body(request, PARTS_LIMIT), PartsRequest, PARTS_LIMIT)
        fresh, gzip = granted(await life.urls(upload, caller, body)).body(), wants_gzip(request)
        return json_answer(fresh if gzip else fitting(fresh, desk.most_bytes), gzip=gzip)


def _route_ending(router: APIRouter, desk: Desk, life: Life, completer: Completer) -> None:
    @router.post(
        "/uploads/{upload_id}/complete", response_model=CompletedBody, openapi_extra=described(CompleteRequest)
    )
    async def complete_upload(request: Request, upload_id: str) -> Response:
        """Complete the upload: what S3 holds is compared with the plan first."""
        demand_query(request)
        caller, upload = await desk.own(request, upload_id)
        body = parse_body(await read_body(request, PARTS_LIMIT) or b"{}", CompleteRequest, PARTS_LIMIT)
        return json_answer(granted(await completer.complete(upload, upload_id, caller, body)))

    @router.delete("/uploads/{upload_id}", status_code=204)
    async def abort_upload(request: Request, upload_id: str) -> Response:
        """Give the upload up."""
        demand_query(request)
        caller, upload = await desk.own(request, upload_id)
        if refusal := await life.abort(upload, upload_id, caller):
            raise RefusedError(refusal)
        return Response(status_code=204)
