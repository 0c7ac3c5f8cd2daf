"""The Lambda@Edge viewer-request handler: a CloudFront event in, the rewritten request or a refusal out.

`parse` and `render` only translate; what may happen is decided by the same admission as everywhere. The shapes and the
rules about headers are those of the CloudFront Developer Guide ("Lambda@Edge event structure", "Restrictions on edge
functions").
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from gateway.admission import Admission
from gateway.cors import NO_PAGES, UPLOADS, Cors, Headers
from gateway.intake import METHODS, RawRequest, is_preflight
from gateway.policy.grant import Grant
from gateway.policy.model import Carriage
from gateway.policy.problems import INTERNAL_DETAIL, Code, Refusal

Event = Mapping[str, Any]
Result = dict[str, Any]
Handler = Callable[[Event, object], Result]

_LOG: Final = logging.getLogger(__name__)

READ_ONLY: Final = frozenset({"cdn-loop", "content-length", "host", "transfer-encoding", "via"})
"""Headers a viewer-request function must hand back as they came ("Read-only headers for viewer request events")."""


def make_handler(admission: Admission, *, base: str, carriage: Carriage, cors: Cors = NO_PAGES) -> Handler:
    """The handler for uploads under `base`; made once a sandbox, called once a request.

    `cors` names the origins whose pages may call. What the function answers itself says so; what S3 answers does by the
    distribution's response headers policy.
    """

    def handler(event: Event, _context: object) -> Result:
        cloudfront = event["Records"][0]["cf"]
        request_id: str = cloudfront["config"]["requestId"]
        try:
            return answer(cloudfront["request"], request_id)
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
        "uri": "/" + quote(grant.key),
        "querystring": "",
        "headers": {**kept, **granted},
    }


def render_refusal(refusal: Refusal, request_id: str, cors: Headers = ()) -> Result:
    """The problem as a generated response; `cors` is what it says to a page of another origin."""
    body = json.dumps(refusal.body(request_id), ensure_ascii=False)
    return {**_generated(refusal.status, refusal.title, request_id, (*refusal.response_headers(), *cors)), "body": body}


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
