"""The model of CloudFront: what a function sees, what it may return, and what reaches the bucket."""

import asyncio
import contextlib
import copy
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from gateway.asgi.wire import Reply
from gateway.local.cloudfront import (
    Distribution,
    InvalidFunctionResultError,
    OriginRequestPolicy,
    changed_request,
    generated_response,
    origin_response,
    viewer_request,
)
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Answer, Timeouts, Upstream

Pairs = list[tuple[bytes, bytes]]


def scope(path: bytes = b"/edge/a.png", headers: Pairs | None = None, query: bytes = b"") -> dict[str, Any]:
    return {
        "type": "http",
        "method": "PUT",
        "raw_path": path,
        "query_string": query,
        "headers": [(b"host", b"cdn.test"), (b"content-length", b"5")] if headers is None else headers,
        "client": ("127.0.0.1", 50_000),
    }


def request_seen(**changes: Any) -> dict[str, Any]:
    request: dict[str, Any] = viewer_request(scope(**changes), "id")["Records"][0]["cf"]["request"]
    return request


def test_a_function_sees_the_request_undecoded() -> None:
    """The path and the query are as on the wire; names of headers are lower-case, repeated ones in one list."""
    headers = [(b"X-A", b"1"), (b"x-a", b"2"), (b"Content-Length", b"5")]

    assert request_seen(path=b"/edge/a%2Fb//c", query=b"x=%20", headers=headers) == {
        "clientIp": "127.0.0.1",
        "method": "PUT",
        "uri": "/edge/a%2Fb//c",
        "querystring": "x=%20",
        "headers": {
            "x-a": [{"key": "x-a", "value": "1"}, {"key": "x-a", "value": "2"}],
            "content-length": [{"key": "content-length", "value": "5"}],
        },
    }


def test_bytes_that_are_not_utf_8_stay_to_be_refused() -> None:
    """The model is stricter than CloudFront here: it converts nothing."""
    assert request_seen(path=b"/edge/\xff")["uri"] == "/edge/\udcff"


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "trailer",
        "upgrade",
        "x-accel-redirect",
        "x-amz-cf-id",
        "x-amzn-trace-id",
        "x-cache",
        "x-edge-location",
        "x-forwarded-proto",
        "x-real-ip",
    ],
)
def test_a_disallowed_header_is_neither_seen_nor_taken(name: str) -> None:
    """CloudFront keeps it from the function, and answers a function that adds it with a 502."""
    request = request_seen()
    entries = [{"key": name, "value": "x"}]

    assert request_seen(headers=[(name.encode(), b"x")])["headers"] == {}
    with pytest.raises(InvalidFunctionResultError):
        changed_request(request, {**request, "headers": {**request["headers"], name.lower(): entries}})
    with pytest.raises(InvalidFunctionResultError):
        generated_response({"status": "200", "headers": {name.lower(): entries}})


def header(name: str, key: str | None = None, value: str = "x") -> Callable[[dict[str, Any]], object]:
    return lambda result: result["headers"].update({name: [{"key": key or name, "value": value}]})


@pytest.mark.parametrize(
    "change",
    [
        lambda result: result.update(method="GET"),
        lambda result: result.update(clientIp="203.0.113.1"),
        lambda result: result.pop("method"),
        lambda result: result["headers"].pop("host"),
        lambda result: result["headers"].pop("content-length"),
        header("host", value="other"),
        header("content-length", value="6"),
        header("transfer-encoding", value="chunked"),
        header("via"),
        header("cdn-loop"),
        header("X-A"),
        header("x-a", key="x-b"),
        lambda result: result.update(uri="a.png"),
        lambda result: result.update(uri=""),
        lambda result: result.update(uri="/" + "a" * 8191),
        lambda result: result.update(querystring="a=b"),
    ],
)
def test_a_request_that_breaks_cloudfront_s_rules_is_not_taken(change: Callable[[dict[str, Any]], object]) -> None:
    """Read-only members and headers come back as they went, the path is absolute and short."""
    request = request_seen()
    result = copy.deepcopy(request)
    change(result)

    with pytest.raises(InvalidFunctionResultError):
        changed_request(request, result)


def test_a_request_within_the_rules_is_taken() -> None:
    """A new path of 8,191 characters and new headers are the function's to set."""
    request = request_seen()
    result = copy.deepcopy(request)
    result["uri"] = "/" + "a" * 8190
    header("x-a", key="X-A")(result)

    assert changed_request(request, result) == (("host", "cdn.test"), ("content-length", "5"), ("x-a", "x"))


@pytest.mark.parametrize(
    ("result", "taken"),
    [
        ({"status": "200"}, True),
        ({"status": "413", "statusDescription": "x", "body": "ä"}, True),
        ({"status": 200}, False),
        ({"status": "ok"}, False),
        ({"status": "2000"}, False),
        ({"status": ""}, False),
        ({"status": "200", "headers": {"Allow": [{"value": "PUT"}]}}, False),
        ({"status": "200", "headers": {"allow": [{"value": "PUT"}]}}, True),
        ({"status": "200", "headers": {"content-length": [{"value": "0"}]}}, False),
        ({"status": "200", "headers": {"via": [{"value": "x"}]}}, False),
        ({"status": "200", "body": "a" * 40_960}, True),
        ({"status": "200", "body": "a" * 40_961}, False),
        ({"status": "200", "body": "ä" * 20_481}, False),
        ({"status": "200", "body": "a" * 40_950, "headers": {"allow": [{"value": "PUT"}]}}, True),
        ({"status": "200", "body": "a" * 40_953, "headers": {"allow": [{"value": "PUT"}]}}, False),
    ],
)
def test_a_generated_response_has_cloudfront_s_form(result: dict[str, Any], *, taken: bool) -> None:
    """A status as a string, lower-case names, and at most 40 KB with the headers."""
    if taken:
        assert generated_response(result).status == int(result["status"])
        return
    with pytest.raises(InvalidFunctionResultError):
        generated_response(result)


SENT = (("host", "h"), ("authorization", "a"), ("content-length", "5"), ("content-type", "t"), ("x-amz-meta-k", "v"))


@pytest.mark.parametrize(
    ("listed", "goes_on"),
    [
        (None, {"content-length", "content-type", "x-amz-meta-k"}),
        (frozenset({"content-type"}), {"content-length", "content-type"}),
        (frozenset({"host", "authorization"}), {"content-length"}),
        (frozenset(), {"content-length"}),
    ],
)
def test_only_listed_headers_reach_the_origin(listed: frozenset[str] | None, goes_on: set[str]) -> None:
    """The length always does; the host and the credential never, as CloudFront sets its own."""
    assert {name for name, _ in OriginRequestPolicy(headers=listed).select(SENT)} == goes_on


def test_s3_s_answer_loses_its_request_ids() -> None:
    """The body and the status are S3's own, a refusal's too."""
    headers = {"etag": '"e"', "x-amz-request-id": "r", "x-amz-id-2": "i", "content-length": "3", "server": "AmazonS3"}

    assert origin_response(Answer(status=412, headers=headers, body=b"xml")) == Reply(
        status=412, headers=(("etag", '"e"'), ("via", "1.1 local (CloudFront)")), body=b"xml"
    )


# --- a whole request, with a bucket that writes down what reaches it -----------------------------------------------


class Bucket:
    """An HTTP server that takes one PUT and answers it as S3 does, or sees it break off."""

    def __init__(self) -> None:
        self.head = ""
        self.body = b""
        self.connected = asyncio.Event()
        self.connections: set[asyncio.Task[None] | None] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(asyncio.current_task())
        self.head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.connected.set()
        fields = dict(line.split(": ", 1) for line in self.head.lower().split("\r\n")[1:-2])
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.body = await reader.readexactly(int(fields["content-length"]))
            writer.write(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nx-amz-request-id: r\r\nContent-Length: 0\r\n\r\n')
        writer.close()
        await writer.wait_closed()


Handler = Callable[[Any, object], dict[str, Any]]


async def through(bucket: Bucket, handler: Handler, body: list[dict[str, Any]]) -> list[MutableMapping[str, Any]]:
    """The messages a viewer gets for a PUT of `body`, the bucket being a server on loopback."""
    server = await asyncio.start_server(bucket.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        if body[0]["type"] == "http.disconnect":
            await bucket.connected.wait()
        return body.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async with server, Upstream(timeouts=Timeouts()) as upstream:
        distribution = Distribution(
            handler=handler,
            origin=Endpoint.at(f"http://127.0.0.1:{port}", "bucket"),
            access_control=Signer(Credentials("AKIDEXAMPLE", "secret"), "us-east-1"),
            upstream=upstream,
            clock=lambda: 1_795_000_000.0,
            request_ids=lambda _scope: "the-id",
            request_policy=OriginRequestPolicy(headers=frozenset({"content-type"})),
        )
        await distribution(scope(), receive, send)
        await asyncio.gather(*(task for task in bucket.connections if task))
    return sent


def rewritten(event: Any, _context: object) -> dict[str, Any]:
    request = event["Records"][0]["cf"]["request"]
    extra = {name: [{"key": name, "value": "x/y"}] for name in ("content-type", "x-amz-meta-lost")}
    return {**request, "uri": "/acme/a%20b.png", "headers": {**request["headers"], **extra}}


WHOLE = [
    {"type": "http.request", "body": b"he", "more_body": True},
    {"type": "http.request", "body": b"llo", "more_body": False},
]


def test_a_rewritten_request_reaches_the_bucket_signed() -> None:
    """The bytes arrive under the new key with the listed headers and CloudFront's own signature."""
    bucket = Bucket()

    start, _ = asyncio.run(through(bucket, rewritten, [*WHOLE]))

    assert bucket.body == b"hello"
    assert bucket.head.startswith("PUT /bucket/acme/a%20b.png HTTP/1.1\r\n")
    assert "\r\ncontent-type: x/y\r\n" in bucket.head
    assert "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/" in bucket.head.replace(
        "Authorization", "authorization"
    )
    assert "x-amz-meta-lost" not in bucket.head
    assert start["status"] == 200
    assert dict(start["headers"]).keys() == {b"etag", b"via", b"x-amz-cf-id", b"x-request-id", b"content-length"}


def test_a_generated_response_never_reaches_the_bucket() -> None:
    """A refusal is the viewer's at once, the body unread."""
    bucket = Bucket()

    start, end = asyncio.run(through(bucket, lambda *_: {"status": "403", "body": "no"}, []))

    assert (start["status"], end["body"], bucket.head) == (403, b"no", "")
    assert dict(start["headers"])[b"x-amz-cf-id"] == b"the-id"


def test_a_result_that_cloudfront_does_not_take_is_a_502() -> None:
    """The viewer gets CloudFront's own error and the bucket nothing."""
    bucket = Bucket()

    start, _ = asyncio.run(through(bucket, lambda *_: {"status": 403}, []))

    assert (start["status"], bucket.head) == (502, "")


def test_a_viewer_that_goes_away_is_not_answered() -> None:
    """A body that breaks off stores nothing, and there is nobody to tell."""
    bucket = Bucket()

    sent = asyncio.run(through(bucket, rewritten, [WHOLE[0], {"type": "http.disconnect"}]))

    assert (sent, bucket.body) == ([], b"")


class BrokenBucket(Bucket):
    """A bucket that closes every connection at once."""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()


def test_a_bucket_that_gives_no_answer_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    """The viewer is told to come again, and what went wrong is in the log."""
    start, end = asyncio.run(through(BrokenBucket(), rewritten, [*WHOLE]))

    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
    assert b"storage-unavailable" in end["body"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
