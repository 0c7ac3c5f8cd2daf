"""What takes more than one request to see of a tenant's document: changes, a URL's life, keys that never meet.

Each test brings a tenant of its own, in the place of whatever another test left of it.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.conformance.case import Case, Expectation, Stored, refused
from tests.conformance.conftest import Examination
from tests.conformance.credentials import MAKERS
from tests.conformance.deployment import BACKENDS, Tenants
from tests.conformance.examiner import build_request
from tests.conformance.issuers import TenantIssuers
from tests.conformance.wire import Trace

DOCUMENT: Mapping[str, Any] = {"version": 1, "tenant": "changing", "types": {"*/*": []}, "overwrite": True}
STORED = Stored(name="{u}/a.txt")


@pytest.fixture
def tenants(examination: Examination) -> Iterator[Tenants]:
    """The tenant `changing`, as good as new."""
    found = examination.deployment.tenants
    if found is None:
        pytest.skip("this deployment takes no tenants but the contract's two")
    found.put(DOCUMENT)
    yield found
    found.put(DOCUMENT)


def _findings(examination: Examination, expect: Expectation, **members: Any) -> list[str]:
    return examination.examiner.examine(Case(id="change", rows=(), tenant="changing", expect=expect, **members))


@pytest.mark.parametrize(
    ("change", "expect"),
    [
        ({"status": "suspended"}, refused("tenant-suspended")),
        ({"scopes": ["files:put"]}, refused("scope-missing")),
        ({"names": {"pattern": "b"}}, refused("name-not-allowed")),
        ({"types": {}}, refused("type-not-allowed")),
        ({"types": {"text/plain": [".csv"]}}, refused("type-mismatch")),
        ({"size": {"min": 0, "max": 9}}, refused("size-exceeds-limit", limit=9)),
        ({"size": {"min": 11}}, refused("size-below-minimum", limit=11)),
        ({"checksum": "required"}, refused("checksum-required")),
        ({"key": "{tenant}/elsewhere/{name}"}, Stored(name="{u}/a.txt", key="changing/elsewhere/{u}/a.txt")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_t22_a_change_is_in_force_at_once(
    examination: Examination, tenants: Tenants, change: dict[str, Any], expect: Expectation
) -> None:
    """A request before, one after, and one after it was taken back: on every backend what the document said then."""
    before = _findings(examination, STORED)
    tenants.put({**DOCUMENT, **change})
    changed = _findings(examination, expect)
    tenants.put(DOCUMENT)
    after = _findings(examination, STORED)

    assert [*before, *changed, *after] == []


def test_t22_a_removed_tenant_is_unknown_at_once(examination: Examination, tenants: Tenants) -> None:
    """As if it had never been; and back, as if it had never gone."""
    before = _findings(examination, STORED)
    tenants.remove("changing")
    gone = _findings(examination, refused("tenant-unknown"))
    tenants.put(DOCUMENT)
    after = _findings(examination, STORED)

    assert [*before, *gone, *after] == []


@pytest.mark.parametrize("left", BACKENDS)
def test_t22_a_backend_taken_away_is_gone_at_once(examination: Examination, tenants: Tenants, left: str) -> None:
    """The others refuse, and `/files` goes the way that is left."""
    tenants.put({**DOCUMENT, "backends": [left]})

    findings = _findings(examination, STORED, backends=(left,))
    for backend in BACKENDS:
        if backend != left:
            findings += _findings(examination, refused("backend-not-allowed"), backends=(backend,))

    assert findings == []
    assert _asked(examination, "changing", "files").last.status == 200


def _asked(examination: Examination, tenant: str, backend: str) -> Trace:
    """One good upload."""
    deployment = examination.deployment
    base = deployment.base(backend)
    assert base is not None
    case = Case(id="asked", rows=(), tenant=tenant, expect=STORED)
    unique = uuid.uuid4().hex[:8]
    request = build_request(case, base, unique, MAKERS["good"](deployment.issuer, tenant))
    trace = examination.wire.follow(base.origin, request)
    deployment.bucket.discard(f"{tenant}/{unique}/a.txt")
    return trace


@pytest.mark.parametrize("backend", [*BACKENDS, "files"])
@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ({"rate": {"per_second": 0.0001, "burst": 2, "per": "tenant"}}, "rate-limited"),
        ({"rate": {"per_second": 0.0001, "burst": 2, "per": "subject"}}, "rate-limited"),
        ({"quota": {"objects": 2, "bytes": None}}, "quota-exceeded"),
        ({"quota": {"objects": None, "bytes": 25}}, "quota-exceeded"),
    ],
    ids=["rate", "rate-of-a-subject", "objects", "bytes"],
)
def test_f12_h18_a_limit_is_reached_on_every_backend(
    examination: Examination, tenants: Tenants, backend: str, limit: dict[str, Any], code: str
) -> None:
    """Two uploads find room, the third does not, and nothing of it is stored."""
    tenant = f"paced-{uuid.uuid4().hex[:8]}"
    tenants.put({**DOCUMENT, "tenant": tenant, **limit})
    case = Case(id="limited", rows=(), tenant=tenant, expect=STORED, backends=(backend,))
    refusal = Case(id="limited", rows=(), tenant=tenant, expect=refused(code), backends=(backend,))

    findings = [
        *examination.examiner.examine(case),
        *examination.examiner.examine(case),
        *examination.examiner.examine(refusal),
    ]
    tenants.remove(tenant)

    assert findings == []


@pytest.mark.parametrize(("tenant", "seconds"), [("brief", 60), ("lasting", 3600), ("acme", 900)])
def test_s08_a_url_lives_as_long_as_the_policy_says(examination: Examination, tenant: str, seconds: int) -> None:
    """`X-Amz-Expires` is the tenant's `url_lifetime`, 900 where it says none."""
    if tenant != "acme" and examination.deployment.tenants is None:
        pytest.skip("this deployment takes no tenants but the contract's two")

    trace = _asked(examination, tenant, "presigned")

    query = parse_qs(urlsplit(trace.first.header("location") or "").query)
    assert (trace.last.status, query["X-Amz-Expires"]) == (200, [str(seconds)])


def _keys(examination: Examination, send: Callable[[], object], tenant: str) -> set[str]:
    """The keys that a few uploads made."""
    bucket = examination.deployment.bucket
    before = set(bucket.list(f"{tenant}/"))
    send()
    made = set(bucket.list(f"{tenant}/")) - before
    bucket.discard(*made)
    return made


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tenant", ["minted", "numbered"])
def test_f04_two_uploads_of_one_name_never_meet(examination: Examination, backend: str, tenant: str) -> None:
    """With `{uuid}` in its template each upload has a key of its own, also where the name is not in it."""
    deployment = examination.deployment
    base = deployment.base(backend)
    if deployment.tenants is None or base is None:
        pytest.skip("this deployment takes no tenants but the contract's two")
    case = Case(id="twice", rows=(), tenant=tenant, expect=STORED, raw_name="the-same.txt")
    request = build_request(case, base, "", MAKERS["good"](deployment.issuer, tenant))

    made = _keys(examination, lambda: [examination.wire.follow(base.origin, request) for _ in range(3)], tenant)

    assert len(made) == 3


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("member", ["jku", "x5u"])
def test_t05_nothing_is_fetched_from_where_a_header_says(
    examination: Examination, tenant_issuers: TenantIssuers, backend: str, member: str
) -> None:
    """A token that sends the gateway for its key is refused, and nobody comes to ask for one."""
    deployment = examination.deployment
    base = deployment.base(backend)
    assert base is not None
    canary = tenant_issuers.url(f"canary-{uuid.uuid4().hex}")
    stranger = tenant_issuers.by_name["bound"]
    token = stranger.sign(deployment.issuer.claims("acme"), kid="theirs", **{member: canary})
    case = Case(id="canary", rows=(), expect=STORED)
    request = build_request(case, base, uuid.uuid4().hex[:8], (("Authorization", f"Bearer {token}"),))

    trace = examination.wire.follow(base.origin, request)

    # Under AWS's limits the proxy's 401 is a 403 that says so.
    assert trace.last.status in {401, 403}
    assert b"token-invalid" in trace.last.body
    assert [path for path in tenant_issuers.asked if canary.endswith(path)] == []
