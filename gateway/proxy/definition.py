"""API Gateway's definition of the proxy: one OpenAPI document that sends a PUT to S3 without passing our code.

The bucket is fixed at deployment, the key and every header come from the authorizer's context, and what S3 answers is
said in the contract's words. The document is made here, so that what it maps is what the gateway's `carriages` promise;
`infra/proxy-api.json` is this value as it is deployed, and a test holds the two together. The extensions are those of
the API Gateway Developer Guide ("OpenAPI extensions for API Gateway"); `docs/reference/api-gateway.md` lists what the
guide does not say and is assumed.
"""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from gateway.policy.headers import METADATA_PREFIX
from gateway.policy.model import Algorithm, Checksum
from gateway.policy.problems import INTERNAL_DETAIL, MEDIA_TYPE, Code, Refusal
from gateway.proxy.answers import CHECKSUM_MISMATCH, OBJECT_EXISTS, RELAYED, STORAGE_UNAVAILABLE, UNCONFIRMED
from gateway.proxy.authorizer import TO_CLIENT, TO_S3, context_name

Document = dict[str, Any]

S3_URI: Final = "arn:${AWS::Partition}:apigateway:${AWS::Region}:s3:path/${UploadBucket}/{key}"
AUTHORIZER_URI: Final = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
    "${AuthorizerFunction.Arn}:live/invocations"
)
ROLE: Final = "${ProxyRole.Arn}"
"""What the template that includes the document fills in (`Fn::Sub`): its resources, by their logical ids."""

PLANS: Final = "HasPlans"
PRIVATE: Final = "IsPrivate"
NAMED: Final = "HasProxyName"
"""The template's conditions that the document asks (`Fn::If`): usage plans, a private endpoint, a name of one's own."""

ANSWERED: Final = (
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "vary",
    "www-authenticate",
    "x-request-id",
    *(Checksum(algorithm, "").header for algorithm in Algorithm),
)
"""Headers of an answer that the authorizer says; a checksum is the one that S3 was told to hold the bytes against."""


_CHECKSUM_CODES: Final = ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch")

_NAME: Final = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}

_MINTED_ID: Final = "$context.authorizer.answer_x_request_id"
_GATEWAYS_ID: Final = "$context.extendedRequestId"
"""Where no authorizer was asked; `$context.requestId` is one that a client can set ("Variables for data models")."""

_NOT_FOUND: Final = Refusal(code=Code.NOT_FOUND, detail="There is nothing at this path.")
_NO_CREDENTIAL: Final = Refusal(
    code=Code.TOKEN_MISSING, detail="Send Authorization: Bearer with a token or an API key."
)
_TOO_MANY: Final = Refusal(
    code=Code.RATE_LIMITED, detail="There are too many requests; try again later.", retry_after=5
)
_NO_PLAN_YET: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE, detail="The tenant is too new for this backend; try again later.", retry_after=60
)
_DEFECT: Final = Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL)
_MALFORMED: Final = Refusal(code=Code.REQUEST_INVALID, detail="The request is not one that API Gateway can read.")
_FILTERED: Final = Refusal(code=Code.HEADER_NOT_ALLOWED, detail="A filter before the gateway does not let this pass.")

_WITHOUT_AUTHORIZER: Final[Mapping[str, tuple[int, Refusal]]] = {
    "API_CONFIGURATION_ERROR": (500, _DEFECT),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, _DEFECT),
    "AUTHORIZER_FAILURE": (500, _DEFECT),
    "BAD_REQUEST_BODY": (400, _MALFORMED),
    "BAD_REQUEST_PARAMETERS": (400, _MALFORMED),
    "DEFAULT_4XX": (400, _MALFORMED),
    "DEFAULT_5XX": (500, _DEFECT),
    "INTEGRATION_FAILURE": (503, UNCONFIRMED),
    "INVALID_API_KEY": (503, _NO_PLAN_YET),
    "INTEGRATION_TIMEOUT": (503, UNCONFIRMED),
    "MISSING_AUTHENTICATION_TOKEN": (404, _NOT_FOUND),
    "QUOTA_EXCEEDED": (429, _TOO_MANY),
    "RESOURCE_NOT_FOUND": (404, _NOT_FOUND),
    "THROTTLED": (429, _TOO_MANY),
    "UNAUTHORIZED": (401, _NO_CREDENTIAL),
    "WAF_FILTERED": (403, _FILTERED),
}
"""Gateway responses ("Gateway response types for API Gateway") that are said where the authorizer said nothing.

`REQUEST_TOO_LARGE` is not among them: its 413 can't be customised ("Amazon API Gateway important notes").
"""


_PLAN: Final[Document] = {"type": "apiKey", "name": "x-api-key", "in": "header"}
"""Makes a method demand the API key of a usage plan; whose it is, the authorizer says ("Choose an API key source")."""

_ONLY_OUR_ENDPOINTS: Final[Document] = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": "execute-api:/*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": {"Ref": "VpcEndpointIds"}}},
        },
    ],
}
"""Of a private API ("Use VPC endpoint policies for private APIs"); without a policy nobody could call it."""


def definition(*, metadata_keys: Iterable[str], checksums: Iterable[Algorithm]) -> Document:
    """The document for a deployment that carries these metadata keys and checksum algorithms.

    Raises ValueError for two metadata keys that one member of the context would have to hold.
    """
    headers = ["content-type", "if-none-match"]
    headers += sorted(Checksum(algorithm, "").header for algorithm in checksums)
    headers += sorted(METADATA_PREFIX + key for key in metadata_keys)
    if len({context_name(TO_S3, header) for header in headers}) < len(headers):
        raise ValueError("two metadata keys differ only in - and _, which the authorizer's context can't tell apart")
    asked = {"security": [{"authorizer": []}], "parameters": [_NAME]}
    counted = {**asked, "security": _where(PLANS, [{"authorizer": [], "plan": []}], [{"authorizer": []}])}
    anything_else = {**asked, **_mock(500)}  # which the authorizer denies
    return {
        "openapi": "3.0.1",
        "info": {"title": "upload-gateway proxy", "version": "1"},
        "paths": {
            "/proxy/{name+}": {
                "put": {**counted, **_put(headers)},
                "options": {**asked, **_mock(204)},
                "x-amazon-apigateway-any-method": anything_else,
            },
            "/proxy": {
                "options": {**_without_name(asked), **_mock(204)},
                "x-amazon-apigateway-any-method": _without_name(anything_else),
            },
        },
        "components": {"securitySchemes": {"authorizer": _authorizer(), "plan": _PLAN}},
        "x-amazon-apigateway-api-key-source": _where(PLANS, "AUTHORIZER", "HEADER"),
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": _where(NAMED, True, False)},
        "x-amazon-apigateway-policy": _where(PRIVATE, _ONLY_OUR_ENDPOINTS, {"Ref": "AWS::NoValue"}),
        "x-amazon-apigateway-gateway-responses": _gateway_responses(),
    }


def _without_name(operation: Document) -> Document:
    return {member: value for member, value in operation.items() if member != "parameters"}


def _where(condition: str, then: object, otherwise: object) -> Document:
    """What the template chooses when it is deployed."""
    return {"Fn::If": [condition, then, otherwise]}


def _authorizer() -> Document:
    """Asked on every request: without identity sources and without a cache."""
    return {
        "type": "apiKey",
        "name": "Unused",
        "in": "header",
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {
            "type": "request",
            "authorizerUri": {"Fn::Sub": AUTHORIZER_URI},
            "authorizerResultTtlInSeconds": 0,
        },
    }


def _put(headers: Iterable[str]) -> Document:
    mapped = {f"integration.request.header.{h}": f"context.authorizer.{context_name(TO_S3, h)}" for h in headers}
    relayed = {f"method.response.header.{h}": f"integration.response.header.{h}" for h in RELAYED}
    integration = {
        "type": "aws",
        "httpMethod": "PUT",
        "uri": {"Fn::Sub": S3_URI},
        "credentials": {"Fn::Sub": ROLE},
        "passthroughBehavior": "when_no_templates",
        "timeoutInMillis": 29_000,
        "requestParameters": {"integration.request.path.key": "context.authorizer.key", **mapped},
        "responses": {
            "200": {"statusCode": "200", "responseParameters": _from_context("method.response.header.") | relayed},
            "400": _refused(CHECKSUM_MISMATCH, _bad_request()),
            "412": _refused(OBJECT_EXISTS),
            "50[024]": _refused(UNCONFIRMED),
            "default": _refused(STORAGE_UNAVAILABLE),
        },
    }
    return {"responses": _declared(200, 400, 412, 503), "x-amazon-apigateway-integration": integration}


def _bad_request() -> str:
    """S3's 400 by its code: a checksum that differs is the client's, anything else the storage's."""
    wrong = " || ".join(f"$input.body.contains('<Code>{code}</Code>')" for code in _CHECKSUM_CODES)
    set_status = f"#set($context.responseOverride.status = {STORAGE_UNAVAILABLE.status})"
    set_pause = f"#set($context.responseOverride.header.Retry-After = '{STORAGE_UNAVAILABLE.retry_after}')"
    other = set_status + set_pause + _problem(STORAGE_UNAVAILABLE)
    return f"#if({wrong}){_problem(CHECKSUM_MISMATCH)}#else{other}#end"


def _refused(refusal: Refusal, template: str | None = None) -> Document:
    """S3's refusal as a problem; its own text goes nowhere. With binary media types a template needs text."""
    body = template or _problem(refusal)
    return {
        "statusCode": str(refusal.status),
        "contentHandling": "CONVERT_TO_TEXT",
        "responseParameters": {**_from_context("method.response.header."), **_said("method.response.header.", refusal)},
        "responseTemplates": {"application/json": body, "application/xml": body},
    }


def _mock(status: int) -> Document:
    """An answer of API Gateway's own, whose headers the authorizer says.

    Text both ways, because with `*/*` as binary media types a mock integration fails otherwise.
    """
    answer = {
        "statusCode": str(status),
        "contentHandling": "CONVERT_TO_TEXT",
        "responseParameters": _from_context("method.response.header."),
    }
    integration = {
        "type": "mock",
        "contentHandling": "CONVERT_TO_TEXT",
        "passthroughBehavior": "never",
        "requestTemplates": {"application/json": json.dumps({"statusCode": status})},
        "responses": {"default": answer},
    }
    return {"responses": _declared(status), "x-amazon-apigateway-integration": integration}


def _declared(*statuses: int) -> Document:
    """The method's responses with every header that may be mapped to them, without which a mapping is refused."""
    headers = {header: {"schema": {"type": "string"}} for header in ("content-type", *ANSWERED, *RELAYED)}
    return {str(status): {"description": HTTPStatus(status).phrase, "headers": headers} for status in statuses}


def _gateway_responses() -> Document:
    """What API Gateway says itself, as problems; a refusal of the authorizer's is its own problem, word by word."""
    prefix = "gatewayresponse.header."
    refused = {
        "statusCode": "403",
        "responseParameters": {**_from_context(prefix), f"{prefix}content-type": f"'{MEDIA_TYPE}'"},
        "responseTemplates": {"application/json": "$context.authorizer.problem"},
    }
    own = {
        name: {
            "statusCode": str(status),
            "responseParameters": {
                f"{prefix}x-request-id": "context.extendedRequestId",
                **_said(prefix, refusal),
            },
            "responseTemplates": {"application/json": _problem(refusal, _GATEWAYS_ID, status)},
        }
        for name, (status, refusal) in _WITHOUT_AUTHORIZER.items()
    }
    return {"ACCESS_DENIED": refused, **own}


def _problem(refusal: Refusal, request_id: str = _MINTED_ID, status: int | None = None) -> str:
    body = refusal.body(request_id)
    return json.dumps({**body, "status": status or refusal.status}, ensure_ascii=False)


def _said(prefix: str, refusal: Refusal) -> dict[str, str]:
    """The headers of a problem that is always the same, as literals."""
    return {f"{prefix}{name}": f"'{value}'" for name, value in refusal.response_headers()}


def _from_context(prefix: str) -> dict[str, str]:
    return {f"{prefix}{header}": f"context.authorizer.{context_name(TO_CLIENT, header)}" for header in ANSWERED}
