"""What comes in with an admin request, read strictly: query, conditions, reason, body.

Everything here answers a value or raises `RefusedError` with a problem that says where the fault is.
"""

import re
from typing import Final, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from fastapi import Request
from pydantic import BaseModel, ValidationError

from gateway.asgi.problems import RefusedError
from gateway.policy.problems import Code, Fault, Refusal
from gateway.policy.strict_json import loads
from gateway.tenants.pages import MAX_PAGE
from gateway.tenants.service import ETAG_NEEDED, Condition, invalid

DOCUMENT_LIMIT: Final = 262_144
"""The most bytes of a body: a document of every list's full length fits, and DynamoDB's 400 KB an item hold it."""

REASON_HEADER: Final = "x-change-reason"
REASON_LIMIT: Final = 500
"""Characters."""

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

_ENTITY_TAG: Final = re.compile(r'[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*')  # RFC 9110 section 8.8.3
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EXTENDED: Final = "utf-8''"
_Body = TypeVar("_Body", bound=BaseModel)


def refused(detail: str, pointer: str, told: str | None = None) -> RefusedError:
    """A `request-invalid` about one place."""
    return RefusedError(invalid(detail, Fault(pointer, told or detail)))


def query(request: Request, *allowed: str) -> dict[str, str]:
    """The query's parameters, each at most once and none that the call does not have."""
    text = request.scope["query_string"].decode("latin-1")
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=20) if text.count("&") < 20 else ():
        if name not in allowed or name in found:
            raise _query_refused(allowed)
        found[name] = value
    if text and not found:
        raise _query_refused(allowed)
    return found


def _query_refused(allowed: tuple[str, ...]) -> RefusedError:
    said = f"This call takes {' and '.join(allowed)} in its query, each once." if allowed else "It has no query string."
    return RefusedError(Refusal(code=Code.QUERY_NOT_ALLOWED, detail=said))


def page(request: Request) -> tuple[int, str | None]:
    """`limit` (`MAX_PAGE` if left out) and `cursor` of a listing."""
    found = query(request, "limit", "cursor")
    limit = found.get("limit", str(MAX_PAGE))
    if not re.fullmatch(r"[0-9]{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MAX_PAGE:
        raise refused(f"A page has 1 to {MAX_PAGE} items.", "/query/limit")
    return int(limit), found.get("cursor")


def number(request: Request, name: str, *, most: int, default: int) -> int:
    """The one parameter of a call that has no other: a whole number from 1 to `most`."""
    said = query(request, name).get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,3}", said, re.ASCII) or not 1 <= int(said) <= most:
        raise refused(f"{name} is a whole number from 1 to {most}.", f"/query/{name}")
    return int(said)


def dry_run(request: Request) -> bool:
    """Whether nothing is to be changed."""
    said = query(request, "dry_run").get("dry_run", "false")
    if said not in ("true", "false"):
        raise refused("dry_run is true or false.", "/query/dry_run")
    return said == "true"


def condition(request: Request, *, creating: bool = False) -> Condition:
    """The request's preconditions (RFC 9110 section 13.1); `creating` where `If-None-Match: *` has a meaning.

    `If-Match: *` names no state, so it is not enough; a weak etag never matches.
    """
    match = request.headers.getlist("if-match")
    none_match = request.headers.getlist("if-none-match")
    if none_match and (not creating or [value.strip(" \t") for value in none_match] != ["*"]):
        raise refused("If-None-Match may only be *, and only where a tenant is created.", "/headers/if-none-match")
    if none_match and match:
        raise refused("If-Match and If-None-Match contradict each other.", "/headers/if-none-match")
    if not match:
        return Condition(absent=bool(none_match))
    if [value.strip(" \t") for value in match] == ["*"]:
        raise RefusedError(ETAG_NEEDED)
    tags = entity_tags(",".join(match))
    if tags is None:
        raise refused('If-Match is an etag in quotes: "3-5d41402abc4b2a76".', "/headers/if-match")
    return Condition(etags=tuple(tag[1:-1] for tag in tags if not tag.startswith("W/")))


def entity_tags(value: str) -> list[str] | None:
    """The etags of a list, with their quotes; None where it is none."""
    tags = []
    for item in re.findall(r'(?:"[^"]*"|[^,"])+', value):
        tag = _ENTITY_TAG.fullmatch(item)
        if tag is None:
            return None
        tags.append(tag[1])
    return tags or None


def unchanged(request: Request, etag: str) -> bool:
    """Whether a GET's `If-None-Match` names the state that there is (compared weakly, RFC 9110 section 13.1.2)."""
    value = ",".join(request.headers.getlist("if-none-match"))
    if value.strip(" \t") == "*":
        return True
    return f'"{etag}"' in [tag.removeprefix("W/") for tag in entity_tags(value) or ()]


def reason(request: Request) -> str:
    """Why something is changed, in the operator's words: UTF-8, or an RFC 8187 value (`UTF-8''…`) from a browser."""
    values = request.headers.getlist(REASON_HEADER)
    if not values:
        return ""
    raw = values[0].encode("latin-1")
    if raw[: len(_EXTENDED)].lower() == _EXTENDED.encode():
        raw = unquote_to_bytes(raw[len(_EXTENDED) :])
    try:
        text = raw.decode().strip(" \t")
    except UnicodeDecodeError:
        text = "\0"
    if len(values) > 1 or len(text) > REASON_LIMIT or _CONTROL.search(text):
        raise refused(f"A reason is one line of at most {REASON_LIMIT} characters.", f"/headers/{REASON_HEADER}")
    return text


async def document(request: Request, media_type: str = JSON) -> object:
    """The body as strict JSON, at most `DOCUMENT_LIMIT` bytes."""
    types = [value.partition(";")[0].strip(" \t").lower() for value in request.headers.getlist("content-type")]
    if types != [media_type]:
        raise refused(f"The body must be {media_type}.", "/headers/content-type")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > DOCUMENT_LIMIT:
            detail = f"The request's body has more than {DOCUMENT_LIMIT} bytes."
            raise RefusedError(Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail=detail, limit=DOCUMENT_LIMIT))
    value = loads(bytes(body), max_bytes=DOCUMENT_LIMIT)
    if isinstance(value, Fault):
        raise RefusedError(invalid("The request's body is not valid.", value))
    return value


async def patch(request: Request) -> dict[str, object]:
    """A merge patch that is an object; anything else would replace the whole document (RFC 7396 section 2)."""
    value = await document(request, MERGE_PATCH)
    if not isinstance(value, dict):
        raise refused("The request's body is not valid.", "", "this must be an object")
    return value


async def body(request: Request, model: type[_Body]) -> _Body:
    """The body as `model`, every fault with its pointer at once."""
    value = await document(request)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [Fault(_pointer(item["loc"]), item["msg"]) for item in error.errors(include_url=False)]
        raise RefusedError(invalid("The request's body is not valid.", *faults)) from None


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
