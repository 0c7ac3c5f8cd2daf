"""Lambda's events: what each service means by one, and that nothing in one can be taken for something else."""

import asyncio
import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.asgi.wire import Message, Receive, Reply, Scope, Send, send_reply
from gateway.functions.http import HttpFunction, request_id
from gateway.functions.http_events import BODY_BYTES, MOST_BYTES, LambdaRequest, lambda_answer, read_event
from gateway.functions.settings import LambdaSettingsError
from gateway.policy.problems import Refusal
from presigner.lambda_settings import LambdaSettings
from presigner.lambda_wiring import _CUT_OFF
from presigner.redirect import BASE
from presigner.wire import fitting

# From the developer guides that `lambda_events` names, shortened.
REST: Mapping[str, Any] = {
    "resource": "/{proxy+}",
    "path": "/presigned/a.txt",
    "httpMethod": "PUT",
    "headers": {"Content-Type": "text/plain", "Host": "api.example", "X-Forwarded-Proto": "https"},
    "multiValueHeaders": {"Content-Type": ["text/plain"], "Host": ["api.example"], "X-Forwarded-Proto": ["https"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": {"proxy": "presigned/a.txt"},
    "requestContext": {
        "stage": "prod",
        "path": "/prod/presigned/a.txt",
        "requestId": "chosen-by-the-client",
        "identity": {"sourceIp": "192.0.2.1"},
    },
    "body": None,
    "isBase64Encoded": False,
}
HTTP: Mapping[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/uploads",
    "rawQueryString": "",
    "headers": {"content-type": "application/json", "host": "api.example"},
    "requestContext": {
        "domainName": "id.execute-api.eu-central-1.amazonaws.com",
        "stage": "$default",
        "http": {"method": "POST", "path": "/uploads", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
    },
    "body": "{}",
    "isBase64Encoded": False,
}
URL: Mapping[str, Any] = {
    **HTTP,
    "requestContext": {**HTTP["requestContext"], "domainName": "abc.lambda-url.eu-central-1.on.aws"},
}
OLD_HTTP: Mapping[str, Any] = {**REST, "version": "1.0"}


def read(event: object, base_path: str = "") -> LambdaRequest:
    """A request that must be readable."""
    request = read_event(event, base_path=base_path)
    assert isinstance(request, LambdaRequest), request
    return request


def with_path(event: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The event with another path, wherever its format has it."""
    return {**event, ("rawPath" if "rawPath" in event else "path"): path}


@pytest.mark.parametrize("event", [REST, URL], ids=["rest", "url"])
@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/presigned/a%2Fb", b"/presigned/a%2Fb"),
        ("/presigned/100%25", b"/presigned/100%25"),
        ("/presigned/a+b%20c", b"/presigned/a+b%20c"),
        ("/presigned/%F0%9F%98%80", b"/presigned/%F0%9F%98%80"),
        ("/presigned/é", b"/presigned/%C3%A9"),
        ("/presigned/a b?c#d", b"/presigned/a%20b%3Fc%23d"),
        ("/presigned/a\r\nb", b"/presigned/a%0D%0Ab"),
    ],
)
def test_a_path_that_comes_as_it_was_sent_stays_so(event: Mapping[str, Any], path: str, raw: bytes) -> None:
    """REST APIs and function URLs decode nothing, and neither do we; what no path holds is encoded."""
    request = read(with_path(event, path))

    assert (request.raw_path, request.decoded) == (raw, False)


@pytest.mark.parametrize("event", [HTTP, OLD_HTTP], ids=["2.0", "1.0"])
@pytest.mark.parametrize("name", ["a b", "100%", "%41", "a+b", "é😀", 'quote"<>', "back\\slash", "a?b#c", "\t\n"])
def test_a_path_that_was_decoded_is_encoded_again(event: Mapping[str, Any], name: str) -> None:
    """An HTTP API decodes paths, so decoding once more gives what it gave us."""
    request = read(with_path(event, f"/uploads/{name}"))

    assert unquote_to_bytes(request.raw_path).decode() == f"/uploads/{name}"
    assert request.decoded


@pytest.mark.parametrize(
    ("event", "base_path", "expected"),
    [
        (with_path(REST, "/v1/uploads"), "/v1", b"/uploads"),
        (with_path(REST, "/v1"), "/v1", b"/"),
        (with_path(REST, "/v10/uploads"), "/v1", b"/v10/uploads"),
        (with_path(REST, "/uploads"), "/v1", b"/uploads"),
        (with_path({**HTTP, "requestContext": {**HTTP["requestContext"], "stage": "dev"}}, "/dev/s3"), "", b"/s3"),
        (with_path({**HTTP, "requestContext": {**HTTP["requestContext"], "stage": "dev"}}, "/devil"), "", b"/devil"),
    ],
)
def test_what_stands_before_every_path_is_taken_off_by_segments(
    event: Mapping[str, Any], base_path: str, expected: bytes
) -> None:
    """A base path is never a prefix of a word."""
    assert read(event, base_path).raw_path == expected


def test_queries_and_headers_arrive_whole() -> None:
    """Repeated parameters and headers of a REST API are all there; format 2.0 has the query as it was."""
    many = {
        **REST,
        "multiValueQueryStringParameters": {"a": ["1 &", "2"], "b[]": ["é"]},
        "multiValueHeaders": {"X-A": ["1", "2"], "Content-Type": [" text/plain "]},
    }
    rest, http = read(many), read({**URL, "rawQueryString": "a=1%20%26&a=2&b"})

    assert rest.query == b"a=1%20%26&a=2&b%5B%5D=%C3%A9"
    assert rest.headers == ((b"x-a", b"1"), (b"x-a", b"2"), (b"content-type", b"text/plain"))
    assert http.query == b"a=1%20%26&a=2&b"
    assert rest.client == "192.0.2.1"


def test_bodies_are_what_they_are_said_to_be() -> None:
    """Text as UTF-8, or bytes in base64."""
    assert read({**HTTP, "body": "é"}).body == "é".encode()
    assert read({**HTTP, "body": base64.b64encode(b"\0\xff").decode(), "isBase64Encoded": True}).body == b"\0\xff"
    assert read(REST).body == b""


WRONG: list[object] = [
    *(None, 1, "event", [], {}, {"Records": []}, {"requestContext": {}}),
    {**REST, "path": None},
    {**REST, "path": "presigned/a"},
    {**REST, "path": "/\ud800"},
    {**REST, "httpMethod": "PUT\r\nx"},
    {**REST, "httpMethod": None},
    {**REST, "multiValueHeaders": {"x-a": ["1\r\nx-amz-acl: public-read"]}},
    {**REST, "multiValueHeaders": {"x-a": ["\0"]}},
    {**REST, "multiValueHeaders": {"x a": ["1"]}},
    {**REST, "multiValueHeaders": {"x-a": "1"}},
    {**REST, "multiValueHeaders": {"x-a": [1]}},
    {**REST, "multiValueHeaders": None, "headers": {"x-a": "a\nb"}},
    {**REST, "multiValueQueryStringParameters": {"a": ["\udfff"]}},
    {**REST, "multiValueQueryStringParameters": ["a"]},
    {**REST, "requestContext": None},
    {**REST, "body": "é", "isBase64Encoded": True},
    {**REST, "body": "abc", "isBase64Encoded": True},
    {**REST, "body": "\ud800"},
    {**REST, "body": {"name": "a"}},
    {**REST, "isBase64Encoded": "true", "body": ""},
    {**HTTP, "rawPath": None},
    {**HTTP, "requestContext": {"http": {"method": "GET /"}}},
    {**HTTP, "requestContext": {"http": None}},
    {**HTTP, "headers": {"x-a": "1\r\n"}},
    {**HTTP, "headers": ["x-a"]},
]


@pytest.mark.parametrize("event", WRONG, ids=range(len(WRONG)))
def test_what_is_no_request_is_a_problem(event: object) -> None:
    """A wrong type, half a character, a line break in a header: refused, and nothing of it repeated."""
    refusal = read_event(event)

    assert isinstance(refusal, Refusal)
    assert refusal.status == 400
    assert "acl" not in refusal.detail


# The answer.


@pytest.mark.parametrize(
    ("event", "member"),
    [
        (REST, "multiValueHeaders"),
        (OLD_HTTP, "multiValueHeaders"),
        (HTTP, "headers"),
        (URL, "headers"),
        (None, "headers"),
    ],
)
def test_an_answer_is_in_the_events_own_format(event: object, member: str) -> None:
    """Format 1.0 takes lists of values, 2.0 one value; what API Gateway makes itself is left out."""
    headers = (
        ("Vary", "Accept-Encoding"),
        ("vary", "Origin"),
        ("content-length", "2"),
        ("content-type", "application/json"),
    )
    answer = lambda_answer(Reply(status=201, headers=headers, body=b"{}"), event, "id")

    values: Any = ["Accept-Encoding", "Origin"] if member == "multiValueHeaders" else "Accept-Encoding, Origin"
    assert answer[member]["vary"] == values
    assert "content-length" not in answer[member]
    assert {"headers", "multiValueHeaders"} & set(answer) == {member}
    assert (answer["statusCode"], answer["body"], answer["isBase64Encoded"]) == (201, "{}", False)


def test_what_is_compressed_goes_as_base64() -> None:
    """API Gateway decodes it again where all media types are binary ones."""
    packed = gzip.compress(b"{}")
    headers = (("content-type", "application/json"), ("content-encoding", "gzip"))
    answer = lambda_answer(Reply(status=200, headers=headers, body=packed), HTTP, "id")

    assert answer["isBase64Encoded"] is True
    assert base64.b64decode(answer["body"]) == packed


def test_an_answer_that_lambda_would_not_carry_is_a_problem() -> None:
    """Rather than an error of Lambda's that no client can read."""
    headers = (("content-type", "application/json"),)
    long = lambda_answer(Reply(status=200, headers=headers, body=b'"' * (MOST_BYTES // 2 + 1)), HTTP, "id")
    longest = lambda_answer(Reply(status=200, headers=headers, body=b"a" * BODY_BYTES), HTTP, "id")

    assert (long["statusCode"], json.loads(long["body"])["type"]) == (500, "urn:upload-gateway:problem:internal")
    assert longest["statusCode"] == 200


@pytest.mark.parametrize("most", [None, 10**6, 700, 100, 0])
def test_an_answer_lists_as_many_parts_as_fit(most: int | None) -> None:
    """Never one more, in order, and everything else stays."""
    body = {"id": "x", "parts": [{"number": n, "url": "é" * 20} for n in range(1, 21)], "expires_at": "t"}
    fitted = fitting(body, most)

    length = len(json.dumps(fitted, ensure_ascii=False, separators=(",", ":")).encode())
    assert most is None or not fitted["parts"] or length <= most
    assert [part["number"] for part in fitted["parts"]] == list(range(1, len(fitted["parts"]) + 1))
    assert len(fitted["parts"]) == {None: 20, 10**6: 20, 700: 10, 100: 1, 0: 0}[most]
    assert {**fitted, "parts": []} == {**body, "parts": []}


# The handler.


class Context:
    """Lambda's context, as far as it is read."""

    def __init__(self, aws_request_id: object) -> None:
        self.aws_request_id = aws_request_id


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it was asked; raises for one path, in the middle of its answer for another."""
    message: Message = await receive()
    said = {
        "method": scope["method"],
        "raw_path": scope["raw_path"].decode(),
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "scheme": scope["scheme"],
        "server": list(scope["server"]),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": message["body"].decode("latin-1"),
        "id": request_id(scope),
    }
    if scope["raw_path"] == b"/raise":
        raise RuntimeError("a secret cause")
    if scope["raw_path"] == b"/half":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("a secret cause")
    if scope["raw_path"] == b"/silent":
        return
    await send_reply(
        send, Reply(status=200, headers=(("content-type", "application/json"),), body=json.dumps(said).encode())
    )


@pytest.fixture(scope="module")
def handler() -> Iterator[HttpFunction]:
    """A handler of the echo, on an event loop of its own as in a sandbox."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield HttpFunction(echo, as_sent={BASE: _CUT_OFF})
    asyncio.set_event_loop(None)
    loop.close()


def test_an_application_sees_the_request_as_it_was(handler: HttpFunction) -> None:
    """Bytes as on the wire; scheme and host are not what a header says."""
    headers = {"X-Forwarded-Proto": ["http"], "Host": ["a:b:c"], "X-Forwarded-Port": ["port"]}
    event = {**with_path(REST, "/a%2Fb%20c"), "multiValueHeaders": headers, "body": "x"}
    said = json.loads(handler(event, Context("7-8-9"))["body"])

    assert (said["raw_path"], said["path"]) == ("/a%2Fb%20c", "/a/b c")
    assert (said["scheme"], said["server"], said["id"], said["body"]) == ("https", ["lambda", 443], "7-8-9", "x")


@pytest.mark.parametrize("path", ["/raise", "/half", "/silent"])
def test_a_defect_is_an_internal_problem(handler: HttpFunction, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also where the answer had begun, or never does."""
    answer = handler(with_path(REST, path), Context("1"))

    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["type"], body["instance"]) == (500, "urn:upload-gateway:problem:internal", "1")
    assert "secret" not in answer["body"]


@pytest.mark.parametrize("given", ["é", "", None, 7])
def test_an_odd_context_gets_a_fresh_id(handler: HttpFunction, given: object) -> None:
    """An answer has an id in any case."""
    said = json.loads(handler(REST, Context(given))["body"])

    assert len(said["id"]) == 32


def test_there_is_no_redirect_behind_an_http_api(handler: HttpFunction) -> None:
    """It cuts a name off at an encoded question mark, so names in paths can't be trusted there."""
    answer = handler(with_path(HTTP, "/presigned/a.txt"), Context("1"))

    assert answer["statusCode"] == 404
    assert "POST /uploads" in json.loads(answer["body"])["detail"]
    assert handler(with_path(URL, "/presigned/a.txt"), Context("1"))["statusCode"] == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def events(draw: st.DrawFn) -> object:
    """Events of each service with something wrong in them, or none at all."""
    base = draw(st.sampled_from([REST, HTTP, URL, OLD_HTTP, None]))
    if base is None:
        return draw(JSON)
    event: dict[str, Any] = json.loads(json.dumps(base))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([*event, "version", "body"]))
        event[name] = draw(JSON | st.text().map("/".__add__))
    if isinstance(event.get("requestContext"), dict) and draw(st.booleans()):
        event["requestContext"] |= draw(
            st.dictionaries(st.sampled_from(["http", "identity", "stage", "domainName"]), JSON)
        )
    if draw(st.booleans()):
        event["headers"] = draw(st.dictionaries(st.text(), st.text()))
        event["multiValueHeaders"] = draw(st.dictionaries(st.text(), st.lists(st.text(), max_size=2)) | st.none())
    return event


@settings(deadline=None)
@given(event=events())
def test_no_event_makes_the_function_raise(handler: HttpFunction, event: object) -> None:
    """Whatever comes, an answer that Lambda and API Gateway can carry goes."""
    answer = handler(event, None)

    json.dumps(answer).encode()
    assert answer["statusCode"] in {200, 400, 404, 500}
    if answer["statusCode"] == 200:
        said = json.loads(answer["body"])
        assert said["raw_path"].startswith("/")
        assert said["raw_path"].isascii()
        assert not any(mark in value for pair in said["headers"] for value in pair for mark in "\r\n\0")
        assert unquote(said["raw_path"], errors="replace") == said["path"]
    else:
        assert answer["statusCode"] != 500, answer["body"]


# The settings.

GOOD = {
    "AWS_REGION": "eu-central-1",
    "UPLOAD_GATEWAY_S3__BUCKET": "uploads",
    "UPLOAD_GATEWAY_STORE__TABLE": "gateway",
    "UPLOAD_GATEWAY_SEALING__KEYS": base64.b64encode(bytes(32)).decode(),
}


def test_settings_are_read_from_the_environment() -> None:
    """Names as `serve` has them; secrets don't print."""
    issuer = {"issuer": "https://id.example", "audience": ["a"], "tenant_claim": "tenant"}
    found = LambdaSettings.from_environment(
        {
            **GOOD,
            "UPLOAD_GATEWAY_ISSUERS": json.dumps([issuer]),
            "UPLOAD_GATEWAY_CORS__ORIGINS": "https://app.example, https://b.example",
            "UPLOAD_GATEWAY_S3__SIGNER__ROLE": "arn:aws:iam::1:role/signer",
            "UPLOAD_GATEWAY_BASE_PATH": "/v1",
        }
    )

    assert found.endpoint.origin == "https://uploads.s3.eu-central-1.amazonaws.com"
    assert (found.signer.role, found.completer.role) == ("arn:aws:iam::1:role/signer", None)
    assert [rule.issuer for rule in found.admission.issuers] == ["https://id.example"]
    assert found.admission.cors.origins == {"https://app.example", "https://b.example"}
    assert (found.base_path, found.sealing_keys) == ("/v1", (bytes(32),))
    assert "\\x00" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("S3__BUCKET", "", "S3__BUCKET is required"),
        ("S3__BUCKET", "No", "S3__BUCKET can't be used"),
        ("S3__ADDRESSING", "other", "S3__ADDRESSING can't be used"),
        ("S3__SIGNER__ACCESS_KEY", "a", "S3__SIGNER__ACCESS_KEY goes together"),
        ("STORE__TABLE", "", "STORE__TABLE is required"),
        ("SEALING__KEYS", "c2VjcmV0", "SEALING__KEYS can't be used"),
        ("SEALING__KEYS", "", "SEALING__KEYS is required"),
        ("ISSUERS", "{}", "ISSUERS can't be used: it is a JSON array"),
        ("ISSUERS", "[", "ISSUERS can't be used"),
        ("ISSUERS", '[{"issuer": "https://a.example", "audience": ["a"]}]', "tenant_claim is required"),
        ("ISSUERS", '[{"issuer": "http://10.0.0.1", "tenant_claim": "t"}]', "/0/issuer"),
        ("CORS__ORIGINS", "*", "CORS__ORIGINS can't be used"),
        ("BASE_PATH", "v1", "BASE_PATH can't be used"),
        ("TENANTS__POLICY_LIFETIME", "nan", "TENANTS__POLICY_LIFETIME can't be used"),
        ("TENANTS__ALLOW_PRIVATE_ISSUERS", "yes", "TENANTS__ALLOW_PRIVATE_ISSUERS can't be used"),
    ],
)
def test_wrong_settings_are_said_by_name(name: str, value: str, said: str) -> None:
    """With a sentence, and without a secret."""
    with pytest.raises(LambdaSettingsError) as raised:
        LambdaSettings.from_environment({**GOOD, f"UPLOAD_GATEWAY_{name}": value})

    assert said in str(raised.value)
    assert "c2VjcmV0" not in str(raised.value)


def test_all_that_is_missing_is_said_at_once() -> None:
    """An operator mends it in one go."""
    with pytest.raises(LambdaSettingsError) as raised:
        LambdaSettings.from_environment({})

    for name in ("S3__REGION", "S3__BUCKET", "STORE__TABLE", "SEALING__KEYS"):
        assert f"UPLOAD_GATEWAY_{name}" in str(raised.value)
