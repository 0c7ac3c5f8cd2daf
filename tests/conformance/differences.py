"""The forced differences: the one table of where S3, CloudFront or API Gateway makes backends answer unalike.

Section 5 of the wire contract is the law, and nothing may differ that has no row here. A case names the row it stands
on; a row says on which backends and under which limits it is in force, and why.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.conformance.case import UNIQUE, UNIQUE_LENGTH, Answered, Case, Expectation, Refused, Stored
from tests.conformance.deployment import Deployment
from tests.conformance.tenants import preference

EVERYWHERE: Final = frozenset({"machine", "aws"})
AWS_ONLY: Final = frozenset({"aws"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row: `backends` that differ, the `limits` modes in which they do, and the `reason`."""

    backends: frozenset[str]
    reason: str
    limits: frozenset[str] = EVERYWHERE


DIFFERENCES: Final[Mapping[str, Difference]] = {
    "redirect-adds-nothing": Difference(
        backends=frozenset({"presigned"}),
        reason="Nobody can add a header to a redirected client: it must send If-None-Match: * itself.",
    ),
    "redirect-digest": Difference(
        backends=frozenset({"presigned"}),
        reason="S3 does not read Content-Digest and Repr-Digest, and nobody translates them for a redirected client.",
    ),
    "redirect-unsigned-headers": Difference(
        backends=frozenset({"presigned"}),
        reason="A client repeats Cache-Control to S3 itself, and no signature forbids it.",
    ),
    "redirect-repeats-api-key": Difference(
        backends=frozenset({"presigned"}),
        reason="A client repeats x-api-key to S3 at a redirect, so it may not carry one there.",
    ),
    "s3-answers-itself": Difference(
        backends=frozenset({"presigned", "edge"}),
        reason="What S3 refuses reaches the client as S3's own XML: no code of the gateway stands in between.",
    ),
    "edge-request-id": Difference(
        backends=frozenset({"edge"}),
        reason="S3's answer through CloudFront carries X-Amz-Cf-Id, not the gateway's request id.",
    ),
    "content-after-arrival": Difference(
        backends=frozenset({"presigned", "edge"}),
        reason="Content that goes straight to S3 is inspected after it arrived: 200 first, then a verdict.",
    ),
    "content-after-api-gateway": Difference(
        backends=frozenset({"proxy"}),
        reason="API Gateway hands the bytes to S3 itself: they are inspected after they arrived.",
        limits=AWS_ONLY,
    ),
    "api-gateway-names": Difference(
        backends=frozenset({"proxy"}),
        reason="How API Gateway re-encodes a path is known only for portable characters and 350 encoded ones.",
        limits=AWS_ONLY,
    ),
    "api-gateway-query": Difference(
        backends=frozenset({"proxy"}),
        reason="API Gateway hands over a query's parameters: one without any can't be told from none.",
        limits=AWS_ONLY,
    ),
    "api-gateway-override": Difference(
        backends=frozenset({"proxy"}),
        reason="API Gateway obeys X-HTTP-Method-Override, so a request that carries it is refused.",
        limits=AWS_ONLY,
    ),
    "api-gateway-status": Difference(
        backends=frozenset({"proxy"}),
        reason="An authorizer can only answer 403: the problem says the table's status as intended_status.",
        limits=AWS_ONLY,
    ),
    "api-gateway-body": Difference(
        backends=frozenset({"proxy"}),
        reason="API Gateway takes 10,485,760 bytes.",
        limits=AWS_ONLY,
    ),
    "mapped-headers": Difference(
        backends=frozenset({"proxy", "edge"}),
        reason="API Gateway maps, and CloudFront forwards, only headers that were listed at deployment.",
        limits=AWS_ONLY,
    ),
}
"""Row id to row."""

_PORTABLE: Final = re.compile(r"[A-Za-z0-9._/-]{1,350}\Z")
"""Names of section 5, decoded; their encoded form is as long as they are."""

API_GATEWAY_BODY: Final = 10_485_760

_BEFORE_THE_BACKEND: Final = frozenset(
    {
        "method-not-allowed",
        "length-required",
        "request-invalid",
        "query-not-allowed",
        "token-missing",
        "token-invalid",
        "token-expired",
        "tenant-unknown",
        "tenant-suspended",
        "scope-missing",
    }
)
"""What the contract's order of refusals has before `backend-not-allowed`."""

_AFTER_IT_WAS_CARRIED: Final = frozenset({"checksum-mismatch", "content-mismatch", "object-exists"})
"""Refusals that say nothing about whether a backend could carry a request: only the bytes, or S3, told them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What must come of a case, and which backend says it."""

    expect: Expectation
    carrier: str


def outcome(case: Case, backend: str, deployment: Deployment) -> Outcome:
    """What must come of the case at this base; `files` is its choice's."""
    if backend != "files":
        return Outcome(through(case, backend, deployment), backend)
    return _chosen(case, deployment)


def _chosen(case: Case, deployment: Deployment) -> Outcome:
    """The first backend of the tenant's preference that can carry the request; if none can, the last one's refusal."""
    wanted = preference(case.tenant)
    for backend in wanted:
        expect = through(case, backend, deployment)
        if _carries(expect):
            return Outcome(expect, backend)
    last = through(case, wanted[-1], deployment)
    return Outcome(_in_our_words(last, case.expect), "files")


def _carries(expect: Expectation) -> bool:
    if isinstance(expect, Refused):
        return _AFTER_IT_WAS_CARRIED.issuperset(expect.codes)
    return not isinstance(expect, Answered)


def _in_our_words(last: Expectation, expect: Expectation) -> Expectation:
    """A refusal that on the proxy is API Gateway's own has no API Gateway before it here: ours, with its limit."""
    if not isinstance(last, Answered) or last.statuses != (413,):
        return last
    if isinstance(expect, Refused):
        return Refused(codes=expect.codes, limit=API_GATEWAY_BODY if expect.limit else None, advice=expect.advice)
    return Refused(codes=("size-exceeds-limit",), limit=API_GATEWAY_BODY, advice="/presigned")


def through(case: Case, backend: str, deployment: Deployment) -> Expectation:
    """What must come of the case through one of the three backends.

    What API Gateway does not hand over; then in the contract's order: what comes before the backend, a backend that the
    tenant may not use, the first forced difference in force there, what AWS's limits force; else the rule.
    """
    early = isinstance(case.expect, Refused) and not _BEFORE_THE_BACKEND.isdisjoint(case.expect.codes)
    if deployment.limits == "aws" and backend == "proxy" and _too_large_for_api_gateway(case):
        return Answered(statuses=(413,))
    if backend not in preference(case.tenant) and not early:
        return Refused(codes=("backend-not-allowed",))
    for forced in case.forced:
        row = DIFFERENCES[forced.row]
        if backend in row.backends and deployment.limits in row.limits:
            return forced.expect
    return _under_limits(case, backend, deployment)


def _under_limits(case: Case, backend: str, deployment: Deployment) -> Expectation:
    """The case's own expectation, or under AWS's limits what they force on this backend.

    A backend refuses before anything is sent what it could not carry. The contract names no code for it: a name that
    can't pass is one the deployment does not allow, as is a header that is not listed, or a backend for this request.
    """
    expect = case.expect
    if deployment.limits != "aws" or not isinstance(expect, Stored) or backend not in {"proxy", "edge"}:
        return expect
    if expect.headers or {key for key, _ in expect.metadata} - (deployment.carried_metadata or frozenset()):
        return Refused(codes=("header-not-allowed", "backend-not-allowed"))
    if backend == "proxy" and not _PORTABLE.match(expect.name.replace(UNIQUE, "u" * UNIQUE_LENGTH)):
        return Refused(codes=("name-not-allowed", "backend-not-allowed"))
    return expect


def _too_large_for_api_gateway(case: Case) -> bool:
    declared = case.length if case.head_only and case.length is not None else str(len(case.body))
    return declared.isdecimal() and int(declared) > API_GATEWAY_BODY
