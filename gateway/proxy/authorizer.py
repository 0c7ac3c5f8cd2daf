"""The Lambda authorizer of API Gateway's proxy: a REQUEST event in, an IAM policy with the grant or the problem out.

API Gateway then sends the bytes to S3 by itself, from a definition (`gateway.proxy.definition`) that takes the key and
every header from this function's `context`, so no byte of a body passes our code and nothing a client sent reaches S3
unless a grant names it. Shapes and limits are those of the API Gateway Developer Guide ("Input to an API Gateway
Lambda authorizer", "Output from an API Gateway Lambda authorizer").

The authorizer must not be cached: its context holds one request's key.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway.admission import Admission
from gateway.cors import NO_PAGES, UPLOADS, Cors, Headers
from gateway.intake import METHODS, RawRequest, is_preflight
from gateway.policy.grant import Grant
from gateway.policy.model import Carriage, Policy
from gateway.policy.problems import INTERNAL_DETAIL, Code, Refusal
from gateway.storage.sigv4 import encode_key

Event = Mapping[str, Any]
Result = dict[str, Any]
Authorizer = Callable[[Event, object], Result]

_LOG: Final = logging.getLogger(__name__)

RESOURCE_LIMIT: Final = 512
"""The most characters of an ARN in the policy ("Output from an API Gateway Lambda authorizer")."""

_WILDCARDS: Final = frozenset("*?$")
"""What a policy's resource reads as more than itself (IAM User Guide, "IAM JSON policy elements: Resource")."""

_OVERRIDE: Final = "x-http-method-override"
_OVERRIDDEN: Final = Refusal(
    code=Code.METHOD_NOT_ALLOWED,
    detail="API Gateway takes X-HTTP-Method-Override for the method; send the request without it.",
    headers=(("allow", METHODS),),
)
"""API Gateway obeys the header before anybody is asked ("Amazon API Gateway important notes"), and the event does not
say what the method was."""

TO_S3: Final = "s3_"
"""Begins the context members that become headers of the PUT to S3."""

TO_CLIENT: Final = "answer_"
"""Begins the context members that become headers of the answer."""


def context_name(prefix: str, header: str) -> str:
    """The member of the context that holds a header (lower case)."""
    return prefix + header.replace("-", "_")


def make_authorizer(
    admission: Admission,
    *,
    base: str,
    carriage: Carriage,
    new_request_id: Callable[[], str],
    cors: Cors = NO_PAGES,
    usage_key: Callable[[Policy], str] | None = None,
) -> Authorizer:
    """The function for uploads under `base`; made once a sandbox, called once a request.

    Args:
        admission: decides, and reserves.
        base: the path of the resource, `/proxy`.
        carriage: what this way can carry.
        new_request_id: ids that no client can choose; API Gateway's own `requestId` can be overridden by one.
        cors: the origins whose pages may call.
        usage_key: the API key value whose usage plan a tenant's upload counts against; None where no plan is used.
    """

    def authorize(event: Event, _context: object) -> Result:
        request_id = new_request_id()
        try:
            return decided(event, request_id)
        except Exception:  # noqa: BLE001 - API Gateway answers a function that raises with a 500 that says nothing
            _LOG.exception("The authorizer failed on request %s", request_id)
            return denied(Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL), request_id)

    def decided(event: Event, request_id: str) -> Result:
        raw = parse(event)
        pages = cors.headers(raw.headers)
        arn: str = event["methodArn"]
        if raw.values(_OVERRIDE):
            return denied(_OVERRIDDEN, request_id, pages)
        if is_preflight(raw):
            return allowed("anonymous", arn, preflight(cors.preflight(raw.method, raw.headers, UPLOADS), request_id))
        admitted = admission.admit_sync(raw, base=base, carriage=carriage, request_id=request_id)
        if isinstance(admitted, Refusal):
            return denied(admitted, request_id, pages)
        grant = admitted.grant
        answer = (*admitted.room.headers, *pages)
        result = allowed(grant.tenant, arn, granted(grant, request_id, answer))
        return result if usage_key is None else {**result, "usageIdentifierKey": usage_key(admitted.policy)}

    return authorize


def parse(event: Event) -> RawRequest:
    """The raw request in a REQUEST event; a REST API hands the path over undecoded.

    Every value of a repeated header is in `multiValueHeaders`; of a query only that there is one matters here, and one
    without a parameter (`?&`) can't be told from none.
    """
    query = event.get("multiValueQueryStringParameters") or {}
    return RawRequest(
        method=event["httpMethod"],
        path=event["path"],
        query="&".join(f"{name}=" for name in query),
        headers=tuple((name, value) for name, values in event["multiValueHeaders"].items() for value in values),
    )


def granted(grant: Grant, request_id: str, answer: Headers) -> dict[str, str]:
    """The context that enacts a grant: the key, and each header that S3 must see but the length, which is counted."""
    to_s3 = ((name, value) for name, value in grant.s3_headers() if name != "content-length")
    checksum = () if grant.checksum is None else ((grant.checksum.header, grant.checksum.value),)
    said = (("x-request-id", request_id), ("content-location", encode_key(grant.key)), *checksum, *answer)
    return {"key": grant.key, **_members(TO_S3, to_s3), **_members(TO_CLIENT, said)}


def preflight(cors: Headers | None, request_id: str) -> dict[str, str]:
    """The context of the answer to OPTIONS."""
    return _members(TO_CLIENT, (("x-request-id", request_id), *(cors or (("allow", METHODS),))))


def allowed(principal: str, arn: str, context: Mapping[str, str]) -> Result:
    """Leave for exactly this request.

    Raises ValueError for an ARN that would be leave for more: it holds the client's path, so a wildcard in it would
    be one that the client chose.
    """
    if len(arn) > RESOURCE_LIMIT or not _WILDCARDS.isdisjoint(arn):
        raise ValueError("the method's ARN can't stand in a policy as itself")
    return _policy(principal, "Allow", arn, context)


def denied(refusal: Refusal, request_id: str, answer: Headers = ()) -> Result:
    """A refusal: API Gateway answers 403 whatever it is, so the problem says the status it would have had.

    What is denied is everything, and not the request's own ARN, which may be too long or hold a wildcard.
    """
    body = refusal.body(request_id)
    if refusal.status != 403:
        body |= {"status": 403, "intended_status": refusal.status}
    said = (("x-request-id", request_id), *refusal.response_headers(), *answer)
    context = {"problem": json.dumps(body, ensure_ascii=False), **_members(TO_CLIENT, said)}
    return _policy("anonymous", "Deny", "*", context)


def _members(prefix: str, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers as members of the context; a header that is said twice is one, its values in a list."""
    members: dict[str, str] = {}
    for name, value in headers:
        member = context_name(prefix, name)
        members[member] = f"{members[member]}, {value}" if member in members else value
    return members


def _policy(principal: str, effect: str, resource: str, context: Mapping[str, str]) -> Result:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": dict(context),
    }
