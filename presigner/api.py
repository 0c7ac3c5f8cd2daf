"""The upload API over HTTP (FastAPI): plans for clients that agree first and send afterwards."""

from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import ValidationError

from gateway.admission import Admission
from gateway.allowance import Caller
from gateway.policy.problems import Code, Fault, Refusal
from gateway.policy.strict_json import loads
from presigner.idempotency import Replays, idempotency_key
from presigner.plans import CreateUpload, PlanBody, faults, intent, put_plan
from presigner.problems import RefusedError, invalid_body
from presigner.redirect import Presigner
from presigner.sealing import Sealer

Outcome = TypeVar("Outcome")

BODY_LIMIT = 65_536
"""The most bytes of a plan's request."""


def upload_routes(*, admission: Admission, presigner: Presigner, sealer: Sealer, replays: Replays | None) -> APIRouter:
    """The routes of `/uploads`; without `replays` an `Idempotency-Key` is refused rather than ignored."""
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
        caller = granted(await admission.caller(headers))
        key = granted(idempotency_key(headers))
        body = parse_body(await read_body(request))
        if found := faults(body, caller.policy):
            raise RefusedError(invalid_body(*found))

        async def plan() -> dict[str, Any] | Refusal:
            return await planned(admission, caller, body, presigner=presigner, sealer=sealer)

        if key is None:
            return granted(await plan())
        if replays is None:
            raise RefusedError(invalid_body(Fault("/headers/idempotency-key", "This gateway remembers no keys.")))
        return granted(await replays.once(caller.principal, key, body.model_dump(), plan))

    return router


async def planned(
    admission: Admission, caller: Caller, body: CreateUpload, *, presigner: Presigner, sealer: Sealer
) -> dict[str, Any] | Refusal:
    """The plan for a body that is well formed, or why there is none; what was reserved for none is given back."""
    decision = admission.judge(caller, intent(body, admission.minted()))
    admitted = await admission.reserve(caller, decision)
    if isinstance(admitted, Refusal):
        return admitted
    plan = put_plan(admitted.grant, presigner, sealer)
    if isinstance(plan, Refusal):
        await admitted.room.released()
    return plan


def granted(outcome: Outcome | Refusal) -> Outcome:
    """What is no refusal; a refusal is raised as `RefusedError`."""
    if isinstance(outcome, Refusal):
        raise RefusedError(outcome)
    return outcome


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
