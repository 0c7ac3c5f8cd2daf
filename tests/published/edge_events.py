"""Events of any shape, and what must hold of each answer: for the suite, and for the million of the long form."""

import copy
import json
import logging
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from edge_auth.handler import READ_ONLY, RESPONSE_LIMIT, Result
from gateway.local.cloudfront import changed_request, generated_response
from tests.published.edge import EVENT, Edge

EDGE = Edge()
EDGE.publish()
CROWD = 80
TOKENS = (EDGE.token(), EDGE.own_token(), EDGE.token(tenant="nobody"), EDGE.token(scope="x"), EDGE.token(exp=1))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "authorization",
        "x-api-key",
        "content-length",
        "content-type",
        "content-md5",
        "content-digest",
        "content-encoding",
        "transfer-encoding",
        "host",
        "via",
        "if-none-match",
        "origin",
        "x-amz-meta-k",
        "x-amz-acl",
        "x-amz-copy-source",
        "x-amz-checksum-sha256",
        "access-control-request-method",
    ]
) | st.text(max_size=10).map(str.lower)
VALUES = (
    st.sampled_from(["", "*", "5", "-1", "5368709121", "image/png", "chunked", "ugk_a", "https://app.example", "PUT"])
    | st.sampled_from([f"Bearer {token}" for token in TOKENS])
    | st.text(max_size=12)
)
ENTRIES = st.lists(st.fixed_dictionaries({"value": VALUES}) | JSON, max_size=2)
SEGMENTS = st.sampled_from(
    [
        "a.png",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2f",
        "%00",
        "+",
        "%C3%A9",
        "%ff",
        "acme",
        "globex",
        "a b",
        "é",
        "\udcff",
        "${x}",
    ]
) | st.text(max_size=8)
URIS = (
    st.lists(SEGMENTS, max_size=5).map(lambda parts: "/edge/" + "/".join(parts))
    | st.just("/edge/a.png")
    | st.text(max_size=20)
    | st.text(st.characters(codec="ascii"), max_size=20).map("/edge/".__add__)
)


METHODS = st.sampled_from(["PUT", "PUT", "PUT", "PUT", "OPTIONS", "GET", "é"])
HEADERS = st.dictionaries(NAMES, ENTRIES, max_size=2)
BROKEN = st.none() | st.tuples(st.integers(0, 4), st.integers(0, 7), st.booleans(), JSON)
"""Nothing, or: in which of the event's objects, which of its members, whether it goes, and else what it becomes."""


def made(uri: str, headers: dict[str, Any], token: str | None, method: str, broken: Any) -> Any:
    """A good request with these members changed."""
    event: dict[str, Any] = copy.deepcopy(EVENT)
    frame: dict[str, Any] = event["Records"][0]["cf"]
    request = frame["request"]
    if token is not None:
        request["headers"]["authorization"] = [{"value": f"Bearer {token}"}]
    request["uri"], request["method"] = uri, method
    request["headers"].update(copy.deepcopy(headers))
    if broken is not None:
        number, member, gone, instead = broken
        place = (event, frame, frame["config"], request, request["headers"])[number]
        name = sorted(place)[member % len(place)]
        place.pop(name)
        if not gone:
            place[name] = instead
    return event


def events() -> st.SearchStrategy[Any]:
    """From a good request with some members changed, to anything at all."""
    changed = st.builds(made, URIS, HEADERS, st.none() | st.sampled_from(TOKENS), METHODS, BROKEN)
    return changed | changed | changed | JSON


@st.composite
def crowds(draw: st.DrawFn) -> list[Any]:
    """Events, `CROWD` at a time: each is another combination of a few of each member, for drawing is what takes long.

    Members are taken with steps that have no common divisor with how many there are of another, so that each
    meets each.
    """
    uris = draw(st.lists(URIS, min_size=8, max_size=8))
    headers = draw(st.lists(HEADERS, min_size=7, max_size=7))
    broken = [None, *draw(st.lists(BROKEN, min_size=2, max_size=2)), None, None]
    methods = draw(st.lists(METHODS, min_size=3, max_size=3))
    tokens = (None, *TOKENS, TOKENS[0], TOKENS[0], TOKENS[1], TOKENS[1], TOKENS[0])
    return [
        made(uris[n % 8], headers[n % 7], tokens[n % 11], methods[n % 3], broken[n % 5]) for n in range(CROWD - 1)
    ] + [draw(JSON)]


def check(event: Any) -> None:
    """No exception, no 5xx, nothing that CloudFront would not take, nothing outside the tenant's prefix."""
    before = repr(event)
    result = EDGE.handler(event, None)
    assert repr(event) == before
    json.dumps(result)
    if "status" in result:
        _refused(result)
    else:
        _granted(event, result)


def _refused(result: Result) -> None:
    assert int(result["status"]) < 500, result
    generated_response(result)
    assert len(json.dumps(result)) < RESPONSE_LIMIT


def _granted(event: Any, result: Result) -> None:
    request = event["Records"][0]["cf"]["request"]
    sent = changed_request(request, result)
    assert result["uri"].startswith("/acme/")
    assert result["uri"].isascii()
    assert not set(result["uri"].split("/")) & {"", ".."} - {""}
    assert "//" not in result["uri"]
    assert "authorization" not in dict(sent)
    allowed = READ_ONLY | {"content-type", "if-none-match", "content-md5"}
    assert {name for name, _ in sent if not name.startswith(("x-amz-meta-", "x-amz-checksum-"))} <= allowed


def run(examples: int, start: int) -> int:
    """At least so many fresh events from this seed, and how many it were; raises where one breaks a promise."""
    logging.disable(logging.CRITICAL)
    seen = [0]

    @seed(start)
    @settings(
        max_examples=-(-examples // CROWD),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(crowd=crowds())
    def each(crowd: list[Any]) -> None:
        for event in crowd:
            check(event)
        seen[0] += len(crowd)

    each()
    return seen[0]
