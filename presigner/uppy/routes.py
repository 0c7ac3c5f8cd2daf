"""Companion's paths: `/s3/params` and `/s3/multipart…`, for @uppy/aws-s3 4 and 5, and by ticket for 6."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.allowance import Caller
from gateway.asgi.problems import RefusedError, invalid_body
from gateway.policy.problems import Fault
from gateway.storage.endpoint import Endpoint
from presigner.bodies import CompletedPart, CompleteRequest, PartsRequest
from presigner.completion import Completer
from presigner.desk import Desk, demand_query
from presigner.life import Life
from presigner.parts import MOST_PARTS
from presigner.reading import PARTS_LIMIT, asked_of, described, granted, parse_body, read_body, wants_gzip
from presigner.upload import Strategy, Upload
from presigner.uppy.asked import (
    UPPY,
    CreateMultipart,
    demand,
    faults,
    wanted,
)
from presigner.uppy.keys import key_refusal, sealed_key
from presigner.uppy.params import Params
from presigner.uppy.rendering import SaidTwice
from presigner.wire import framed, json_answer


class UppyPart(BaseModel):
    """A part as Uppy lists it at complete."""

    model_config = ConfigDict(extra="ignore", strict=True)

    part_number: int = Field(alias="PartNumber")
    etag: str = Field(alias="ETag")


class UppyParts(BaseModel):
    """The body of `POST /s3/multipart/{uploadId}/complete`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parts: list[UppyPart] = Field(max_length=MOST_PARTS)


def uppy_routes(desk: Desk, endpoint: Endpoint) -> APIRouter:
    """The routes of `/s3` that Companion has."""
    router = APIRouter(tags=["uppy"], prefix="/s3", route_class=SaidTwice)
    _route_params(router, desk)
    if desk.life is not None and desk.completer is not None:
        _route_creation(router, desk, endpoint)
        _route_parts(router, desk, desk.life)
        _route_ending(router, desk, desk.life, desk.completer, endpoint)
    return router


def _route_params(router: APIRouter, desk: Desk) -> None:
    call = Params(desk=desk)

    @router.get("/params")
    async def params(request: Request) -> Response:
        """How to send one file whole: a form that S3 holds to the tenant's bounds, else a PUT."""
        caller = await desk.caller(request, client=UPPY)
        return framed(await call.reply(caller, asked_of(request)))


def _route_creation(router: APIRouter, desk: Desk, endpoint: Endpoint) -> None:
    @router.post("/multipart", openapi_extra=described(CreateMultipart))
    async def create_multipart(request: Request) -> Response:
        """Begin an upload in parts; `key` and `uploadId` are sealed."""
        demand_query(request)
        caller = await desk.caller(request, client=UPPY)
        asked = parse_body(await read_body(request), CreateMultipart)
        demand(faults(asked, caller.policy))
        minted = desk.admission.minted()
        plan = granted(
            await desk.planner.plan(caller, wanted(asked, caller.policy, minted, Strategy.MULTIPART)),
        )
        upload = Upload.opened(plan["id"], desk.sealer)
        key = sealed_key("" if upload is None else upload.id, desk.sealer)
        return json_answer({"key": key, "uploadId": plan["id"], "bucket": endpoint.bucket})


def _route_parts(router: APIRouter, desk: Desk, life: Life) -> None:
    @router.get("/multipart/{upload_id}")
    async def list_parts(request: Request, upload_id: str) -> Response:
        """The parts that S3 has, all of them."""
        _, upload = await _own(desk, request, upload_id)
        parts = granted(await life.parts(upload))
        listed = [
            {"PartNumber": part.number, "ETag": part.etag, "Size": part.size, "LastModified": part.modified}
            for part in parts
        ]
        return json_answer(listed, gzip=wants_gzip(request))

    @router.get("/multipart/{upload_id}/batch")
    async def sign_batch(request: Request, upload_id: str) -> Response:
        """The URLs of some parts."""
        caller, upload = await _own(desk, request, upload_id, "partNumbers")
        texts = request.query_params.get("partNumbers", "").split(",")
        signed = await _signed(life, caller, upload, [_number(text) for text in texts])
        urls = {str(part["number"]): part["url"] for part in signed[0]}
        return json_answer({"presignedUrls": urls}, gzip=wants_gzip(request))

    @router.get("/multipart/{upload_id}/{part_number}")
    async def sign_part(request: Request, upload_id: str, part_number: str) -> Response:
        """The URL of one part."""
        caller, upload = await _own(desk, request, upload_id)
        (part,), lifetime = await _signed(life, caller, upload, [_number(part_number)])
        return json_answer({"url": part["url"], "expires": lifetime})


async def _signed(life: Life, caller: Caller, upload: Upload, numbers: list[int]) -> tuple[list[dict[str, Any]], int]:
    """The parts of these numbers and the seconds that their URLs live; raises RefusedError."""
    if not set(numbers) <= set(range(1, upload.last_part + 1)):
        raise RefusedError(invalid_body(Fault("/partNumber", f"A part's number is 1 to {upload.last_part}.")))
    signed = granted(await life.urls(upload, caller, PartsRequest(numbers=numbers)))
    return signed.parts, signed.lifetime


def _number(text: str) -> int:
    """A part's number; 0, which is none, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0


def _route_ending(router: APIRouter, desk: Desk, life: Life, completer: Completer, endpoint: Endpoint) -> None:
    @router.post("/multipart/{upload_id}/complete", openapi_extra=described(UppyParts))
    async def complete_multipart(request: Request, upload_id: str) -> Response:
        """Make the object of its parts, once what S3 holds was compared with what was granted."""
        caller, upload = await _own(desk, request, upload_id)
        body = parse_body(await read_body(request, PARTS_LIMIT), UppyParts, PARTS_LIMIT)
        claimed = [CompletedPart(number=part.part_number, etag=part.etag) for part in body.parts]
        granted(await completer.complete(upload, upload_id, caller, CompleteRequest(parts=claimed)))
        location = endpoint.url_for(upload.key)
        return json_answer({"location": location, "key": upload.key, "bucket": endpoint.bucket})

    @router.delete("/multipart/{upload_id}")
    async def abort_multipart(request: Request, upload_id: str) -> Response:
        """Give the upload up."""
        caller, upload = await _own(desk, request, upload_id)
        if refusal := await life.abort(upload, upload_id, caller):
            raise RefusedError(refusal)
        return json_answer({})


async def _own(desk: Desk, request: Request, upload_id: str, *query: str) -> tuple[Caller, Upload]:
    """The caller and the upload in parts that both `uploadId` and `key` name; raises RefusedError."""
    demand_query(request, "key", *query)
    caller, upload = await desk.own(request, upload_id, client=UPPY)
    if refusal := key_refusal(request.query_params.getlist("key"), upload, desk.sealer):
        raise RefusedError(refusal)
    return caller, upload
