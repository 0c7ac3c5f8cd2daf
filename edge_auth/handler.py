"""The Lambda@Edge viewer-request handler: a CloudFront event in, the rewritten request or a refusal out.

`parse` and `render` only translate; what may happen is decided by the same admission as everywhere. The shapes and the
rules about headers are those of the CloudFront Developer Guide ("Lambda@Edge event structure", "Restrictions on edge
functions"). An event of another shape is refused like a bad request: a function that raises, or hands back what
CloudFront does not take, is a 502 that no client can read.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from gateway.admission import Admitted
from gateway.cors import NO_PAGES, UPLOADS, Cors, Headers
from gateway.intake import METHODS, RawRequest, is_preflight
from gateway.policy.grant import Grant
from gateway.policy.model import Carriage
from gateway.policy.problems import INTERNAL_DETAIL, Code, Refusal
from gateway.storage.sigv4 import encode_key

Event = Mapping[str, Any]
Result = dict[str, Any]
Handler = Callable[[Event, object], Result]

Kind = TypeVar("Kind")

_LOG: Final = logging.getLogger(__name__)

READ_ONLY: Final = frozenset({"cdn-loop", "content-length", "host", "transfer-encoding", "via"})
"""Headers a viewer-request function must hand back as they came ("Read-only headers for viewer request events")."""


RESPONSE_LIMIT: Final = 40_960
"""Bytes of a generated viewer response, headers and body ("Quotas on Lambda@Edge")."""

_SHORT: Final = 1_000
_TEXTS: Final = ("clientIp", "method", "uri")
_UNKNOWN: Final = "unknown"


class EventError(Exception):
    """The event is no viewer request's."""


class Admits(Protocol):
    """Decides about one PUT (`gateway.admission.Admission`)."""

    def admit_sync(self, raw: RawRequest, *, base: str, carriage: Carriage, request_id: str) -> Admitted | Refusal:
        """The grant, or why not."""
        ...


def make_handler(admission: Admits, *, base: str, carriage: Carriage, cors: Cors = NO_PAGES) -> Handler:
    """The handler for uploads under `base`; made once a sandbox, called once a request.

    `cors` names the origins whose pages may call. What the function answers itself says so; what S3 answers does by the
    distribution's response headers policy.
    """

    def handler(event: Event, _context: object) -> Result:
        request_id = _request_id(event)
        try:
            request = viewer_request(event)
        except EventError as error:
            _LOG.error("%s is no viewer request: %s", request_id, error)
            return render_refusal(
                Refusal(code=Code.REQUEST_INVALID, detail=f"This is no viewer request: {error}"), request_id
            )
        try:
            return answer(request, request_id)
        except Exception:  # noqa: BLE001 - CloudFront answers a function that raises with a 502 no client can read
            _LOG.exception("The viewer request %s failed", request_id)
            return render_refusal(Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL), request_id)

    def answer(request: Mapping[str, Any], request_id: str) -> Result:
        raw = parse(request)
        if is_preflight(raw):
            return render_preflight(request_id, cors.preflight(raw.method, raw.headers, UPLOADS))
        admitted = admission.admit_sync(raw, base=base, carriage=carriage, request_id=request_id)
        if isinstance(admitted, Refusal):
            return render_refusal(admitted, request_id, cors.headers(raw.headers))
        return render_grant(admitted.grant, request)

    return handler


def viewer_request(event: object) -> Mapping[str, Any]:
    """The request in the event, every member of which has the type it must have; raises `EventError`."""
    request = _member(_cloudfront(event), "request", dict)
    for name in _TEXTS:
        if not isinstance(request.get(name), str):
            raise EventError(f"{name} is missing, or not of its type")
    if not isinstance(request.get("querystring", ""), str):
        raise EventError("querystring is not a text")
    for name, entries in _member(request, "headers", dict).items():
        if not isinstance(name, str) or name != name.lower() or not isinstance(entries, list):
            raise EventError("a header is not a list under a lower-case name")
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("value"), str):
                raise EventError("a header has no value that is a text")
    return request


def _cloudfront(event: Any) -> Mapping[str, Any]:
    try:
        frame = event["Records"][0]["cf"]
    except (TypeError, KeyError, IndexError):
        raise EventError("cf is missing, or not of its type") from None
    if not isinstance(frame, dict):
        raise EventError("cf is missing, or not of its type")
    return frame


def _member(value: object, name: str, kind: type[Kind]) -> Kind:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        raise EventError(f"{name} is missing, or not of its type")
    return found


def _request_id(event: Any) -> str:
    """CloudFront's id of the request; it reaches the client as `X-Amz-Cf-Id` and `X-Request-Id`."""
    try:
        given = event["Records"][0]["cf"]["config"]["requestId"]
    except (TypeError, KeyError, IndexError):
        return _UNKNOWN
    if not isinstance(given, str):
        return _UNKNOWN
    return given if given.isascii() and given.isprintable() and 0 < len(given) <= 256 else _UNKNOWN


def parse(request: Mapping[str, Any]) -> RawRequest:
    """The raw request in a viewer-request event; the URI is not decoded by CloudFront and not decoded here."""
    return RawRequest(
        method=request["method"],
        path=request["uri"],
        query=request.get("querystring", ""),
        headers=tuple((name, entry["value"]) for name, entries in request["headers"].items() for entry in entries),
    )


def render_grant(grant: Grant, request: Mapping[str, Any]) -> Result:
    """The request CloudFront goes on with: the tenant's key, the grant's headers, and none of the client's own."""
    kept = {name: entries for name, entries in request["headers"].items() if name in READ_ONLY}
    granted = {name: [{"key": name, "value": value}] for name, value in grant.s3_headers() if name not in READ_ONLY}
    return {
        "clientIp": request["clientIp"],
        "method": request["method"],
        "uri": "/" + encode_key(grant.key),
        "querystring": "",
        "headers": {**kept, **granted},
    }


def render_refusal(refusal: Refusal, request_id: str, cors: Headers = ()) -> Result:
    """The problem as a generated response; `cors` is what it says to a page of another origin.

    The body is ASCII, with escapes, whatever a name in it is made of. Where it would be more than CloudFront takes, it
    says less: which scopes a policy lists, or each of many faults, is the first to go.
    """
    headers, body = refusal.response_headers(), json.dumps(refusal.body(request_id))
    if len(body) + sum(len(name) + len(value) for name, value in headers) > RESPONSE_LIMIT // 2:
        short = Refusal(code=refusal.code, detail=refusal.detail[:_SHORT], retry_after=refusal.retry_after)
        headers, body = short.response_headers(), json.dumps(short.body(request_id))
    return {**_generated(refusal.status, refusal.title, request_id, (*headers, *cors)), "body": body}


def render_preflight(request_id: str, cors: Headers | None = None) -> Result:
    """The answer to OPTIONS, before any credential; to a page's preflight with what it may send."""
    return _generated(204, "No Content", request_id, cors or (("allow", METHODS),))


def _generated(status: int, description: str, request_id: str, headers: Headers) -> Result:
    pairs = (*headers, ("x-request-id", request_id))
    return {
        "status": str(status),
        "statusDescription": description,
        "headers": {name: [{"key": name, "value": value}] for name, value in pairs},
    }
