"""The viewer-request function: CloudFront's event in, a request that goes on or a problem out."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_auth.handler import READ_ONLY, Handler, Result, make_handler
from gateway.admission import Admission
from gateway.cors import NO_PAGES, Cors
from gateway.identity.credential import Credential
from gateway.local.cloudfront import changed_request, generated_response, is_disallowed
from gateway.policy.model import Backend, Carriage, MetadataRule, Minted, Policy, Principal, TenantId
from gateway.policy.problems import Code, Refusal

POLICY = Policy(tenant=TenantId("acme"), types={"*/*": ()}, metadata=MetadataRule(keys=("*",)))
CALLER = Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset({"files:write"}))

# The viewer-request event of the CloudFront Developer Guide ("Lambda@Edge event structure"), made a PUT of an upload.
EVENT: dict[str, Any] = {
    "Records": [
        {
            "cf": {
                "config": {
                    "distributionDomainName": "d111111abcdef8.cloudfront.net",
                    "distributionId": "EDFDVBD6EXAMPLE",
                    "eventType": "viewer-request",
                    "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
                },
                "request": {
                    "clientIp": "203.0.113.178",
                    "headers": {
                        "host": [{"key": "Host", "value": "d111111abcdef8.cloudfront.net"}],
                        "user-agent": [{"key": "User-Agent", "value": "curl/7.66.0"}],
                        "accept": [{"key": "accept", "value": "*/*"}],
                        "authorization": [{"key": "Authorization", "value": "Bearer secret-token"}],
                        "content-length": [{"key": "Content-Length", "value": "5"}],
                        "content-type": [{"key": "Content-Type", "value": "image/png"}],
                        "cookie": [{"key": "Cookie", "value": "session=secret"}],
                        "x-amz-meta-k": [{"key": "X-Amz-Meta-K", "value": "v"}],
                        "via": [{"key": "Via", "value": "2.0 example.com"}],
                    },
                    "method": "PUT",
                    "querystring": "",
                    "uri": "/edge/a%20b/%F0%9F%98%80.png",
                },
            }
        }
    ]
}


class Corridor:
    """An authenticator and a policy source with one answer each."""

    def __init__(self, caller: Principal | Refusal | Exception) -> None:
        self.caller = caller

    def authenticate(self, _presented: Credential) -> Principal | Refusal:
        if isinstance(self.caller, Exception):
            raise self.caller
        return self.caller

    async def authenticate_async(self, presented: Credential) -> Principal | Refusal:
        return self.authenticate(presented)

    def get(self, tenant: str) -> Policy | None:
        return POLICY if tenant == "acme" else None


def handler_for(caller: Principal | Refusal | Exception = CALLER, cors: Cors = NO_PAGES) -> Handler:
    corridor = Corridor(caller)
    admission = Admission(corridor, corridor, lambda: Minted(at=0.0, uuid="0" * 32))
    return make_handler(admission, base="/edge", carriage=Carriage(backend=Backend.EDGE), cors=cors)


HANDLER = handler_for()


def request_of(event: Mapping[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", event["Records"][0]["cf"]["request"])


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    event = copy.deepcopy(EVENT)
    change(request_of(event))
    return event


def problem(result: Result) -> dict[str, Any]:
    reply = generated_response(result)
    body = cast("dict[str, Any]", json.loads(reply.body))
    assert body["status"] == reply.status
    assert dict(reply.headers)["content-type"] == "application/problem+json"
    assert dict(reply.headers)["x-request-id"] == body["instance"]
    return body


def test_a_granted_request_goes_on_with_the_grant_s_headers_and_no_other() -> None:
    """The key replaces the path; the credential, cookies and all that was not declared stay behind."""
    result = HANDLER(EVENT, None)

    assert result == {
        "clientIp": "203.0.113.178",
        "method": "PUT",
        "uri": "/acme/a%20b/%F0%9F%98%80.png",
        "querystring": "",
        "headers": {
            "host": [{"key": "Host", "value": "d111111abcdef8.cloudfront.net"}],
            "content-length": [{"key": "Content-Length", "value": "5"}],
            "via": [{"key": "Via", "value": "2.0 example.com"}],
            "content-type": [{"key": "content-type", "value": "image/png"}],
            "if-none-match": [{"key": "if-none-match", "value": "*"}],
            "x-amz-meta-k": [{"key": "x-amz-meta-k", "value": "v"}],
        },
    }


def test_the_handler_leaves_the_event_as_it_was() -> None:
    """A sandbox may hand an event on, so nothing in it is changed in place."""
    event = copy.deepcopy(EVENT)
    HANDLER(event, None)

    assert event == EVENT


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        (lambda r: r.update(method="GET"), Code.METHOD_NOT_ALLOWED, 405),
        (lambda r: r.update(method="HEAD"), Code.METHOD_NOT_ALLOWED, 405),
        (lambda r: r["headers"].pop("content-length"), Code.LENGTH_REQUIRED, 411),
        (lambda r: r.update(querystring="acl"), Code.QUERY_NOT_ALLOWED, 400),
        (lambda r: r["headers"].pop("authorization"), Code.TOKEN_MISSING, 401),
        (lambda r: r["headers"].update({"authorization": []}), Code.TOKEN_MISSING, 401),
        (lambda r: r["headers"]["authorization"].append({"value": "Bearer b"}), Code.REQUEST_INVALID, 400),
        (lambda r: r["headers"]["content-type"].append({"value": "text/html"}), Code.REQUEST_INVALID, 400),
        (lambda r: r["headers"].update({"x-amz-acl": [{"value": "public-read"}]}), Code.HEADER_NOT_ALLOWED, 400),
        (lambda r: r.update(uri="/edge/../x"), Code.NAME_INVALID, 400),
        (lambda r: r.update(uri="/edge/%2e%2e/x"), Code.NAME_INVALID, 400),
        (lambda r: r.update(uri="/edge/\udcff"), Code.NAME_INVALID, 400),
        (lambda r: r.update(uri="/edge/a.exe"), Code.NAME_NOT_ALLOWED, 400),
        (lambda r: r.update(uri="/a.png"), Code.NOT_FOUND, 404),
        (lambda r: r.update(uri="/acme/a.png"), Code.NOT_FOUND, 404),
        (lambda r: r["headers"]["content-length"][0].update(value="5368709121"), Code.SIZE_EXCEEDS_LIMIT, 413),
    ],
)
def test_a_refusal_is_a_problem(change: Callable[[dict[str, Any]], object], code: Code, status: int) -> None:
    """Each is a response that CloudFront takes, with the contract's code, and says nothing of the token."""
    result = HANDLER(changed(change), None)

    body = problem(result)
    assert (body["type"], body["status"]) == (f"urn:upload-gateway:problem:{code}", status)
    assert body["instance"] == EVENT["Records"][0]["cf"]["config"]["requestId"]
    assert "secret" not in json.dumps(result)


def test_a_preflight_is_answered_before_any_credential() -> None:
    """OPTIONS says what is allowed, and goes no further."""
    event = changed(lambda r: r.update(method="OPTIONS", headers={"host": r["headers"]["host"]}))

    reply = generated_response(HANDLER(event, None))

    assert (reply.status, reply.body, dict(reply.headers)["allow"]) == (204, b"", "PUT, OPTIONS")


def test_a_page_reads_what_the_function_answers() -> None:
    """A preflight and a refusal name the page's origin where it is configured, and no other page's."""
    handler = handler_for(Refusal(code=Code.TOKEN_EXPIRED, detail="Expired."), Cors.of(["https://app.example"]))

    def answers(origin: str) -> list[dict[str, str]]:
        asked = {
            "origin": origin,
            "access-control-request-method": "PUT",
            "access-control-request-headers": "content-type",
        }
        headers = {name: [{"key": name, "value": value}] for name, value in asked.items()}
        events = (
            changed(lambda r: r.update(method="OPTIONS", headers=headers)),
            changed(lambda r: r["headers"].update(headers)),
        )
        return [dict(generated_response(handler(event, None)).headers) for event in events]

    preflight, refusal = answers("https://app.example")
    assert preflight["access-control-allow-methods"] == "PUT"
    assert preflight["access-control-allow-headers"] == "content-type"
    assert refusal["access-control-allow-origin"] == "https://app.example"
    assert "X-Request-Id" in refusal["access-control-expose-headers"]
    assert not any(name.startswith("access-control-") for answer in answers("https://evil.example") for name in answer)


def test_a_defect_is_an_internal_problem_and_its_cause_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A function that raised would be a 502 that no client can read."""
    body = problem(handler_for(RuntimeError("secret cause"))(EVENT, None))

    assert body["type"] == "urn:upload-gateway:problem:internal"
    assert "secret" not in json.dumps(body)
    assert "secret-token" not in caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_refused_credential_keeps_its_challenge() -> None:
    """The header of RFC 6750 reaches the client."""
    refusal = Refusal(code=Code.TOKEN_EXPIRED, detail="why", headers=(("www-authenticate", "Bearer"),))

    assert ("www-authenticate", "Bearer") in generated_response(handler_for(refusal)(EVENT, None)).headers


NAMES = st.sampled_from(
    [*EVENT["Records"][0]["cf"]["request"]["headers"], "x-amz-meta-k", "x-amz-acl", "if-none-match", "content-md5"]
) | st.text(st.characters(codec="latin-1"), max_size=12).map(str.lower)
VALUES = st.sampled_from(["", "*", "5", "image/png", "Bearer t", "chunked"]) | st.text(max_size=12)
HEADERS = st.dictionaries(
    NAMES, st.lists(st.fixed_dictionaries({"value": VALUES}), min_size=0, max_size=2), max_size=5
).map(lambda headers: {name: entries for name, entries in headers.items() if not is_disallowed(name)})
URIS = st.text(max_size=30).map("/edge/".__add__) | st.text(st.characters(max_codepoint=127)) | st.just("/edge/a")


@given(
    method=st.sampled_from(["PUT", "PUT", "PUT", "OPTIONS", "GET", ""]),
    uri=URIS,
    query=st.sampled_from(["", "", "a=b"]),
    headers=HEADERS,
    keep=st.booleans(),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_cloudfront_takes_what_goes(
    method: str, uri: str, query: str, headers: dict[str, Any], *, keep: bool
) -> None:
    """No event makes the function raise, or return what CloudFront would answer with a 502."""
    event = copy.deepcopy(EVENT)
    request = request_of(event)
    request.update(method=method, uri=uri, querystring=query)
    request["headers"] = {**request["headers"], **headers} if keep else headers

    result = HANDLER(event, None)

    if "status" in result:
        generated_response(result)
        return
    sent = dict(changed_request(request, result))
    assert result["uri"].startswith("/acme/")
    assert result["uri"].isascii()
    assert set(sent) - READ_ONLY <= {"content-type", "if-none-match", "content-md5"} | {
        name for name in request["headers"] if name.startswith(("x-amz-meta-", "x-amz-checksum-"))
    }


def test_the_function_s_package_carries_no_framework() -> None:
    """Importing the handler loads none of what a server needs, so a cold start stays short and the zip small."""
    script = "import sys, edge_auth.lambda_function;print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert {"gateway", "cryptography"} <= set(loaded)
    assert not set(loaded) & {
        "aiohttp",
        "boto3",
        "botocore",
        "fastapi",
        "httptools",
        "asyncio",
        "httpx",
        "jwt",
        "mangum",
        "multidict",
        "pydantic",
        "requests",
        "starlette",
        "urllib3",
        "uvicorn",
        "uvloop",
        "yarl",
    }
