"""The routes of the admin API: each reads strictly, asks the tenants' room beside the event loop, and answers."""

import re
from collections.abc import Callable
from math import ceil
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from gateway.asgi.problems import RefusedError
from gateway.identity.errors import SourceUnavailableError
from gateway.policy.document import tenant_id
from gateway.policy.problems import Code, Fault, Refusal
from gateway.server.admin import description as say
from gateway.server.admin import incoming, models, outgoing, past
from gateway.server.admin.access import operator_access
from gateway.server.admin.asked import key_request, question
from gateway.server.admin.parts import AdminParts
from gateway.tenants.decisions import KEPT
from gateway.tenants.errors import CursorError, StoreUnavailableError
from gateway.tenants.service import NOT_FOUND, Operation
from gateway.tenants.tenant_keys import NO_KEY

BASE: Final = "/admin/tenants"
_ONE: Final = BASE + "/{tenant}"

Result = TypeVar("Result")
Routes = Callable[[APIRouter, AdminParts, Any], None]

_CONDITIONAL: Final = (Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED, Code.PRECONDITION_FAILED, Code.PRECONDITION_REQUIRED)
_KEY_ID: Final = re.compile(r"[a-z2-7]{16}")


def admin_routes(parts: AdminParts) -> APIRouter:
    """The routes below `/admin/tenants`; every one asks for an operator's token before it looks at anything else."""

    async def on_refused(operation: Operation, code: Code) -> None:
        await done(parts, lambda: parts.service.refused(operation, code))

    access = operator_access(parts.authenticator, on_refused)
    operator = Depends(access)
    router = APIRouter(tags=["tenants"], dependencies=[operator])
    for routes in (_listing, _reading, _writing, _history, _rollback, _past, _evaluation, _keys):
        routes(router, parts, operator)
    return router


async def done(parts: AdminParts, call: Callable[[], Result | Refusal]) -> Result:
    """What `call` answers beside the event loop; a refusal and a store's failure become problems."""
    try:
        outcome = await parts.aside(call)
    except (StoreUnavailableError, SourceUnavailableError) as error:
        wait = max(1, ceil(error.retry_after))
        detail = "The store of tenants does not answer; try again."
        raise RefusedError(Refusal(code=Code.STORAGE_UNAVAILABLE, detail=detail, retry_after=wait)) from error
    except CursorError as error:
        raise incoming.refused("The cursor is not one of this listing.", "/query/cursor") from error
    if isinstance(outcome, Refusal):
        raise RefusedError(outcome)
    return outcome


def named(request: Request) -> str:
    """The tenant that the path names; raises `RefusedError` for what can't be one's id, so that no store sees it."""
    tenant = tenant_id(request.path_params["tenant"])
    if isinstance(tenant, Fault):
        raise RefusedError(NOT_FOUND)
    return tenant


def _listing(router: APIRouter, parts: AdminParts, _operator: Any) -> None:
    @router.get(
        BASE,
        response_model=models.TenantList,
        responses=say.problems(),
        openapi_extra=say.parameters(say.LIMIT, say.CURSOR),
    )
    async def list_tenants(request: Request) -> Response:
        """All tenants, a page at a time: those kept in files first, each group by id."""
        limit, cursor = incoming.page(request)
        page = await done(parts, lambda: parts.service.list(limit=limit, cursor=cursor))
        return outgoing.answer(outgoing.tenant_list_body(page))


def _reading(router: APIRouter, parts: AdminParts, _operator: Any) -> None:
    @router.get(
        _ONE,
        response_model=models.TenantDocument,
        responses={**say.problems(Code.NOT_FOUND), 200: say.etag_header(), 304: {"description": "Unchanged."}},
        openapi_extra=say.parameters(say.TENANT, say.UNLESS_SAME),
    )
    async def read_tenant(request: Request) -> Response:
        """The document in force, with its defaults filled in."""
        tenant = named(request)
        incoming.query(request)
        found = await done(parts, lambda: parts.service.get(tenant))
        if incoming.unchanged(request, found.etag):
            return outgoing.answer(None, status=304, headers={"etag": f'"{found.etag}"'})
        return outgoing.tenant_answer(found)


def _writing(router: APIRouter, parts: AdminParts, operator: Any) -> None:
    @router.put(
        _ONE,
        response_model=models.TenantDocument | models.DryRunBody,
        responses={
            **say.problems(
                Code.METHOD_NOT_ALLOWED,
                Code.SIZE_EXCEEDS_LIMIT,
                Code.PRECONDITION_FAILED,
                Code.PRECONDITION_REQUIRED,
            ),
            200: say.etag_header(),
            201: {"model": models.TenantDocument, "description": "The tenant is new.", **say.etag_header()},
        },
        openapi_extra={
            **say.parameters(say.TENANT, say.DRY_RUN, say.if_match(required=False), say.CREATE_ONLY, say.REASON),
            **say.sent(models.TenantDocument),
        },
    )
    async def put_tenant(request: Request, operation: Operation = operator) -> Response:
        """Put a document in force: a new tenant's, or with `If-Match` in the place of the one that is there."""
        tenant = request.path_params["tenant"]
        trying = incoming.dry_run(request)
        condition = incoming.condition(request, creating=True)
        document = await incoming.document(request)
        if trying:
            return outgoing.answer(
                outgoing.preview_body(await done(parts, lambda: parts.insight.preview(tenant, document, condition)))
            )
        return outgoing.tenant_answer(
            await done(parts, lambda: parts.service.put(tenant, document, condition, operation))
        )

    @router.patch(
        _ONE,
        response_model=models.TenantDocument,
        responses={**say.problems(*_CONDITIONAL, Code.SIZE_EXCEEDS_LIMIT), 200: say.etag_header()},
        openapi_extra={**say.parameters(say.TENANT, say.if_match(), say.REASON), **say.patch_sent()},
    )
    async def patch_tenant(request: Request, operation: Operation = operator) -> Response:
        """Change a part of the document (RFC 7396); pointers of faults are into what would be the result."""
        tenant = named(request)
        incoming.query(request)
        condition = incoming.condition(request)
        patch = await incoming.patch(request)
        return outgoing.tenant_answer(
            await done(parts, lambda: parts.service.patch(tenant, patch, condition, operation))
        )

    @router.delete(
        _ONE,
        status_code=204,
        responses=say.problems(*_CONDITIONAL),
        openapi_extra=say.parameters(say.TENANT, say.if_match(), say.REASON),
    )
    async def delete_tenant(request: Request, operation: Operation = operator) -> Response:
        """End the tenant and its API keys: every call of ours is refused from now on; its objects stay."""
        tenant = named(request)
        incoming.query(request)
        condition = incoming.condition(request)
        await done(parts, lambda: parts.service.delete(tenant, condition, operation))
        return outgoing.answer(None, status=204)


def _history(router: APIRouter, parts: AdminParts, _operator: Any) -> None:
    @router.get(
        _ONE + "/history",
        response_model=models.History,
        responses=say.problems(Code.NOT_FOUND),
        openapi_extra=say.parameters(say.TENANT, say.LIMIT, say.CURSOR),
    )
    async def read_history(request: Request) -> Response:
        """Every version with who, when and why, newest first; a deleted tenant still has its history."""
        tenant = named(request)
        limit, cursor = incoming.page(request)
        page = await done(parts, lambda: parts.service.history(tenant, limit=limit, cursor=cursor))
        versions = [outgoing.version_body(version) for version in page.items]
        return outgoing.answer({"versions": versions, "cursor": page.cursor})


def _rollback(router: APIRouter, parts: AdminParts, operator: Any) -> None:
    @router.post(
        _ONE + "/rollback",
        response_model=models.TenantDocument,
        responses={**say.problems(*_CONDITIONAL, Code.SIZE_EXCEEDS_LIMIT), 200: say.etag_header()},
        openapi_extra={**say.parameters(say.TENANT, say.if_match(), say.REASON), **say.sent(models.RollbackBody)},
    )
    async def roll_back(request: Request, operation: Operation = operator) -> Response:
        """Put an earlier version's document in force again, as a new version."""
        tenant = named(request)
        incoming.query(request)
        condition = incoming.condition(request)
        body = await incoming.body(request, models.RollbackBody)
        return outgoing.tenant_answer(
            await done(parts, lambda: parts.service.rollback(tenant, body.version, condition, operation))
        )


def _past(router: APIRouter, parts: AdminParts, _operator: Any) -> None:
    @router.get(
        _ONE + "/usage",
        response_model=models.UsageBody,
        responses=say.problems(Code.NOT_FOUND),
        openapi_extra=say.parameters(say.TENANT),
    )
    async def read_usage(request: Request) -> Response:
        """What the tenant has in S3 and what is reserved, beside its quota and rate."""
        tenant = named(request)
        incoming.query(request)
        return outgoing.answer(outgoing.usage_body(await done(parts, lambda: parts.insight.usage(tenant))))

    @router.get(
        _ONE + "/usage/history",
        response_model=past.UsageHistoryBody,
        responses=say.problems(Code.NOT_FOUND),
        openapi_extra=say.parameters(say.TENANT, say.DAYS),
    )
    async def read_usage_history(request: Request) -> Response:
        """What the tenant had in S3 and what was reserved, over the last days."""
        tenant = named(request)
        days = incoming.number(request, "days", most=say.MOST_DAYS, default=say.DAYS_ASKED)
        over_time = await done(parts, lambda: parts.insight.usage_history(tenant, days))
        return outgoing.answer(outgoing.usage_history_body(over_time))

    @router.get(
        _ONE + "/decisions",
        response_model=past.DecisionList,
        responses=say.problems(Code.NOT_FOUND),
        openapi_extra=say.parameters(say.TENANT, say.MOST_DECISIONS),
    )
    async def read_decisions(request: Request) -> Response:
        """The last decisions of the rules, newest first, without credentials and without what clients sent else."""
        tenant = named(request)
        limit = incoming.number(request, "limit", most=KEPT, default=KEPT)
        decisions = await done(parts, lambda: parts.insight.decisions(tenant, limit))
        return outgoing.answer({"decisions": [outgoing.decision_body(each) for each in decisions]})


def _evaluation(router: APIRouter, parts: AdminParts, operator: Any) -> None:
    @router.post(
        _ONE + "/evaluate",
        response_model=models.EvaluationBody,
        responses=say.problems(Code.NOT_FOUND, Code.SIZE_EXCEEDS_LIMIT),
        openapi_extra={**say.parameters(say.TENANT), **say.sent(models.EvaluateBody)},
    )
    async def evaluate(request: Request, operation: Operation = operator) -> Response:
        """What would be decided on a request, and what every rule says; changes nothing."""
        tenant = named(request)
        incoming.query(request)
        asked = question(await incoming.body(request, models.EvaluateBody))
        evaluation = await done(parts, lambda: parts.insight.evaluate(tenant, asked))
        return outgoing.answer(outgoing.evaluation_body(evaluation, operation.request_id))


def _keys(router: APIRouter, parts: AdminParts, operator: Any) -> None:
    @router.get(
        _ONE + "/keys",
        response_model=models.KeyList,
        responses=say.problems(Code.NOT_FOUND),
        openapi_extra=say.parameters(say.TENANT),
    )
    async def list_keys(request: Request) -> Response:
        """The tenant's API keys that were not revoked; never their secrets."""
        tenant = named(request)
        incoming.query(request)
        keys = await done(parts, lambda: parts.keys.list(tenant))
        return outgoing.answer({"keys": [outgoing.key_body(key) for key in keys]})

    @router.post(
        _ONE + "/keys",
        status_code=201,
        response_model=models.CreatedKeyBody,
        responses=say.problems(Code.NOT_FOUND, Code.SIZE_EXCEEDS_LIMIT),
        openapi_extra={**say.parameters(say.TENANT, say.REASON), **say.sent(models.CreateKeyBody)},
    )
    async def create_key(request: Request, operation: Operation = operator) -> Response:
        """Make an API key; its secret is in this answer and never again."""
        tenant = named(request)
        incoming.query(request)
        wanted = key_request(await incoming.body(request, models.CreateKeyBody))
        return outgoing.created_key_answer(await done(parts, lambda: parts.keys.create(tenant, wanted, operation)))

    @router.delete(
        _ONE + "/keys/{key}",
        status_code=204,
        responses=say.problems(Code.NOT_FOUND),
        openapi_extra=say.parameters(say.TENANT, say.KEY, say.REASON),
    )
    async def revoke_key(request: Request, operation: Operation = operator) -> Response:
        """End an API key."""
        tenant = named(request)
        key = request.path_params["key"]
        if not _KEY_ID.fullmatch(key):
            raise RefusedError(NO_KEY)
        incoming.query(request)
        await done(parts, lambda: parts.keys.revoke(tenant, key, operation))
        return outgoing.answer(None, status=204)
