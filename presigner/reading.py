"""What a request says, strictly read; what can't be read is raised as the refusal it becomes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from gateway.asgi.problems import RefusedError, invalid_body
from gateway.asgi.request_id import STATE_KEY
from gateway.asgi.schema import inlined
from gateway.asgi.wire import Headers
from gateway.policy.problems import Code, Fault, Refusal
from gateway.policy.strict_json import loads
from presigner.tickets import carried
from presigner.wire import accepts_gzip

Outcome = TypeVar("Outcome")
Body = TypeVar("Body", bound=BaseModel)

BODY_LIMIT: Final = 65_536
"""The most bytes of a plan's request."""

PARTS_LIMIT: Final = 2_097_152
"""The most bytes of a request that names 10,000 parts with their ETags and checksums."""

PAGE: Final = 50
"""Uploads on a page where the client names no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call's request but for who sent it; `by_ticket` says that a ticket in the path was its credential."""

    headers: Headers
    query: bytes
    chunks: AsyncIterator[bytes]
    by_ticket: bool = False


def described(body: type[BaseModel]) -> dict[str, Any]:
    """The request's body in the OpenAPI document; it is read by `parse_body`, not by the framework."""
    return {"requestBody": {"content": {"application/json": {"schema": inlined(body)}}}}


def headers_of(request: Request) -> tuple[tuple[str, str], ...]:
    """The request's header pairs as they came."""
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"])


def asked_of(request: Request) -> Asked:
    """The framework's request as one of the calls that are also answered before it reads it."""
    return Asked(
        headers=headers_of(request),
        query=request.scope["query_string"],
        chunks=request.stream(),
        by_ticket=carried(request.scope) is not None,
    )


def request_id_of(request: Request) -> str:
    """The id that `WithRequestId` gave the request."""
    return str(getattr(request.state, STATE_KEY, ""))


def wants_gzip(request: Request) -> bool:
    """Whether the client takes gzip."""
    return accepts_gzip(request.headers.getlist("accept-encoding"))


def page_limit(text: str | None) -> int:
    """How many uploads a page has at most; raises RefusedError for what is no number from 1 to 100."""
    if text is None:
        return PAGE
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 100:
        return int(text)
    raise RefusedError(invalid_body(Fault("/query/limit", "A limit is a number from 1 to 100.")))


def granted(outcome: Outcome | Refusal) -> Outcome:
    """What is no refusal; a refusal is raised as `RefusedError`."""
    if isinstance(outcome, Refusal):
        raise RefusedError(outcome)
    return outcome


async def read_body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The body, at most `limit` bytes; more is refused before it is read."""
    return await gathered(request.stream(), limit)


async def gathered(chunks: AsyncIterator[bytes], limit: int = BODY_LIMIT) -> bytes:
    """The same of a body that is read as it comes."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            detail = f"The request's body has more than {limit} bytes."
            raise RefusedError(Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail=detail, limit=limit))
    return bytes(body)


def parse_body(data: bytes, kind: type[Body], limit: int = BODY_LIMIT) -> Body:
    """The body, strictly read; raises RefusedError with every fault and its pointer."""
    document = loads(data, max_bytes=limit, max_depth=8)
    if isinstance(document, Fault):
        raise RefusedError(invalid_body(document))
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        found = tuple(Fault(pointer(item["loc"]), item["msg"]) for item in error.errors(include_url=False))
        raise RefusedError(invalid_body(*found)) from None


def pointer(location: tuple[int | str, ...]) -> str:
    """A pydantic location as an RFC 6901 pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)
