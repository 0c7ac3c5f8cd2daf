"""The model of API Gateway around the deployed definition: what its rules do to an upload."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import httpx
import pytest

from gateway.local.api_gateway import RestApi
from gateway.local.api_gateway_mapping import DefinitionError, Values, mapped, rendered
from gateway.policy.problems import Code, Refusal
from gateway.proxy.api_gateway import PAYLOAD_LIMIT
from gateway.proxy.authorizer import allowed, denied
from gateway.server.carriages import proxy_definition
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Answer, Upstream, UpstreamError

ENDPOINT = Endpoint.at("http://localhost:1", "bucket")
ROLE = Signer(Credentials(access_key="a", secret_key="s"), "us-east-1")
OK = Answer(status=200, headers={"etag": '"e"'}, body=b"")


class S3:
    """Answers the same to every PUT, and keeps what it was sent."""

    def __init__(self, answer: Answer | UpstreamError = OK) -> None:
        self.answer = answer
        self.sent: list[tuple[str, dict[str, str]]] = []

    async def put(
        self, url: str, headers: tuple[tuple[str, str], ...], chunks: AsyncIterator[bytes], size: int
    ) -> Answer:
        assert sum([len(chunk) async for chunk in chunks]) == size
        self.sent.append((url.removeprefix("http://localhost:1/bucket/"), dict(headers)))
        if isinstance(self.answer, UpstreamError):
            raise self.answer
        return self.answer


def granting(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """An authorizer that makes the key of the path."""
    key = "acme/" + event["path"].removeprefix("/proxy/")
    return allowed("acme", event["methodArn"], {"key": key, "answer_x_request_id": "minted"})


def refusing(_event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """An authorizer that refuses."""
    return denied(Refusal(code=Code.TOKEN_EXPIRED, detail="It is over.", retry_after=7), "minted")


def call(
    s3: S3,
    *requests: tuple[str, str],
    definition: Any = None,
    authorizer: Any = granting,
    body: bytes = b"x",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> list[httpx.Response]:
    """Send requests (method and path) one after the other; `more` is the model's."""
    api = RestApi(
        definition=definition or proxy_definition(),
        authorizer=authorizer,
        role=ROLE,
        endpoint=ENDPOINT,
        upstream=cast(Upstream, s3),
        clock=lambda: 1e9,
        new_id=lambda: "unguessable",
        **more,
    )

    async def send() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=cast(Any, api)), base_url="http://g") as client:
            sent = {"authorization": "Bearer t", **(headers or {})}
            return [await client.request(method, path, content=body, headers=sent) for method, path in requests]

    return asyncio.run(send())


def test_a_cached_answer_would_let_one_requests_grant_serve_another() -> None:
    """Why the authorizer's lifetime is 0: the context is cached with the policy."""
    definition = copy.deepcopy(cast(dict[str, Any], proxy_definition()))
    rules = definition["components"]["securitySchemes"]["authorizer"]["x-amazon-apigateway-authorizer"]
    rules |= {"authorizerResultTtlInSeconds": 300, "identitySource": "method.request.header.Authorization"}

    def of_any_path(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        result = granting(event, context)
        result["policyDocument"]["Statement"][0]["Resource"] = "*"  # what such authorizers usually return
        return result

    cached, uncached = S3(), S3()
    two = ("PUT", "/proxy/a.txt"), ("PUT", "/proxy/b.txt")
    call(cached, *two, definition=definition, authorizer=of_any_path)
    call(uncached, *two, authorizer=of_any_path)
    assert [key for key, _ in cached.sent] == ["acme/a.txt", "acme/a.txt"]
    assert [key for key, _ in uncached.sent] == ["acme/a.txt", "acme/b.txt"]


def test_a_policy_for_one_request_refuses_another_even_if_it_was_cached() -> None:
    """The exact ARN: a lifetime that somebody sets by hand makes refusals, not overwrites."""
    definition = copy.deepcopy(cast(dict[str, Any], proxy_definition()))
    rules = definition["components"]["securitySchemes"]["authorizer"]["x-amazon-apigateway-authorizer"]
    rules |= {"authorizerResultTtlInSeconds": 300, "identitySource": "method.request.header.Authorization"}
    s3 = S3()
    answers = call(s3, ("PUT", "/proxy/a.txt"), ("PUT", "/proxy/b.txt"), definition=definition)
    assert [answer.status_code for answer in answers] == [200, 403]
    assert [key for key, _ in s3.sent] == ["acme/a.txt"]


def test_nothing_of_the_request_but_its_bytes_reaches_s3() -> None:
    """Headers that no grant names are not there."""
    s3 = S3()
    sent = {"x-amz-acl": "public-read", "x-amz-meta-title": "t", "content-type": "text/html", "cookie": "c"}
    call(s3, ("PUT", "/proxy/a.txt"), headers=sent)
    ((_, headers),) = s3.sent
    assert headers.keys() == {"content-length", "authorization", "x-amz-date", "x-amz-content-sha256"}
    assert "Bearer" not in headers["authorization"]


def test_a_refusal_is_the_authorizers_own_problem() -> None:
    """Its headers too."""
    (answer,) = call(S3(), ("PUT", "/proxy/a.txt"), authorizer=refusing)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-request-id"] == answer.json()["instance"] == "minted"
    assert answer.json()["intended_status"] == 401


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (Answer(status=400, headers={}, body=b"<Code>BadDigest</Code>"), 400, "checksum-mismatch"),
        (Answer(status=400, headers={}, body=b"<Code>RequestTimeout</Code>"), 503, "storage-unavailable"),
        (Answer(status=403, headers={}, body=b"<Code>AccessDenied</Code>"), 503, "storage-unavailable"),
        (Answer(status=404, headers={}, body=b"<BucketName>bucket"), 503, "storage-unavailable"),
        (Answer(status=409, headers={}, body=b""), 503, "storage-unavailable"),
        (Answer(status=412, headers={}, body=b""), 412, "object-exists"),
        (Answer(status=500, headers={}, body=b""), 503, "storage-unavailable"),
        (Answer(status=503, headers={}, body=b"<Code>SlowDown</Code>"), 503, "storage-unavailable"),
        (UpstreamError("gone", sent_all=True), 503, "storage-unavailable"),
    ],
)
def test_what_s3_refuses_is_said_in_the_contracts_words(answer: Answer | UpstreamError, status: int, code: str) -> None:
    """And nothing of S3's own text goes on."""
    (found,) = call(S3(answer), ("PUT", "/proxy/a.txt"))
    assert (found.status_code, found.json()["type"].rpartition(":")[2]) == (status, code)
    assert found.json()["status"] == status
    assert found.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in found.headers) is (status == 503)
    assert b"<" not in found.content
    assert "bucket" not in found.text


@pytest.mark.parametrize(("method", "path"), [("PUT", "/other/a"), ("GET", "/")])
def test_what_is_not_routed_is_not_found(method: str, path: str) -> None:
    """By an id that no client can set."""
    (answer,) = call(S3(), (method, path))
    assert answer.status_code == 404
    assert answer.headers["x-request-id"] == "unguessable="


def test_a_payload_over_the_limit_is_api_gateways_own_413() -> None:
    """Neither authorizer nor S3 is asked."""
    s3 = S3()
    (answer,) = call(s3, ("PUT", "/proxy/a.txt"), body=b"x" * (PAYLOAD_LIMIT + 1), authorizer=None)
    assert (answer.status_code, s3.sent) == (413, [])


def test_every_method_asks_the_authorizer() -> None:
    """Also those that go nowhere, and those that a header made of another."""
    (answer, _) = call(S3(), ("GET", "/proxy/a"), ("DELETE", "/proxy"), authorizer=refusing)
    assert answer.status_code == 403
    asked: list[str] = []

    def noting(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        asked.append(event["httpMethod"])
        return refusing(event, context)

    call(S3(), ("POST", "/proxy/a"), authorizer=noting, headers={"X-HTTP-Method-Override": "PUT"})
    assert asked == ["PUT"]


@pytest.mark.parametrize("template", ["#foreach($x in $y)#end", "$input.json('$.a')", "#if($a)b#end"])
def test_a_word_of_templates_that_is_not_known_is_no_word(template: str) -> None:
    """A definition can't use what the model never tried."""
    with pytest.raises(DefinitionError):
        rendered(template, {}, "")


def test_a_source_that_is_not_known_is_none() -> None:
    """The same for mappings."""
    with pytest.raises(DefinitionError):
        mapped("method.request.header.X", Values(context={}))


def test_the_templates_are_json_where_the_context_is_empty() -> None:
    """Also where the authorizer said nothing."""
    responses = proxy_definition()["paths"]["/proxy/{name+}"]["put"]["x-amazon-apigateway-integration"]["responses"]
    for response in responses.values():
        for template in response.get("responseTemplates", {}).values():
            assert json.loads(rendered(template, {}, "").body)["instance"] == ""
