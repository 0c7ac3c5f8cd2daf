"""Pages of other origins: the same on every backend, on every call, and at S3 itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.conformance.case import EVERYWHERE
from tests.conformance.conftest import Examination
from tests.conformance.credentials import MAKERS
from tests.conformance.test_plans import BODY, Planner
from tests.conformance.wire import Origin, Request, Response

ALLOW: Final = "access-control-allow-origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that a page makes: how it is sent, and a header that its preflight must allow."""

    method: str
    path: str
    header: str = "authorization"
    upload: bool = False


CALLS: Final[Mapping[str, Call]] = {
    **{
        backend: Call(method="PUT", path=f"/{backend}/a.txt", header="x-amz-meta-a", upload=True)
        for backend in EVERYWHERE
    },
    "plan": Call(method="POST", path="/uploads", header="idempotency-key"),
    "list": Call(method="GET", path="/uploads"),
    "abort": Call(method="DELETE", path="/uploads/none"),
    "uppy": Call(method="POST", path="/s3/multipart", header="uppy-auth-token"),
    "ticket": Call(method="GET", path="/t/none/s3/params", header="content-type"),
    "admin": Call(method="PATCH", path="/admin/tenants/acme", header="if-match"),
    "nothing": Call(method="GET", path="/nothing"),
}


def url(examination: Examination, call: Call) -> tuple[Origin, str]:
    """Where a call goes."""
    if call.upload:
        _, backend, name = call.path.split("/")
        base = examination.deployment.base(backend)
        if base is None:
            pytest.skip(f"this deployment has no {backend}")
        return base.origin, f"{base.path}/{name}"
    api = examination.deployment.api()
    return api.origin, api.path + call.path


def ask(examination: Examination, call: Call, method: str, *headers: tuple[str, str]) -> Response:
    """The answer to a call without a credential: a refusal, or a preflight's answer."""
    origin, target = url(examination, call)
    length = (("Content-Length", "0"),) if method not in {"GET", "OPTIONS"} else ()
    request = Request(method=method, target=target, headers=(*headers, *length))
    return examination.wire.exchange(origin, request)


def preflight(examination: Examination, call: Call, page: str, *, wanted: str) -> Response:
    """What the browser is told before the call."""
    asked = (("Access-Control-Request-Method", call.method), ("Access-Control-Request-Headers", wanted))
    return ask(examination, call, "OPTIONS", ("Origin", page), *asked)


def listed(answer: Response, name: str) -> set[str]:
    """The members of a header that is a list, in lower case."""
    return {member.strip().lower() for member in (answer.header(name) or "").split(",") if member.strip()}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_h05_a_preflight_is_answered_before_any_credential(examination: Examination, call: Call) -> None:
    """The page learns what it may send, and a header that nobody may send is not among it."""
    page = examination.deployment.page
    answer = preflight(examination, call, page, wanted=f"{call.header}, x-amz-acl")

    assert (answer.status, answer.body, answer.header(ALLOW)) == (204, b"", page)
    assert answer.header("access-control-allow-credentials") == "true"
    assert call.method.lower() in listed(answer, "access-control-allow-methods")
    assert listed(answer, "access-control-allow-headers") == {call.header}
    assert int(answer.header("access-control-max-age") or 0) > 0
    assert "origin" in listed(answer, "vary")
    assert answer.header("x-request-id")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_h05_a_page_may_read_every_answer(examination: Examination, call: Call) -> None:
    """A refusal reaches the page's script with its sentence and the headers that say more."""
    page = examination.deployment.page
    answer = ask(examination, call, call.method, ("Origin", page))

    assert answer.status >= 400
    assert answer.media_type == "application/problem+json"
    assert answer.header(ALLOW) == page
    assert "origin" in listed(answer, "vary")
    readable = listed(answer, "access-control-expose-headers")
    assert {"etag", "location", "content-location", "retry-after", "ratelimit", "x-request-id"} <= readable


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("sender", ["null", "{page}.evil.test", "https://evil{host}", "http://{host}", "{page}:8443"])
def test_h05_no_other_page_may(examination: Examination, call: Call, sender: str) -> None:
    """`null`, a suffix, a prefix, another scheme and another port are other origins."""
    page = examination.deployment.page
    other = sender.format(page=page, host=urlsplit(page).netloc)

    answers = (
        preflight(examination, call, other, wanted=call.header),
        ask(examination, call, call.method, ("Origin", other)),
    )

    for answer in answers:
        assert [name for name, _ in answer.headers if name.startswith("access-control-")] == []
        assert "origin" in listed(answer, "vary")


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_h05_a_page_may_read_a_success(examination: Examination, backend: str) -> None:
    """What the client is left with names the page's origin once and lets it read the ETag, also where it is S3's."""
    deployment, page = examination.deployment, examination.deployment.page
    base = deployment.base(backend)
    if base is None:
        pytest.skip(f"this deployment has no {backend}")
    name = f"cors-{backend}.txt"
    headers = (*MAKERS["good"](deployment.issuer, "acme"), ("Content-Type", "text/plain"), ("Origin", page))
    sent = Request(
        method="PUT",
        target=f"{base.path}/{name}",
        headers=(*headers, ("Content-Length", str(len(BODY)))),
        body=BODY,
    )

    trace = examination.wire.follow(base.origin, sent)
    deployment.bucket.discard(f"acme/{name}")

    assert trace.last.status == 200
    assert [value for name, value in trace.last.headers if name == ALLOW] == [page]
    assert "etag" in listed(trace.last, "access-control-expose-headers")


def test_h05_s3_takes_a_plan_from_a_page_alone(examination: Examination) -> None:
    """The bucket has the same origins as the gateway: a page sends its plan's PUT there itself."""
    page = examination.deployment.page
    planner = Planner(examination)
    plan = planner.plan()
    there = urlsplit(plan["url"])
    origin = Origin(there.hostname or "", there.port or 80)
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": ",".join(plan["headers"])}

    def ahead(sender: str) -> Response:
        headers = (("Origin", sender), *asked.items())
        return examination.wire.exchange(
            origin, Request(method="OPTIONS", target=f"{there.path}?{there.query}", headers=headers)
        )

    allowed, refused = ahead(page), ahead(f"{page}.evil.test")
    stored = planner.enact(plan, Origin=page)
    planner.clear()

    assert (allowed.status, allowed.header(ALLOW)) == (200, page)
    assert set(plan["headers"]) <= listed(allowed, "access-control-allow-headers")
    assert refused.header(ALLOW) is None
    assert (stored.status, stored.header(ALLOW)) == (200, page)
    assert {"etag", "x-amz-checksum-sha256"} <= listed(stored, "access-control-expose-headers")
