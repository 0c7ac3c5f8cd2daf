"""Where a request is sent: paths beside the bases, and a `Host` that is not the gateway's."""

import uuid

import pytest

from tests.conformance.case import Case, Refused, Stored
from tests.conformance.conftest import Examination
from tests.conformance.credentials import MAKERS
from tests.conformance.deployment import BACKENDS
from tests.conformance.examiner import build_request
from tests.conformance.findings import refusal_findings
from tests.conformance.wire import Hop, Trace

UPLOAD = Case(id="address", rows=("H04",), expect=Stored(name="{u}/a.txt"))


@pytest.fixture(autouse=True)
def _one_machine(examination: Examination) -> None:
    """On AWS the routes and hosts are API Gateway's and CloudFront's own."""
    if examination.deployment.limits != "machine":
        pytest.skip("paths and hosts are the gateway's only on one machine")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/proxyx",
        "/proxy.",
        "/PROXY",
        "/Proxy",
        "/prox",
        "/%70roxy",
        "/proxy%2F",
        "//proxy",
        "/./proxy",
        "/x/../proxy",
        "/proxy;v=1",
        "/edge%00",
    ],
)
def test_m21_a_path_beside_the_bases_stores_nothing(examination: Examination, path: str) -> None:
    """Only the bases, spelled exactly, are backends: no second spelling reaches one (M21)."""
    deployment = examination.deployment
    base = deployment.base("proxy")
    assert base is not None
    unique = uuid.uuid4().hex[:8]
    credential = MAKERS["good"](deployment.issuer, "acme")
    request = build_request(UPLOAD, type(base)(base.origin, path), unique, credential)

    answer = examination.wire.exchange(base.origin, request)

    trace = Trace((Hop(base.origin, request, answer),))
    expect = Refused(codes=("not-found", "name-invalid"))
    assert list(refusal_findings(expect, trace, credential, deployment.secrets, has_body=True)) == []
    assert [key for key in deployment.bucket.list() if unique in key] == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("host", ["evil.example", "localhost", "globex.example:80", "[::1]:80"])
def test_h04_t13_a_foreign_host_changes_nothing(examination: Examination, backend: str, host: str) -> None:
    """`Host` chooses no tenant, no bucket and no place to redirect to (H04, T13)."""
    deployment = examination.deployment
    base = deployment.base(backend)
    assert base is not None
    unique = uuid.uuid4().hex[:8]
    request = build_request(UPLOAD, base, unique, MAKERS["good"](deployment.issuer, "acme"))
    stranger = type(request)(
        method=request.method, target=request.target, headers=request.headers, body=request.body, host=host
    )

    trace = examination.wire.follow(base.origin, stranger)

    stored = deployment.bucket.get(f"acme/{unique}/a.txt")
    deployment.bucket.discard(f"acme/{unique}/a.txt")
    assert (trace.last.status, stored is not None) == (200, True), trace.last
    assert "evil" not in (trace.first.header("location") or "")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("host", ["", "a:b:c", "a:zz", "@evil.example", "user@evil.example", "a b", "[::1", "a/b"])
def test_h04_cve_2026_48710_a_malformed_host_is_never_a_defect(
    examination: Examination, backend: str, host: str
) -> None:
    """A `Host` that is none is refused or ignored, never a 5xx (H04, CVE-2026-48710 starlette<1.0.1)."""
    deployment = examination.deployment
    base = deployment.base(backend)
    assert base is not None
    unique = uuid.uuid4().hex[:8]
    request = build_request(UPLOAD, base, unique, MAKERS["good"](deployment.issuer, "acme"))
    stranger = type(request)(
        method=request.method, target=request.target, headers=request.headers, body=request.body, host=host
    )

    status = examination.wire.follow(base.origin, stranger).last.status

    deployment.bucket.discard(f"acme/{unique}/a.txt")
    assert status < 500
