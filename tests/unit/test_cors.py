"""Which pages may call: the pure rules, the ASGI front that applies them, and the bucket's document."""

import asyncio
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.asgi.cors import WithCors
from gateway.asgi.wire import Message, Receive, Reply, Scope, Send, send_reply
from gateway.cors import API, EXPOSED, NO_PAGES, UPLOADS, Calls, Cors, origin
from gateway.storage import cors as bucket

PAGE = "https://app.example"
CORS = Cors.of([PAGE, "http://127.0.0.1:8080"])

FOREIGN = [
    "null",
    "*",
    "",
    "https://app.example.evil.test",
    "https://evil-app.example",
    "https://sub.app.example",
    "http://app.example",
    "https://app.example:8443",
    "https://APP.example",
    "https://app.example/",
    f"{PAGE}, {PAGE}",
]


def preflight(sender: str, method: str = "PUT", wanted: str | None = None) -> list[tuple[str, str]]:
    """The headers of a browser's preflight."""
    asked = [] if wanted is None else [("Access-Control-Request-Headers", wanted)]
    return [("Origin", sender), ("Access-Control-Request-Method", method), *asked]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://app.example", "https://app.example"),
        ("https://App.Example/", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_written_as_a_browser_writes_it(text: str, expected: str) -> None:
    """Case, a last slash and a default port mean nothing."""
    assert origin(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("*", "null", "", "app.example", "//app.example", "ftp://app.example", "https://", "https://*.example"),
        *("https://app.example/path", "https://app.example?q", "https://app.example#f", "https://me@app.example"),
        *("https://bücher.example", "https://app.example:99999", "https://app.example:port", "https://a b"),
        *("https://app.example\r\nx: y", "https://[::1", "https://app.example//", "file:///a"),
    ],
)
def test_what_is_no_origin_is_refused_with_a_sentence(text: str) -> None:
    """Neither a wildcard nor `null` nor a URL is taken for an origin."""
    with pytest.raises(ValueError, match=r"^.+$"):
        origin(text)


@pytest.mark.parametrize("sender", FOREIGN)
def test_an_origin_is_allowed_exactly_or_not_at_all(sender: str) -> None:
    """Suffixes, prefixes, other schemes and ports, `null` and lists are other origins; caches are told."""
    assert CORS.headers([("origin", sender)]) == (("vary", "Origin"),)
    answer = dict(CORS.preflight("OPTIONS", preflight(sender), UPLOADS) or ())
    assert [name for name in answer if name.startswith("access-control-")] == []
    assert answer["vary"].startswith("Origin")


def test_an_allowed_page_reads_what_it_needs() -> None:
    """Its own origin comes back, never a wildcard, and what scripts may read is named."""
    answer = dict(CORS.headers([("Origin", PAGE)]))

    assert answer["access-control-allow-origin"] == PAGE
    assert answer["access-control-allow-credentials"] == "true"
    assert {"ETag", "Location", "Content-Location", "Retry-After", "X-Request-Id", "RateLimit"} <= set(EXPOSED)
    assert answer["access-control-expose-headers"] == ", ".join(EXPOSED)
    assert answer["vary"] == "Origin"


def test_two_origins_are_none() -> None:
    """A request that names two senders names none."""
    assert CORS.headers([("origin", PAGE), ("origin", PAGE)]) == (("vary", "Origin"),)


@pytest.mark.parametrize(
    ("calls", "wanted", "taken"),
    [
        (UPLOADS, "authorization,content-type", "authorization, content-type"),
        (UPLOADS, "X-Amz-Meta-Author, x-amz-checksum-crc32c", "x-amz-meta-author, x-amz-checksum-crc32c"),
        (UPLOADS, "authorization, x-amz-acl", "authorization"),
        (UPLOADS, "x-amz-acl", None),
        (UPLOADS, "", None),
        (UPLOADS, None, None),
        (API, "authorization,idempotency-key", "authorization, idempotency-key"),
        (API, "x-amz-meta-a", None),
        (Calls(methods=("GET",), headers=frozenset()), "accept", None),
    ],
)
def test_a_preflight_is_told_the_headers_it_may_send(calls: Calls, wanted: str | None, taken: str | None) -> None:
    """Of what it asks for, what the allowlist has; the browser names the rest to its developer."""
    answer = dict(CORS.preflight("OPTIONS", preflight(PAGE, wanted=wanted), calls) or ())

    assert answer.get("access-control-allow-headers") == taken
    assert answer["access-control-allow-methods"] == ", ".join(calls.methods)
    assert answer["access-control-max-age"] == "7200"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PUT", preflight(PAGE)),
        ("OPTIONS", [("Origin", PAGE)]),
        ("OPTIONS", [("Access-Control-Request-Method", "PUT")]),
        ("OPTIONS", []),
    ],
)
def test_what_is_no_preflight_goes_on(method: str, headers: list[tuple[str, str]]) -> None:
    """A preflight is an OPTIONS with an origin and the method that is to come."""
    assert CORS.preflight(method, headers, UPLOADS) is None


def test_without_origins_nothing_is_said() -> None:
    """A gateway that no page of another origin may call has no answer that differs by origin."""
    assert NO_PAGES.headers([("origin", PAGE)]) == ()
    assert NO_PAGES.preflight("OPTIONS", preflight(PAGE), UPLOADS) is None


@given(sender=st.text(), wanted=st.text())
def test_nothing_but_an_allowed_origin_comes_back(sender: str, wanted: str) -> None:
    """Whatever a page says, only a configured origin and allowlisted names are repeated."""
    answer = dict(CORS.preflight("OPTIONS", preflight(sender, wanted=wanted), UPLOADS) or ())

    assert answer.get("access-control-allow-origin", PAGE) in CORS.origins
    assert all(map(UPLOADS.takes, filter(None, answer.get("access-control-allow-headers", "").split(", "))))


# The ASGI front.


def asked(method: str, headers: list[tuple[str, str]], reply: Reply) -> tuple[int, list[tuple[str, str]], int]:
    """An answer of an application that replies, with its headers and how often the application was asked."""
    sent: list[Message] = []
    calls = 0

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        await send_reply(send, reply)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    front = WithCors(application, cors=CORS, calls=UPLOADS, request_ids=lambda _: "id-1")
    asyncio.run(front(scope, receive, send))
    pairs = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], pairs, calls


def test_a_preflight_asks_nobody() -> None:
    """It is answered before the application sees it, with the request's id."""
    status, headers, calls = asked("OPTIONS", preflight(PAGE), Reply(status=200))

    assert (status, calls) == (204, 0)
    assert ("x-request-id", "id-1") in headers


def test_what_an_application_says_of_cors_is_replaced() -> None:
    """There is one Access-Control-Allow-Origin, and what else varies stays."""
    own = (("access-control-allow-origin", "*"), ("vary", "Accept-Encoding"), ("etag", '"e"'))
    _, headers, calls = asked("PUT", [("origin", PAGE)], Reply(status=200, headers=own))

    assert calls == 1
    assert [value for name, value in headers if name == "access-control-allow-origin"] == [PAGE]
    assert [value for name, value in headers if name == "vary"] == ["Accept-Encoding", "Origin"]
    assert ("etag", '"e"') in headers


# The bucket's rules.


def reread(rules: tuple[bucket.CorsRule, ...]) -> tuple[bucket.CorsRule, ...]:
    """The rules as S3 would say them again."""
    return bucket.read(ET.fromstring(bucket.document(rules)))


def test_the_buckets_rules_survive_their_document() -> None:
    """What is written is what is read."""
    assert reread(bucket.wanted(CORS)) == bucket.wanted(CORS)
    assert bucket.wanted(NO_PAGES) == ()


def test_what_a_bucket_lacks_is_said_by_origin() -> None:
    """An origin is served where one rule has all of it; rules for others are beyond."""
    (rule,) = bucket.wanted(CORS)
    half = bucket.CorsRule(origins=rule.origins, methods=frozenset({"PUT"}), headers=rule.headers, exposed=rule.exposed)
    other = bucket.CorsRule(
        origins=frozenset({"*"}), methods=frozenset({"GET"}), headers=rule.headers, exposed=rule.exposed
    )

    assert bucket.lacking([rule], CORS) == ()
    assert bucket.lacking([half], CORS) == tuple(sorted(CORS.origins))
    assert bucket.lacking([], CORS) == tuple(sorted(CORS.origins))
    assert bucket.lacking([], NO_PAGES) == ()
    assert bucket.beyond([rule, other], CORS) == ("*",)
