"""`POST /uploads`: from a request's bytes to a plan's, with the framework's machinery and, on the hot path, without.

`PlanFront` stands before the framework and answers this one call itself, because it is asked for each file of every
client: what FastAPI does around an endpoint costs as much as half of a plan. Everything else goes on to the framework,
whose own route of the same name calls the same `Creation` and describes it in the schema.
"""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.allowance import Caller
from gateway.asgi.front import RequestIds
from gateway.asgi.problems import RefusedError, invalid_body
from gateway.asgi.wire import (
    Application,
    Headers,
    Receive,
    Reply,
    Scope,
    Send,
    body_chunks,
    refusal_reply,
    send_reply,
    stamped,
    with_headers,
)
from gateway.policy.problems import INTERNAL_DETAIL, Code, Fault, Refusal
from gateway.storage.upstream import BodyAbortedError
from presigner.access import permitted
from presigner.desk import NO_QUERY, Desk
from presigner.idempotency import idempotency_key, scope_of
from presigner.plans import CreateUpload, faults, wanted
from presigner.reading import gathered, granted, parse_body
from presigner.wire import accepts_gzip, fitting, json_reply

_LOG: Final = logging.getLogger(__name__)

PATH: Final = "/uploads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """Makes plans of bodies for callers that are known."""

    desk: Desk

    async def reply(self, caller: Caller, headers: Headers, chunks: AsyncIterator[bytes]) -> Reply:
        """The plan, as it goes out; raises RefusedError."""
        key = granted(idempotency_key(headers))
        body = parse_body(await gathered(chunks), CreateUpload)
        if found := faults(body, caller.policy):
            raise RefusedError(invalid_body(*found))
        whole = await self.desk.planner.whole(await self._made(caller, key, body))
        gzip = accepts_gzip(value for name, value in headers if name.lower() == "accept-encoding")
        return json_reply(whole if gzip else fitting(whole, self.desk.most_bytes), status=201, gzip=gzip)

    async def _made(self, caller: Caller, key: str | None, body: CreateUpload) -> dict[str, Any]:
        desk = self.desk

        async def plan() -> dict[str, Any] | Refusal:
            return await desk.planner.plan(caller, wanted(body, caller.policy, desk.admission.minted()))

        if key is None:
            return granted(await plan())
        if desk.replays is None:
            raise RefusedError(invalid_body(Fault("/headers/idempotency-key", "This gateway remembers no keys.")))
        return dict(granted(await desk.replays.once(scope_of(caller.principal), key, body.model_dump(), plan)))


class PlanFront:
    """Answers `POST /uploads`, and hands everything else to `application` (ASGI)."""

    def __init__(self, application: Application, *, creation: Creation, request_ids: RequestIds) -> None:
        self._application = application
        self._creation = creation
        self._admission = creation.desk.admission
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["raw_path"] != PATH.encode():
            await self._application(scope, receive, send)
            return
        try:
            reply = await self._reply(scope, receive, self._request_ids(scope))
        except BodyAbortedError:
            return  # the client went away, and there is nobody to answer
        await send_reply(send, reply)

    async def _reply(self, scope: Scope, receive: Receive, request_id: str) -> Reply:
        if scope["query_string"]:
            return refusal_reply(NO_QUERY, request_id)
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        caller = await self._admission.caller(headers, request_id=request_id)
        if isinstance(caller, Refusal):
            return refusal_reply(caller, request_id)
        outcome = permitted(caller) or await self._planned(caller, headers, receive)
        if isinstance(outcome, Refusal):
            self._admission.journal.answered(caller, f"POST {PATH}", outcome)
        reply = refusal_reply(outcome, request_id) if isinstance(outcome, Refusal) else stamped(outcome, request_id)
        said = {name for name, _ in reply.headers}
        return with_headers(reply, tuple(pair for pair in caller.limits.items() if pair[0] not in said))

    async def _planned(self, caller: Caller, headers: Headers, receive: Receive) -> Reply | Refusal:
        try:
            return await self._creation.reply(caller, headers, body_chunks(receive))
        except RefusedError as error:
            return error.refusal
        except BodyAbortedError:
            raise
        except Exception:  # noqa: BLE001 - as behind the framework: a defect is a problem, and is written down
            _LOG.exception("A plan failed")
            return Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL)
