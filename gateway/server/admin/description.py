"""What OpenAPI says of the admin API beside what FastAPI finds out: parameters, bodies, problems, examples."""

from collections.abc import Iterable
from typing import Final

from pydantic import BaseModel

from gateway.asgi.schema import Described, inlined
from gateway.policy.problems import CATALOGUE, TYPE_PREFIX, Code
from gateway.policy.problems import MEDIA_TYPE as PROBLEM
from gateway.server.admin.models import TENANT_PATTERN
from gateway.tenants.decisions import KEPT
from gateway.tenants.pages import MAX_PAGE
from gateway.tenants.usage_history import KEPT_FOR

MOST_DAYS: Final = KEPT_FOR // 86_400
DAYS_ASKED: Final = 7

ETAG: Final = '"3-5d41402abc4b2a76"'

TENANT: Final[Described] = {
    "name": "tenant",
    "in": "path",
    "required": True,
    "description": "A tenant's id.",
    "schema": {"type": "string", "pattern": TENANT_PATTERN},
    "example": "acme",
}
KEY: Final[Described] = {
    "name": "key",
    "in": "path",
    "required": True,
    "description": "A key's id.",
    "schema": {"type": "string", "pattern": "^[a-z2-7]{16}$"},
}
LIMIT: Final[Described] = {
    "name": "limit",
    "in": "query",
    "description": "The most items of the page.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": MAX_PAGE},
}
CURSOR: Final[Described] = {
    "name": "cursor",
    "in": "query",
    "description": "The cursor that the page before answered.",
    "schema": {"type": "string"},
}
DAYS: Final[Described] = {
    "name": "days",
    "in": "query",
    "description": "How far to look back.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": DAYS_ASKED},
    "example": 7,
}
MOST_DECISIONS: Final[Described] = {
    **LIMIT,
    "description": "The most decisions.",
    "schema": {"type": "integer", "minimum": 1, "maximum": KEPT, "default": KEPT},
}
DRY_RUN: Final[Described] = {
    "name": "dry_run",
    "in": "query",
    "description": "Change nothing, and say which of the last decisions would differ.",
    "schema": {"type": "boolean", "default": False},
}
REASON: Final[Described] = {
    "name": "X-Change-Reason",
    "in": "header",
    "description": "Why, for the history and the audit: one line of UTF-8, or an RFC 8187 value (UTF-8''…).",
    "schema": {"type": "string", "maxLength": 500},
    "example": "Ticket 4711",
}


def if_match(*, required: bool = True) -> Described:
    """The state that a change was made against."""
    return {
        "name": "If-Match",
        "in": "header",
        "required": required,
        "description": "The tenant's etag, as GET answers it.",
        "schema": {"type": "string", "pattern": '^"[!#-~]*"$'},
        "example": ETAG,
    }


def if_none_match(description: str, schema: Described) -> Described:
    """The state that there must not be."""
    return {"name": "If-None-Match", "in": "header", "description": description, "schema": schema}


CREATE_ONLY: Final = if_none_match("`*`: the tenant must not exist.", {"type": "string", "enum": ["*"]})
UNLESS_SAME: Final = if_none_match("Answers 304 if the tenant still has this etag.", {"type": "string"})


def parameters(*described: Described) -> Described:
    """Of a call."""
    return {"parameters": list(described)}


def sent(model: type[BaseModel], media_type: str = "application/json") -> Described:
    """The body of a call, its schema inline: what is sent has defaults where what is answered has none."""
    schema = inlined(model)
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def patch_sent() -> Described:
    """The body of a PATCH: any part of a document."""
    described = {"type": "object", "description": "A part of a tenant's document (RFC 7396); null restores a default."}
    example = {"status": "suspended"}
    content = {"application/merge-patch+json": {"schema": described, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def problems(*codes: Code) -> dict[int | str, Described]:
    """The refusals of a call, beside those that every call of the admin API has."""
    by_status: dict[int, list[Code]] = {}
    for code in (*_EVERY_CALL, *codes):
        by_status.setdefault(CATALOGUE[code][0], []).append(code)
    return {status: _problem(status, several) for status, several in by_status.items()}


_EVERY_CALL: Final = (
    Code.TOKEN_MISSING,
    Code.TOKEN_INVALID,
    Code.TOKEN_EXPIRED,
    Code.SCOPE_MISSING,
    Code.REQUEST_INVALID,
    Code.QUERY_NOT_ALLOWED,
    Code.STORAGE_UNAVAILABLE,
    Code.IDENTITY_UNAVAILABLE,
)


def _problem(status: int, codes: Iterable[Code]) -> Described:
    codes = list(codes)
    examples = {
        code: {
            "value": {
                "type": TYPE_PREFIX + code,
                "title": CATALOGUE[code][1],
                "status": status,
                "detail": CATALOGUE[code][1] + ".",
                "instance": "6f1c2b9a5d3e4f70",
            }
        }
        for code in codes
    }
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemBody"}, "examples": examples}}
    return {"description": ", ".join(f"`{code}`" for code in codes), "content": content}


def etag_header() -> Described:
    """The header that answers with a tenant's document have."""
    return {"headers": {"ETag": {"description": "For If-Match.", "schema": {"type": "string"}, "example": ETAG}}}
