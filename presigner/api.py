"""The upload API over HTTP (FastAPI): plans for clients that agree first and send afterwards."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from gateway.admission import Admission
from gateway.policy.problems import Code, Fault, Refusal
from gateway.policy.strict_json import loads
from presigner.plans import CreateUpload, PlanBody, faults, intent, put_plan
from presigner.problems import RefusedError, invalid_body
from presigner.redirect import Presigner
from presigner.sealing import Sealer

BODY_LIMIT = 65_536
"""The most bytes of a plan's request."""


def upload_routes(*, admission: Admission, presigner: Presigner, sealer: Sealer) -> APIRouter:
    """The routes of `/uploads`."""
    router = APIRouter(tags=["uploads"])

    @router.post(
        "/uploads",
        status_code=201,
        response_model=PlanBody,
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": CreateUpload.model_json_schema()}}}},
    )
    async def create_upload(request: Request) -> dict[str, Any]:
        """Plan an upload: what to send where, all of it signed."""
        if request.url.query:
            raise RefusedError(Refusal(code=Code.QUERY_NOT_ALLOWED, detail="POST /uploads has no query string."))
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"])
        caller = await admission.caller(headers)
        if isinstance(caller, Refusal):
            raise RefusedError(caller)
        body = parse_body(await read_body(request))
        if found := faults(body, caller.policy):
            raise RefusedError(invalid_body(*found))
        admitted = await admission.reserve(caller, admission.judge(caller, intent(body, admission.minted())))
        if isinstance(admitted, Refusal):
            raise RefusedError(admitted)
        plan = put_plan(admitted.grant, presigner, sealer)
        if isinstance(plan, Refusal):
            await admitted.room.released()
            raise RefusedError(plan)
        return plan

    return router


async def read_body(request: Request) -> bytes:
    """The body, at most `BODY_LIMIT` bytes; more is refused before it is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            detail = f"The request's body has more than {BODY_LIMIT} bytes."
            raise RefusedError(Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail=detail, limit=BODY_LIMIT))
    return bytes(body)


def parse_body(data: bytes) -> CreateUpload:
    """The body, strictly read; raises RefusedError with every fault and its pointer."""
    document = loads(data, max_bytes=BODY_LIMIT, max_depth=8)
    if isinstance(document, Fault):
        raise RefusedError(invalid_body(document))
    try:
        return CreateUpload.model_validate(document)
    except ValidationError as error:
        found = tuple(Fault(pointer(item["loc"]), item["msg"]) for item in error.errors(include_url=False))
        raise RefusedError(invalid_body(*found)) from None


def pointer(location: tuple[int | str, ...]) -> str:
    """A pydantic location as an RFC 6901 pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
