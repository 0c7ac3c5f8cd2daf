"""`POST /s3/sign`: one S3 request signed at a time, in the shape of Uppy 6's `signRequest`.

The client talks to S3 itself: it begins an upload in parts, lists, completes and aborts. So the sealed `key` describes
the upload, and S3's own `uploadId` counts only beside it; S3 refuses an id that belongs to another key. What S3 holds
is compared with the grant before a part and before the end is signed, and at the end S3 itself compares the size.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.allowance import Caller
from gateway.asgi.problems import RefusedError, invalid_body
from gateway.journal import SIGN
from gateway.policy.problems import Fault
from presigner.access import NOT_FOUND
from presigner.bodies import PartsRequest
from presigner.completion import conditions, missing, unclear
from presigner.desk import Desk, demand_query
from presigner.life import Life
from presigner.parts import MOST_PARTS
from presigner.planner import LIFETIME
from presigner.reading import described, granted, parse_body, read_body
from presigner.redirect import NO_CREDENTIALS
from presigner.signing import PlanSigner
from presigner.upload import REMOTE, Strategy, Upload
from presigner.uppy.asked import CreateMultipart, demand, faults, guessed_type, single_strategy, wanted
from presigner.uppy.rendering import SaidTwice
from presigner.wire import json_answer

UPPY_SIGN: Final = "uppy-sign"
"""What a tenant's `clients` must list."""

_S3_ID: Final = re.compile(r"[!-~]{1,1024}")


class SignRequest(BaseModel):
    """The body of `POST /s3/sign`: which request to S3; `key` is a name to begin with, and what we answered after."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    method: Literal["PUT", "POST", "GET", "DELETE"]
    key: str = Field(min_length=1)
    upload_id: str | None = Field(default=None, alias="uploadId")
    part_number: int | None = Field(default=None, alias="partNumber", ge=1, le=MOST_PARTS)
    content_type: str | None = Field(default=None, alias="contentType")
    expires_in: int | None = Field(default=None, alias="expiresIn", ge=1)


def sign_routes(desk: Desk, completer: PlanSigner) -> APIRouter:
    """The route `/s3/sign`; `completer` signs what the signer's identity may not do: list, complete, abort."""
    router = APIRouter(tags=["uppy"], prefix="/s3", route_class=SaidTwice)
    life = desk.life
    if life is None:
        return router
    counter = _Counter(desk=desk, life=life, completer=completer)

    @router.post("/sign", openapi_extra=described(SignRequest))
    async def sign(request: Request) -> Response:
        """One request to S3, signed."""
        demand_query(request)
        caller = await desk.caller(request, client=UPPY_SIGN)
        body = parse_body(await read_body(request), SignRequest)
        answer = counter.begun(caller, body) if body.upload_id is None else counter.going_on(caller, body)
        return json_answer(await answer)

    return router


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counter:
    """What is signed for whom; every method raises RefusedError."""

    desk: Desk
    life: Life
    completer: PlanSigner

    async def begun(self, caller: Caller, body: SignRequest) -> dict[str, Any]:
        """A whole object, or the beginning of one in parts; the type is signed, so one that is not said is guessed."""
        if body.method not in {"PUT", "POST"} or body.part_number is not None:
            raise RefusedError(invalid_body(Fault("/method", "Without an uploadId there is PutObject or a create.")))
        kind = body.content_type or guessed_type(body.key)
        asked = CreateMultipart(filename=body.key, type=kind)
        demand(faults(asked, caller.policy))
        strategy = single_strategy(caller.policy) if body.method == "PUT" else Strategy.MULTIPART
        minted = self.desk.admission.minted()
        question = wanted(asked, caller.policy, minted, strategy, client=UPPY_SIGN)
        plan = granted(await self.desk.planner.plan(caller, replace(question, remote=body.method == "POST")))
        if plan["fields"]:
            return {"url": plan["url"], "key": plan["key"], "fields": plan["fields"]}
        return {
            "url": plan["url"],
            "key": plan["id"] if strategy is Strategy.MULTIPART else plan["key"],
            "headers": plan["headers"],
            "expires": plan[LIFETIME],
        }

    async def going_on(self, caller: Caller, body: SignRequest) -> dict[str, Any]:
        """A part, the list of them, the end, or the abort of an upload that the client began at S3."""
        if body.upload_id is None or not _S3_ID.fullmatch(body.upload_id):
            raise RefusedError(NOT_FOUND)
        if (body.part_number is None) == (body.method == "PUT"):
            raise RefusedError(
                invalid_body(Fault("/partNumber", "A part is a PUT with a number, and nothing else is."))
            )
        upload = replace(await self.desk.upload(caller, body.key, REMOTE), upload_id=body.upload_id)
        if body.part_number is not None:
            signed = granted(await self.life.urls(upload, caller, PartsRequest(numbers=[body.part_number])))
            return {"url": signed.parts[0]["url"], "expires": signed.lifetime}
        return await self._about_it(caller, body, upload)

    async def _about_it(self, caller: Caller, body: SignRequest, upload: Upload) -> dict[str, Any]:
        headers: tuple[tuple[str, str], ...] = ()
        if body.method == "POST":
            parts = granted(await self.life.parts(upload))
            if refusal := missing(upload, parts) or unclear(parts, None):
                raise RefusedError(refusal)
            headers = conditions(upload, parts, None)
        now = self.desk.planner.clock()
        wished = min(caller.policy.url_lifetime, body.expires_in or caller.policy.url_lifetime, upload.ends - int(now))
        lifetime = self.completer.lifetime(wished, now)
        if lifetime < 1:
            raise RefusedError(NO_CREDENTIALS)
        query = (("uploadId", upload.upload_id),)
        self.desk.admission.journal.acted(caller, SIGN, "granted", upload.about)
        url = self.completer.url(body.method, upload.key, query, headers, lifetime=lifetime, now=now)
        return {"url": url, "headers": dict(headers), "expires": lifetime}
