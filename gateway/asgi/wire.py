"""The translation between ASGI and the gateway's own values; no policy, no routing.

A scope becomes a `RawRequest` untouched, a body becomes an iterator of chunks, and a `Reply` or a `Refusal` becomes the
two messages of a response.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from gateway.asgi.body import Body
from gateway.intake import RawRequest
from gateway.policy.problems import Refusal
from gateway.storage.upstream import BodyAbortedError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[str, str], ...]

FRONT: Final = "upload_gateway.request"
"""Key in `scope["extensions"]` of what the HTTP front says of a request (`gateway.server`), and may be told: `headers`
is a list of pairs (bytes) that its own answers to the request carry, too."""


_NO_MORE: Final[Mapping[str, str]] = {}


class Application(Protocol):
    """An ASGI 3 application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole response: status, headers with lower-case names, and a body that is small enough to hold."""

    status: int
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)


def raw_request(scope: Scope) -> RawRequest:
    """The request as it was on the wire; bytes of the path that are not UTF-8 become surrogate escapes."""
    return RawRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("utf-8", "surrogateescape"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
    )


async def body_chunks(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body as it arrives; raises BodyAbortedError when the client goes away before its end."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyAbortedError
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if chunk:
            yield chunk


def body_of(receive: Receive) -> Body:
    """The same, for a backend that looks at its beginning first."""

    async def pull() -> tuple[bytes, bool]:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyAbortedError
        return message.get("body", b""), message.get("more_body", False)

    return Body(pull)


def refusal_reply(refusal: Refusal, request_id: str, more: Mapping[str, str] = _NO_MORE) -> Reply:
    """The problem, as RFC 9457 has it, with `more` members."""
    body = json.dumps({**refusal.body(request_id), **more}, ensure_ascii=False).encode()
    return stamped(Reply(status=refusal.status, headers=refusal.response_headers(), body=body), request_id)


def stamped(reply: Reply, request_id: str) -> Reply:
    """The reply with the request's id on it, which every answer of the gateway carries."""
    return with_headers(reply, (("x-request-id", request_id),))


def with_headers(reply: Reply, headers: Headers) -> Reply:
    """The reply with these headers after its own."""
    return Reply(status=reply.status, headers=(*reply.headers, *headers), body=reply.body)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send the whole response; a 204 and a 304 have no length (RFC 9110 section 8.6)."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if reply.status not in {204, 304}:
        headers.append((b"content-length", str(len(reply.body)).encode("latin-1")))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
