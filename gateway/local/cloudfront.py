"""CloudFront's behaviour around the viewer-request function, as far as an upload meets it: an executable model.

It hands the deployed handler a real viewer-request event, holds what comes back to CloudFront's rules, and sends the
request on to the bucket signed as an origin access control signs. Each rule names its page of the CloudFront Developer
Guide. Where the model is stricter than CloudFront, it says so.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from edge_auth.handler import READ_ONLY, Handler
from gateway.asgi.front import RequestIds
from gateway.asgi.turnstile import TOO_MANY, Turnstile
from gateway.asgi.wire import Headers, Receive, Reply, Scope, Send, body_chunks, refusal_reply, send_reply
from gateway.proxy.answers import unanswered
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Answer, BodyAbortedError, Upstream, UpstreamError

_LOG: Final = logging.getLogger(__name__)

# "Restrictions on all edge functions", Disallowed headers: not exposed to a function, and a 502 if one adds them.
_DISALLOWED: Final = frozenset(
    {"connection", "expect", "keep-alive", "trailer", "upgrade", "x-cache", "x-forwarded-proto", "x-real-ip"}
)
_DISALLOWED_PREFIXES: Final = ("proxy-", "x-accel-", "x-amz-cf-", "x-amzn-", "x-edge-")

# "Quotas on Lambda@Edge": a generated viewer response, and a URI with its query.
_RESPONSE_LIMIT: Final = 40_960
_URI_LIMIT: Final = 8_192

# "Request and response behavior for Amazon S3 origins": headers of S3's answer that CloudFront removes.
_STRIPPED: Final = frozenset({"x-amz-request-id", "x-amz-id-2"})
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})

_STATUS: Final = re.compile(r"[1-5][0-9]{2}")


class InvalidFunctionResultError(Exception):
    """The function returned what CloudFront answers with a 502 ("Lambda@Edge errors")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRequestPolicy:
    """Which headers go on to the origin ("Control origin requests with a policy"); None models "all that are left"."""

    headers: frozenset[str] | None = None

    def select(self, headers: Headers) -> Headers:
        """The headers that go on: `content-length` always; `host` and `authorization` never, which CloudFront sets."""
        listed = self.headers
        return tuple(
            (name, value)
            for name, value in headers
            if name == "content-length"
            or (name not in {"host", "authorization"} and (listed is None or name in listed))
        )


class Distribution:
    """A distribution whose default behaviour runs the function and whose origin is the bucket (ASGI).

    CloudFront has no bound on a tenant's uploads under way; on one machine they share the proxy's (`turnstile`).
    """

    def __init__(
        self,
        *,
        handler: Handler,
        origin: Endpoint,
        access_control: Signer,
        upstream: Upstream,
        clock: Callable[[], float],
        request_ids: RequestIds,
        request_policy: OriginRequestPolicy | None = None,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._turnstile = turnstile or Turnstile()
        self._handler = handler
        self._origin = origin
        self._access_control = access_control
        self._upstream = upstream
        self._clock = clock
        self._request_ids = request_ids
        self._request_policy = request_policy or OriginRequestPolicy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one viewer request."""
        request_id = self._request_ids(scope)
        event = viewer_request(scope, request_id)
        # A function runs in a sandbox of its own and may wait for an issuer's keys.
        result = await asyncio.to_thread(self._handler, event, None)
        try:
            reply = await self._follow(event["Records"][0]["cf"]["request"], result, receive, request_id)
        except BodyAbortedError:
            return
        except InvalidFunctionResultError:
            _LOG.exception("The viewer-request function returned what CloudFront does not take")
            reply = Reply(status=502)
        except UpstreamError as error:
            _LOG.warning("S3 gave no answer to the edge: %s", error)
            reply = refusal_reply(unanswered(error), request_id)
        ids = (("x-amz-cf-id", request_id), ("x-request-id", request_id))
        own = tuple(pair for pair in reply.headers if pair[0] not in {"x-amz-cf-id", "x-request-id"})
        await send_reply(send, Reply(status=reply.status, headers=(*own, *ids), body=reply.body))

    async def _follow(
        self, request: Mapping[str, Any], result: Mapping[str, Any], receive: Receive, request_id: str
    ) -> Reply:
        if "status" in result:
            return generated_response(result)
        headers = self._request_policy.select(changed_request(request, result))
        size = int(dict(headers).get("content-length", "0"))
        key = unquote(result["uri"]).removeprefix("/")
        signed = self._sign(key, headers)
        tenant = key.partition("/")[0]  # every key template begins with it
        if not self._turnstile.enter(tenant):
            return refusal_reply(TOO_MANY, request_id)
        try:
            chunks = body_chunks(receive)
            return origin_response(
                await self._upstream.put(self._origin.url_for(key), (*headers, *signed.items()), chunks, size)
            )
        finally:
            self._turnstile.leave(tenant)

    def _sign(self, key: str, headers: Headers) -> dict[str, str]:
        """What an origin access control with signing behaviour `always` adds ("Restrict access to an S3 origin").

        The payload is not signed: a viewer request's body is streamed on before its end is known.
        """
        return self._access_control.sign_headers(
            "PUT", self._origin.host, self._origin.path_for(key), now=self._clock(), headers=headers
        )


def viewer_request(scope: Scope, request_id: str) -> dict[str, Any]:
    """The event of a viewer request ("Lambda@Edge event structure").

    CloudFront passes a URI that is UTF-8 unchanged and converts one that is ISO-8859-1; this model keeps such bytes as
    surrogate escapes instead, so that the name is refused here as it is on the other backends.
    """
    headers: dict[str, list[dict[str, str]]] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if not is_disallowed(name):
            headers.setdefault(name, []).append({"key": name, "value": raw_value.decode("latin-1")})
    request = {
        "clientIp": (scope.get("client") or ("127.0.0.1", 0))[0],
        "method": scope["method"],
        "uri": scope["raw_path"].decode("utf-8", "surrogateescape"),
        "querystring": scope["query_string"].decode("latin-1"),
        "headers": headers,
    }
    config = {
        "distributionDomainName": "localhost",
        "distributionId": "LOCAL",
        "eventType": "viewer-request",
        "requestId": request_id,
    }
    return {"Records": [{"cf": {"config": config, "request": request}}]}


def is_disallowed(name: str) -> bool:
    """Whether CloudFront keeps this header (lower-case) from functions, and takes none of it from them."""
    return name in _DISALLOWED or name.startswith(_DISALLOWED_PREFIXES)


def generated_response(result: Mapping[str, Any]) -> Reply:
    """The function's own response ("Generate HTTP responses in request triggers").

    Raises InvalidFunctionResultError for a status, a header or a size that CloudFront does not take.
    """
    body = str(result.get("body", "")).encode()
    headers = _returned_headers(result.get("headers", {}))
    if not isinstance(result["status"], str) or not _STATUS.fullmatch(result["status"]):
        raise InvalidFunctionResultError("The generated response's status is not a string of three digits.")
    if len(body) + sum(len(name) + len(value) for name, value in headers) > _RESPONSE_LIMIT:
        raise InvalidFunctionResultError("The generated response is over 40 KB.")
    if any(is_disallowed(name) or name in READ_ONLY for name, _ in headers):
        raise InvalidFunctionResultError("The generated response has a header that CloudFront does not take.")
    return Reply(status=int(result["status"]), headers=headers, body=body)


def changed_request(request: Mapping[str, Any], result: Mapping[str, Any]) -> Headers:
    """The headers of the request that the function handed back, after CloudFront's rules about it.

    Raises InvalidFunctionResultError for a changed read-only member or header, a disallowed header, or a URI that is
    relative or too long ("Restrictions on edge functions").
    """
    if any(result.get(member) != request[member] for member in ("method", "clientIp")):
        raise InvalidFunctionResultError("A read-only member was changed.")
    if any(result["headers"].get(name) != request["headers"].get(name) for name in READ_ONLY):
        raise InvalidFunctionResultError("A read-only header was changed.")
    if any(is_disallowed(name.lower()) for name in result["headers"]):
        raise InvalidFunctionResultError("A disallowed header was added.")
    uri, query = result["uri"], result.get("querystring", "")
    if not uri.startswith("/") or query or len(uri) >= _URI_LIMIT:
        raise InvalidFunctionResultError("The URI is relative or too long, or has a query.")
    return _returned_headers(result["headers"])


def _returned_headers(headers: Mapping[str, Any]) -> Headers:
    """The pairs of a returned `headers` member; names are lower-case and a `key` is the name in any case."""
    for name, entries in headers.items():
        if name != name.lower() or any(entry.get("key", name).lower() != name for entry in entries):
            raise InvalidFunctionResultError("A header's name is not lower-case, or its key is another name.")
    return tuple((name, entry["value"]) for name, entries in headers.items() for entry in entries)


def origin_response(answer: Answer) -> Reply:
    """S3's answer as a viewer sees it, errors and all."""
    gone = _STRIPPED | _HOP_BY_HOP
    headers = tuple((name, value) for name, value in answer.headers.items() if name not in gone)
    return Reply(status=answer.status, headers=(*headers, ("via", "1.1 local (CloudFront)")), body=answer.body)
