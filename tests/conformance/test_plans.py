"""`POST /uploads` with the strategy `put`: the plan stores the bytes, and S3 holds the client to every bound of it."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance import checksums, samples
from tests.conformance.case import Refused
from tests.conformance.conftest import Examination
from tests.conformance.credentials import MAKERS
from tests.conformance.findings import refusal_findings
from tests.conformance.wire import Hop, Origin, Request, Response, Trace

BODY = samples.TEXT
PLAN: Mapping[str, Any] = {
    "name": "{u}/a.txt",
    "size": len(BODY),
    "content_type": "text/plain; charset=utf-8",
    "checksum": {"algorithm": "sha256", "value": checksums.value("sha256", BODY)},
    "metadata": {"author": "Ann"},
    "overwrite": False,
    "strategy": "put",
}


class Planner:
    """Asks for plans and enacts them, keeping what it may have stored to take away afterwards."""

    def __init__(self, examination: Examination) -> None:
        self.deployment = examination.deployment
        self.wire = examination.wire
        self._keys: list[str] = []

    def post(self, body: Mapping[str, Any] | bytes, tenant: str = "acme", credential: str = "good") -> Trace:
        """The answer to `POST /uploads`."""
        api = self.deployment.api()
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(
            method="POST",
            target=f"{api.path}/uploads",
            headers=(
                *MAKERS[credential](self.deployment.issuer, tenant),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(data))),
            ),
            body=data,
        )
        return Trace((Hop(api.origin, request, self.wire.exchange(api.origin, request)),))

    def plan(self, tenant: str = "acme", **changes: Any) -> dict[str, Any]:
        """A plan that must be granted, under a name of its own."""
        wanted = {**PLAN, **changes}
        wanted["name"] = wanted["name"].replace("{u}", uuid.uuid4().hex[:8])
        answer = self.post(wanted, tenant).last
        assert answer.status == 201, (answer.status, answer.body)
        plan: dict[str, Any] = json.loads(answer.body)
        self._keys.append(plan["key"])
        return plan

    def enact(self, plan: Mapping[str, Any], body: bytes = BODY, **changes: str | None) -> Response:
        """Send the plan's request; a change replaces a header (underscores for dashes), None leaves it out."""
        wanted = {**plan["headers"], **{name.replace("_", "-"): value for name, value in changes.items()}}
        url = urlsplit(plan["url"])
        request = Request(
            method=plan["method"],
            target=f"{url.path}?{url.query}",
            headers=(
                *((name, value) for name, value in wanted.items() if value is not None),
                ("Content-Length", str(len(body))),
            ),
            body=body,
        )
        return self.wire.exchange(Origin(url.hostname or "", url.port or 80), request)

    def clear(self) -> None:
        """Take away what the plans stored."""
        for key in self._keys:
            self.deployment.bucket.discard(key)


@pytest.fixture
def planner(examination: Examination) -> Iterator[Planner]:
    """A planner that leaves the bucket as it was."""
    made = Planner(examination)
    yield made
    made.clear()


def test_a_plan_says_all_its_members(planner: Planner) -> None:
    """The members of the contract's section 2, and no header that a client sets itself."""
    plan = planner.plan()

    assert {
        "id",
        "strategy",
        "name",
        "key",
        "size",
        "expires_at",
        "method",
        "url",
        "headers",
        "fields",
        "part_size",
        "part_count",
        "parts",
    } - set(plan) == set()
    assert (plan["strategy"], plan["method"], plan["key"]) == ("put", "PUT", f"acme/{plan['name']}")
    assert {"content-length", "host"} & {name.lower() for name in plan["headers"]} == set()


def test_an_enacted_plan_stores_the_bytes(planner: Planner) -> None:
    """Exactly `headers` and the body: stored under the key, with type, metadata and checksum."""
    plan = planner.plan()

    answer = planner.enact(plan)

    stored = planner.deployment.bucket.get(plan["key"])
    assert (answer.status, stored is None) == (200, False)
    assert stored is not None
    assert (stored.body, stored.content_type, dict(stored.metadata)) == (BODY, PLAN["content_type"], PLAN["metadata"])


@pytest.mark.parametrize("strategy", [None, "put"])
def test_a_small_upload_is_a_put(planner: Planner, strategy: str | None) -> None:
    """Left out, the strategy is `put` below the tenant's threshold."""
    assert planner.plan(strategy=strategy)["strategy"] == "put"


def test_s11_m07_a_create_only_plan_is_good_once(planner: Planner) -> None:
    """The second use of a URL is refused by S3 and the first bytes stay."""
    plan = planner.plan()
    planner.enact(plan)

    answer = planner.enact(plan)

    assert answer.status == 412


@pytest.mark.parametrize("algorithm", sorted(checksums.DIGESTS))
def test_s15_every_algorithm_is_signed_and_verified(planner: Planner, algorithm: str) -> None:
    """Other bytes of the same length are refused by S3, whatever the algorithm."""
    plan = planner.plan(checksum={"algorithm": algorithm, "value": checksums.value(algorithm, BODY)})

    wrong = planner.enact(plan, body=BODY[::-1])
    nothing = planner.deployment.bucket.get(plan["key"])
    right = planner.enact(plan)

    assert (wrong.status, nothing, right.status) == (400, None, 200)


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, BODY + b"!"),
        ({}, BODY[:-1]),
        ({}, b""),
        ({"content_type": "text/html"}, BODY),
        ({"content_type": "text/plain"}, BODY),
        ({"content_type": None}, BODY),
        ({"x_amz_checksum_sha256": None}, BODY),
        ({"x_amz_checksum_sha256": checksums.value("sha256", BODY + b"!")}, BODY),
        ({"if_none_match": None}, BODY),
        ({"x_amz_meta_author": "Bob"}, BODY),
        ({"x_amz_meta_author": None}, BODY),
        ({"x_amz_meta_other": "1"}, BODY),
        ({"x_amz_acl": "public-read"}, BODY),
        ({"x_amz_tagging": "a=b"}, BODY),
        ({"x_amz_copy_source": "/bucket/globex/a.png"}, BODY),
        ({"x_amz_storage_class": "GLACIER"}, BODY),
    ],
)
def test_s09_m08_s3_holds_the_client_to_the_plan(planner: Planner, changes: dict[str, str | None], body: bytes) -> None:
    """Another length, another or a missing header, or one more: refused by S3, and nothing stored (S09)."""
    plan = planner.plan()

    answer = planner.enact(plan, body, **changes)

    assert answer.status in {400, 403}, (answer.status, answer.body)
    assert planner.deployment.bucket.get(plan["key"]) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [("/acme/", "/globex/"), ("a.txt", "b.txt"), ("X-Amz-Expires=", "X-Amz-Expires=1"), ("?", "?acl&")],
)
def test_s08_s09_a_changed_url_is_refused_by_s3(planner: Planner, old: str, new: str) -> None:
    """Neither another key nor another life can be had out of a URL."""
    plan = planner.plan()

    answer = planner.enact({**plan, "url": plan["url"].replace(old, new, 1)})

    assert answer.status in {400, 403}, (answer.status, answer.body)


@pytest.mark.parametrize(
    ("tenant", "credential", "changes", "code"),
    [
        ("acme", "no-credential", {}, "token-missing"),
        ("acme", "foreign-key", {}, "token-invalid"),
        ("acme", "expired-long-ago", {}, "token-expired"),
        ("acme", "tenant-nobody", {}, "tenant-unknown"),
        ("acme", "scope-other", {}, "scope-missing"),
        ("acme", "good", {"name": "../globex/a.txt"}, "name-invalid"),
        ("acme", "good", {"name": "a//b.txt"}, "name-invalid"),
        ("acme", "good", {"name": ""}, "name-invalid"),
        ("acme", "good", {"name": "a\u202eb.txt"}, "name-invalid"),
        ("acme", "good", {"name": "${filename}"}, "name-invalid"),
        ("acme", "good", {"name": "a.exe"}, "name-not-allowed"),
        ("acme", "good", {"content_type": "video/mp4"}, "type-not-allowed"),
        ("acme", "good", {"size": 5_368_709_121}, "size-exceeds-limit"),
        ("acme", "good", {"size": -1}, "request-invalid"),
        ("acme", "good", {"size": "10"}, "request-invalid"),
        ("acme", "good", {"size": 10.5}, "request-invalid"),
        ("acme", "good", {"strategy": "carrier-pigeon"}, "request-invalid"),
        ("acme", "good", {"key": "globex/a.txt"}, "request-invalid"),
        ("acme", "good", {"checksum": {"algorithm": "sha256", "value": "x"}}, "request-invalid"),
        ("acme", "good", {"metadata": {"a\r\nx-amz-acl": "b"}}, "request-invalid"),
        ("acme", "good", {"metadata": {"a": "b\r\nx-amz-acl: c"}}, "request-invalid"),
        ("globex", "good", {"overwrite": True}, "request-invalid"),
        ("globex", "good", {"metadata": {}, "size": 2000}, "type-not-allowed"),
        ("globex", "good", {"metadata": {"a": "b"}}, "header-not-allowed"),
        (
            "globex",
            "good",
            {"metadata": {}, "content_type": "image/png", "name": "a.png", "size": 1023},
            "size-below-minimum",
        ),
        (
            "globex",
            "good",
            {"metadata": {}, "content_type": "image/png", "name": "a.png", "size": 2000, "checksum": None},
            "checksum-required",
        ),
    ],
)
def test_h12_h19_a_plan_is_refused_as_a_put_is(
    planner: Planner, tenant: str, credential: str, changes: dict[str, Any], code: str
) -> None:
    """The same problems in the same words, and no plan."""
    trace = planner.post({**PLAN, **changes}, tenant, credential)

    sent = MAKERS[credential](planner.deployment.issuer, tenant)
    findings = refusal_findings(Refused(codes=(code,)), trace, sent, planner.deployment.secrets, has_body=True)
    assert list(findings) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": "a", "name": "b", "size": 1}',
        b'{"name": "a.txt", "size": NaN}',
        b'\xff{"name": "a.txt", "size": 1}',
        b"[" * 100_000,
    ],
)
def test_h17_a_body_that_is_no_plan_is_refused(planner: Planner, body: bytes) -> None:
    """Strict JSON (H17): every fault is `request-invalid`, or too large, never a 500."""
    trace = planner.post(body)

    expect = Refused(codes=("request-invalid", "size-exceeds-limit"))
    assert list(refusal_findings(expect, trace, (), planner.deployment.secrets, has_body=True)) == []
