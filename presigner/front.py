"""The calls that are asked for each file of every client, answered before the framework.

What FastAPI does around an endpoint costs as much as a plan. So `PlanFront` stands before it, compares method and raw
path with those of its few calls, and answers these itself; everything else goes on to the framework. What a call does
stands once, in the call: the framework's own route of the same name makes it too, and describes it in the schema.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from gateway.allowance import Caller
from gateway.asgi.front import RequestIds
from gateway.asgi.problems import RefusedError
from gateway.asgi.verified import verified
from gateway.asgi.wire import (
    Application,
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
from gateway.policy.problems import INTERNAL_DETAIL, Code, Refusal
from gateway.storage.upstream import BodyAbortedError
from presigner.access import permitted
from presigner.desk import NO_QUERY, Desk
from presigner.reading import Asked
from presigner.tickets import carried

_LOG: Final = logging.getLogger(__name__)


class Call(Protocol):
    """One method of one path."""

    @property
    def method(self) -> str:
        """The request's method."""
        ...

    @property
    def path(self) -> str:
        """The whole path, byte for byte."""
        ...

    @property
    def client(self) -> str | None:
        """The kind of client that the tenant must list, None where anybody may call."""
        ...

    @property
    def takes_query(self) -> bool:
        """Whether a query is no fault."""
        ...

    def problem_members(self, refusal: Refusal) -> Mapping[str, str]:
        """What its problems say beside the members of every problem."""
        ...

    async def reply(self, caller: Caller, asked: Asked) -> Reply:
        """The answer to a caller who may call; raises RefusedError."""
        ...


class PlanFront:
    """Answers its calls, and hands everything else to `application` (ASGI)."""

    def __init__(self, application: Application, *, calls: Sequence[Call], desk: Desk, request_ids: RequestIds) -> None:
        self._application = application
        self._calls = {(call.method, call.path.encode()): call for call in calls}
        self._admission = desk.admission
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        call = self._calls.get((scope["method"], scope["raw_path"])) if scope["type"] == "http" else None
        if call is None:
            await self._application(scope, receive, send)
            return
        try:
            reply = await self._reply(call, scope, receive)
        except BodyAbortedError:
            return  # the client went away, and there is nobody to answer
        await send_reply(send, reply)

    async def _reply(self, call: Call, scope: Scope, receive: Receive) -> Reply:
        request_id, query = self._request_ids(scope), scope["query_string"]
        if query and not call.takes_query:
            return refusal_reply(NO_QUERY, request_id)
        headers = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        caller = await self._admission.caller(headers, request_id=request_id, verified=verified(scope))
        if isinstance(caller, Refusal):
            return refusal_reply(caller, request_id, call.problem_members(caller))
        asked = Asked(headers=headers, query=query, chunks=body_chunks(receive), by_ticket=carried(scope) is not None)
        outcome = permitted(caller, call.client) or await self._answered(call, caller, asked)
        if isinstance(outcome, Refusal):
            self._admission.journal.answered(caller, f"{call.method} {call.path}", outcome)
            reply = refusal_reply(outcome, request_id, call.problem_members(outcome))
        else:
            reply = stamped(outcome, request_id)
        if not caller.limits:
            return reply
        said = {name for name, _ in reply.headers}
        return with_headers(reply, tuple([pair for pair in caller.limits.items() if pair[0] not in said]))

    async def _answered(self, call: Call, caller: Caller, asked: Asked) -> Reply | Refusal:
        try:
            return await call.reply(caller, asked)
        except RefusedError as error:
            return error.refusal
        except BodyAbortedError:
            raise
        except Exception:  # noqa: BLE001 - as behind the framework: a defect is a problem, and is written down
            _LOG.exception("%s %s failed", call.method, call.path)
            return Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL)
