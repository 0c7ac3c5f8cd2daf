"""API Gateway's behaviour around the authorizer, as far as an upload meets it: an executable model.

It interprets the definition that is deployed (`gateway.proxy.definition`) and asks the authorizer that is deployed,
with an event as API Gateway makes it. Each rule names its page of the API Gateway Developer Guide. What no page says
is assumed, and listed in `docs/reference/api-gateway.md`.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote

from gateway.asgi.wire import Headers, Receive, Reply, Scope, Send, body_chunks, raw_request, send_reply
from gateway.intake import RawRequest
from gateway.local.api_gateway_mapping import DefinitionError, Values, mapped, rendered, resolved, substituted
from gateway.proxy.api_gateway import PAYLOAD_LIMIT
from gateway.proxy.authorizer import Authorizer
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Answer, BodyAbortedError, Upstream, UpstreamError

_INTEGRATION: Final = "x-amazon-apigateway-integration"
_ANY: Final = "x-amazon-apigateway-any-method"

_DROPPED: Final = frozenset({"connection", "expect", "te", "trailer", "transfer-encoding", "upgrade", "via"})
"""Headers that are not passed on ("Amazon API Gateway important notes")."""

_PORTABLE: Final = re.compile(r"[A-Za-z0-9._/-]+")
"""Keys that reach S3 as they are, whether or not API Gateway encodes a slash in a path's value."""

_API: Final = "arn:aws:execute-api:local:000000000000:local/local"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """What the definition says of a method of a resource, and the resource's path."""

    resource: str
    operation: Document

    @property
    def integration(self) -> Document:
        return cast(Document, self.operation[_INTEGRATION])


class RestApi:
    """The API of one definition, before one bucket (ASGI).

    Args:
        definition: the OpenAPI document as it is deployed.
        authorizer: the function that its authorizer names.
        role: signs as the role that its integration names.
        endpoint: the bucket that its integration names.
        upstream: carries the bytes to S3.
        clock: seconds since the epoch.
        new_id: unguessable ids, which stand for `$context.extendedRequestId`.
        conditions: those of the template that hold.
        metered: what usage plans say of a call with this API key value: a gateway response, or None to let it pass.
    """

    def __init__(
        self,
        *,
        definition: Document,
        authorizer: Authorizer,
        role: Signer,
        endpoint: Endpoint,
        upstream: Upstream,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        conditions: frozenset[str] = frozenset(),
        metered: Callable[[str], str | None] = lambda _: "INVALID_API_KEY",
    ) -> None:
        values = {"AWS::Partition": "aws", "AWS::Region": "local", "UploadBucket": endpoint.bucket}
        self._definition = cast(
            Document,
            resolved(
                definition, {**values, "AuthorizerFunction.Arn": "authorizer", "ProxyRole.Arn": "role"}, conditions
            ),
        )
        self._metered = metered
        self._authorizer = authorizer
        self._role = role
        self._endpoint = endpoint
        self._upstream = upstream
        self._clock = clock
        self._new_id = new_id
        self._cache: dict[tuple[str, ...], tuple[float, Document]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            reply = await self._answer(raw_request(scope), receive)
        except BodyAbortedError:
            return
        await send_reply(send, reply)

    async def _answer(self, raw: RawRequest, receive: Receive) -> Reply:
        context = {"extendedRequestId": self._new_id() + "="}
        body = await _payload(raw, receive)
        if body is None:
            # "Important notes": the 413 can't be customised, and has no headers of ours.
            return Reply(status=413, body=b'{"message":"HTTP content length exceeded %d bytes."}' % PAYLOAD_LIMIT)
        method = next(iter(raw.values("x-http-method-override")), raw.method)  # "Important notes": it is obeyed
        found = self._route(method, raw.path)
        if found is None:
            return self._gateway_response("MISSING_AUTHENTICATION_TOKEN", context)
        verdict = await self._verdict(_event(raw, method, found.resource))
        if verdict is None:
            return self._gateway_response("UNAUTHORIZED", context)
        context |= {f"authorizer.{name}": value for name, value in _context(verdict).items()}
        if not _allows(verdict, _arn(method, raw.path)):
            return self._gateway_response("ACCESS_DENIED", context)
        if held := self._held(found.operation, verdict):
            return self._gateway_response(held, context)
        return await self._integrated(found.integration, context, body)

    def _route(self, method: str, path: str) -> _Operation | None:
        """The method of the resource at this path; `{name+}` takes what is left, one segment or more."""
        base, _, rest = path.removeprefix("/").partition("/")
        resource = f"/{base}/{{name+}}" if rest.strip("/") else f"/{base}"
        methods = self._definition["paths"].get(resource, {})
        operation = methods.get(method.lower(), methods.get(_ANY))
        return None if operation is None else _Operation(resource=resource, operation=operation)

    async def _verdict(self, event: Document) -> Document | None:
        """The authorizer's policy, from its cache where it has one; None where an identity source is missing.

        With a lifetime the policy *and its context* serve every request of the same identity sources ("Use API Gateway
        Lambda authorizers"), which is why ours has none.
        """
        declared = self._definition["components"]["securitySchemes"]["authorizer"]
        rules = declared["x-amazon-apigateway-authorizer"]
        lifetime: int = rules["authorizerResultTtlInSeconds"]
        if not lifetime:
            return await asyncio.to_thread(self._authorizer, event, None)
        headers = {name.lower(): value for name, value in event["headers"].items()}
        sources = rules["identitySource"].split(",")
        identity = tuple(headers.get(s.strip().removeprefix("method.request.header.").lower(), "") for s in sources)
        if not all(identity):
            return None
        until, verdict = self._cache.get(identity, (0.0, {}))
        if until <= self._clock():
            verdict = await asyncio.to_thread(self._authorizer, event, None)
            self._cache[identity] = (self._clock() + lifetime, verdict)
        return verdict

    def _held(self, operation: Document, verdict: Document) -> str | None:
        """What a usage plan answers in the integration's place ("Choose an API key source").

        The key is the authorizer's answer: what a client sends as x-api-key counts for nothing.
        """
        schemes = self._definition["components"]["securitySchemes"]
        demanded = any(schemes[name]["name"] == "x-api-key" for one in operation["security"] for name in one)
        if not demanded:
            return None
        if self._definition["x-amazon-apigateway-api-key-source"] != "AUTHORIZER":
            raise DefinitionError("A key that a client could choose would count for the tenant it names.")
        key = verdict.get("usageIdentifierKey")
        return self._metered(key) if isinstance(key, str) else "INVALID_API_KEY"

    async def _integrated(self, integration: Document, context: Mapping[str, str], body: bytes) -> Reply:
        values = Values(context=context)
        if integration["type"] == "mock":
            return _mock(integration, values)
        try:
            answer = await self._put(integration, values, body)
        except UpstreamError:
            return self._gateway_response("INTEGRATION_FAILURE", context)
        patterns = integration["responses"]
        # "Set up an integration response": the pattern is held against the status of an AWS service.
        chosen = next((p for p in patterns if p != "default" and re.fullmatch(p, str(answer.status))), "default")
        return _response(patterns[chosen], Values(context=context, answer=answer.headers), answer.body)

    async def _put(self, integration: Document, values: Values, body: bytes) -> Answer:
        headers, key = [("content-length", str(len(body)))], ""
        for target, expression in integration["requestParameters"].items():
            value = mapped(expression, values)
            if target == "integration.request.path.key":
                key = value or ""
            elif value is not None:
                headers.append((target.removeprefix("integration.request.header."), value))
        if not _PORTABLE.fullmatch(key):
            raise DefinitionError("How API Gateway encodes this key is not known.")
        path, sent = self._endpoint.path_for(key), tuple(headers)
        signed = self._role.sign_headers("PUT", self._endpoint.host, path, now=self._clock(), headers=sent)

        async def chunks() -> Any:
            yield body

        return await self._upstream.put(self._endpoint.url_for(key), (*sent, *signed.items()), chunks(), len(body))

    def _gateway_response(self, kind: str, context: Mapping[str, str]) -> Reply:
        """What API Gateway says itself ("Gateway responses")."""
        response = self._definition["x-amazon-apigateway-gateway-responses"][kind]
        headers = _headers(response["responseParameters"], "gatewayresponse.header.", Values(context=context))
        template: str = response["responseTemplates"]["application/json"]
        return Reply(status=int(response["statusCode"]), headers=headers, body=substituted(template, context).encode())


async def _payload(raw: RawRequest, receive: Receive) -> bytes | None:
    """The whole body, None where it is over the limit ("Quotas for REST APIs"); raises BodyAbortedError."""
    declared = raw.values("content-length")
    if declared and declared[0].isdigit() and int(declared[0]) > PAYLOAD_LIMIT:
        return None
    body = bytearray()
    async for chunk in body_chunks(receive):
        body += chunk
        if len(body) > PAYLOAD_LIMIT:
            return None
    return bytes(body)


def _event(raw: RawRequest, method: str, resource: str) -> Document:
    """What an authorizer of type REQUEST is given ("Input to an API Gateway Lambda authorizer")."""
    headers: dict[str, list[str]] = {}
    for name, value in raw.headers:
        if name.lower() not in _DROPPED:
            headers.setdefault(name, []).append(value)
    query = parse_qs(raw.query, keep_blank_values=True) if raw.query else None
    last = {name: values[-1] for name, values in headers.items()}
    _, _, name = raw.path.removeprefix("/").partition("/")
    return {
        "type": "REQUEST",
        "methodArn": _arn(method, raw.path),
        "resource": resource,
        "path": raw.path,
        "httpMethod": method,
        "headers": last,
        "multiValueHeaders": headers,
        "queryStringParameters": query and {key: values[-1] for key, values in query.items()},
        "multiValueQueryStringParameters": query,
        "pathParameters": {"name": unquote(name)} if name else None,
        "stageVariables": None,
        "requestContext": {"resourcePath": resource, "httpMethod": method, "path": f"/local{raw.path}"},
    }


def _arn(method: str, path: str) -> str:
    return f"{_API}/{method}{path}"


def _context(verdict: Document) -> Mapping[str, str]:
    """The authorizer's context, whose values become strings ("Output from an API Gateway Lambda authorizer")."""
    context: Mapping[str, object] = verdict.get("context", {})
    if not all(isinstance(value, str) for value in context.values()):
        raise DefinitionError("The authorizer's context holds what is no string.")
    return cast(Mapping[str, str], context)


def _allows(verdict: Document, arn: str) -> bool:
    """Whether a statement allows this call and none denies it (IAM User Guide, "Policy evaluation logic")."""
    effects = {
        statement["Effect"]
        for statement in verdict["policyDocument"]["Statement"]
        if re.fullmatch(re.escape(statement["Resource"]).replace(r"\*", ".*").replace(r"\?", "."), arn, re.DOTALL)
    }
    return effects == {"Allow"}


def _mock(integration: Document, values: Values) -> Reply:
    """A mock integration; with `*/*` as binary type it fails unless it is told to convert to text."""
    if integration.get("contentHandling") != "CONVERT_TO_TEXT":
        raise DefinitionError("A mock integration beside binary media types has to convert to text.")
    return _response(integration["responses"]["default"], values, b"")


def _response(response: Document, values: Values, body: bytes) -> Reply:
    """Headers, and a body that a template made or that passes as it is ("Set up an integration response")."""
    headers = _headers(response["responseParameters"], "method.response.header.", values)
    status = int(response["statusCode"])
    templates = response.get("responseTemplates")
    if templates is None:
        return Reply(status=status, headers=headers, body=body if status == 200 else b"")
    if response.get("contentHandling") != "CONVERT_TO_TEXT":
        raise DefinitionError("A template beside binary media types needs a body that was converted to text.")
    made = rendered(templates["application/json"], values.context, body.decode("utf-8", "replace"))
    return Reply(
        status=made.status or status,
        headers=tuple({**dict(headers), **made.headers}.items()),
        body=made.body.encode(),
    )


def _headers(parameters: Mapping[str, str], prefix: str, values: Values) -> Headers:
    found = ((target.removeprefix(prefix), mapped(expression, values)) for target, expression in parameters.items())
    return tuple((name, value) for name, value in found if value is not None)
