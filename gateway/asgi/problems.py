"""Every error of a FastAPI application as a problem of the contract: one handler a kind, one rendering."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from gateway.allowance import Caller
from gateway.asgi.request_id import STATE_KEY
from gateway.journal import Journal
from gateway.policy.problems import INTERNAL_DETAIL, Code, Fault, Refusal

_LOG: Final = logging.getLogger(__name__)

_BY_STATUS: Final[Mapping[int, tuple[Code, str]]] = {
    404: (Code.NOT_FOUND, "There is nothing at this path."),
    405: (Code.METHOD_NOT_ALLOWED, "This method is not allowed here."),
}
STORAGE_UNAVAILABLE: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE, detail="S3 does not answer as it should; try again.", retry_after=5
)

_OTHERWISE: Final = (Code.REQUEST_INVALID, "The request is not valid.")


class RefusedError(Exception):
    """Carries a refusal out of an endpoint to the one place where refusals are rendered."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def problem_response(refusal: Refusal, request: Request) -> Response:
    """The problem as a framework response; the request's id comes from `WithRequestId`.

    A route may have members of its own: its `problem_members`, a function of the refusal.
    """
    own = getattr(request.scope.get("route"), "problem_members", None)
    members = refusal.body(getattr(request.state, STATE_KEY, "")) | ({} if own is None else own(refusal))
    return Response(
        json.dumps(members, ensure_ascii=False), status_code=refusal.status, headers=dict(refusal.response_headers())
    )


def invalid_body(*faults: Fault) -> Refusal:
    """A `request-invalid` that says everything that is wrong with a body."""
    return Refusal(code=Code.REQUEST_INVALID, detail="The request's body is not valid.", errors=faults)


def install(application: FastAPI, journal: Journal | None = None) -> None:
    """Make every error of the application a problem; one whose caller is known is written down, if it was not yet."""

    async def refused(request: Request, error: Exception) -> Response:
        refusal = error.refusal if isinstance(error, RefusedError) else _unexpected(error)
        caller = getattr(request.state, "caller", None)
        if journal is not None and isinstance(caller, Caller):
            journal.answered(caller, f"{request.method} {getattr(request.scope.get('route'), 'path', '')}", refusal)
        return problem_response(refusal, request)

    async def framework(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400
        code, detail = _BY_STATUS.get(status, _OTHERWISE)
        headers: Mapping[str, Any] = (error.headers if isinstance(error, HTTPException) else None) or {}
        allow = tuple((name.lower(), value) for name, value in headers.items() if name.lower() == "allow")
        return problem_response(Refusal(code=code, detail=detail, headers=allow), request)

    application.add_exception_handler(RefusedError, refused)
    application.add_exception_handler(HTTPException, framework)
    application.add_exception_handler(Exception, refused)


def _unexpected(error: Exception) -> Refusal:
    _LOG.error("An endpoint failed", exc_info=error)
    return Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL)
