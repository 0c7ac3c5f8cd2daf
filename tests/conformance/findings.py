"""What is wrong with an exchange: an answer and an object held against what the contract says, as sentences.

Findings are collected rather than raised, so that one run of a case tells about all its backends.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tests.conformance.case import Case, Expectation, Refused, RefusedByS3, Stored
from tests.conformance.checksums import DIGESTS, value
from tests.conformance.deployment import Deployment
from tests.conformance.differences import DIFFERENCES
from tests.conformance.wire import Response, Trace

PROBLEM: Final = "urn:upload-gateway:problem:"
STATUSES: Final[Mapping[str, int]] = {
    "token-missing": 401,
    "token-invalid": 401,
    "token-expired": 401,
    "scope-missing": 403,
    "tenant-unknown": 403,
    "tenant-suspended": 403,
    "backend-not-allowed": 403,
    "name-invalid": 400,
    "name-not-allowed": 400,
    "query-not-allowed": 400,
    "header-not-allowed": 400,
    "checksum-required": 400,
    "checksum-mismatch": 400,
    "request-invalid": 400,
    "method-not-allowed": 405,
    "not-found": 404,
    "length-required": 411,
    "size-exceeds-limit": 413,
    "size-below-minimum": 400,
    "type-not-allowed": 415,
    "type-mismatch": 415,
    "content-mismatch": 422,
    "object-exists": 412,
    "precondition-required": 428,
    "request-too-long": 431,
    "rate-limited": 429,
    "quota-exceeded": 429,
}
"""Problem code to status, as section 4 of the contract has it."""

MEMBERS: Final = ("type", "title", "status", "detail", "instance")
_S3_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9]+)</Code>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A case as it went to one base.

    `carrier` is the backend that must have carried it, `key` the key it must have (None: nothing may be stored).
    """

    case: Case
    backend: str
    carrier: str
    expect: Expectation
    key: str | None
    credential: tuple[tuple[str, str], ...]
    trace: Trace


def answer_findings(exchange: Exchange, deployment: Deployment) -> Iterator[str]:
    """What is wrong with the answer."""
    expect = exchange.expect
    if isinstance(expect, Stored):
        yield from _success_findings(exchange)
    elif isinstance(expect, Refused):
        yield from refusal_findings(
            expect,
            exchange.trace,
            exchange.credential,
            deployment.secrets,
            has_body=exchange.case.method != "HEAD",
            only_403=_only_403(exchange.carrier, deployment) and not exchange.case.malformed,
        )
    elif isinstance(expect, RefusedByS3):
        yield from _s3_findings(expect, exchange.trace)
    elif exchange.trace.last.status not in expect.statuses:
        yield f"expected one of {expect.statuses}, got {_brief(exchange.trace.last)}"


def _success_findings(exchange: Exchange) -> Iterator[str]:
    """A success: 200, an ETag, the checksum that was sent, and who may say the key and a request id."""
    first, last = exchange.trace.first, exchange.trace.last
    if last.status != 200:
        yield f"expected 200, got {_brief(last)}"
        return
    if not (last.header("etag") or "").strip('"'):
        yield "no ETag"
    yield from _echo_findings(exchange)
    yield from _carrier_findings(exchange)
    ids = ("x-request-id", "x-amz-cf-id") if exchange.carrier == "edge" else ("x-request-id",)
    if not any(first.header(name) for name in ids):
        yield "no X-Request-Id"


def _carrier_findings(exchange: Exchange) -> Iterator[str]:
    """Who carried it: the proxy says the key, a redirect goes to S3, and CloudFront signs its answers."""
    if exchange.carrier == "proxy":
        yield from _location_findings(exchange)
    if exchange.carrier == "presigned":
        yield from _redirect_findings(exchange)
    elif len(exchange.trace.hops) != 1:
        yield "a redirect where none belongs"
    of_cloudfront = exchange.trace.last.header("x-amz-cf-id") is not None
    if of_cloudfront != (exchange.carrier == "edge"):
        yield f"{'CloudFront' if of_cloudfront else 'another'} answered instead of {exchange.carrier}"


def _echo_findings(exchange: Exchange) -> Iterator[str]:
    sent = {name.lower(): text for name, text in exchange.case.headers}
    body = exchange.case.body
    for algorithm in DIGESTS:
        name = f"x-amz-checksum-{algorithm}"
        if name in sent and exchange.trace.last.header(name) != value(algorithm, body):
            yield f"{name} is not echoed: {exchange.trace.last.header(name)!r}"


def _location_findings(exchange: Exchange) -> Iterator[str]:
    said = exchange.trace.last.header("content-location")
    if said is None or unquote(said).removeprefix("/") != exchange.key:
        yield f"Content-Location says {said!r}, the key is {exchange.key!r}"


def _redirect_findings(exchange: Exchange) -> Iterator[str]:
    first = exchange.trace.first
    if len(exchange.trace.hops) != 2 or first.status != 307:
        yield f"expected a 307 first, got {_brief(first)}"
    if (said := _location_key(first)) != exchange.key:
        yield f"the redirect goes to {said!r}, the key is {exchange.key!r}"
    if "no-store" not in (first.header("cache-control") or ""):
        yield "the redirect may be cached: no Cache-Control: no-store"
    yield from (f"the redirect holds the credential of {name}" for name in _leaked(exchange.credential, first))


def _location_key(redirect: Response) -> str:
    """The key in a presigned URL, whose bucket stands in the path."""
    return unquote(urlsplit(redirect.header("location") or "").path).removeprefix("/").partition("/")[2]


def stored_findings(exchange: Exchange, deployment: Deployment) -> Iterator[str]:
    """The object itself: key, bytes, type, metadata, checksum, and no header that was smuggled."""
    expect, case = exchange.expect, exchange.case
    if not isinstance(expect, Stored) or exchange.key is None:
        return
    found = deployment.bucket.get(exchange.key)
    if found is None:
        yield f"nothing is stored under {exchange.key!r}"
        return
    sent = {name.lower(): text for name, text in case.headers}
    body = case.body if expect.body is None else expect.body
    if found.body != body:
        yield f"stored {len(found.body)} other bytes instead of {len(body)}"
    if found.content_type != sent.get("content-type") and sent.get("content-type") not in deployment.guesses_types_of:
        yield f"stored as {found.content_type!r}, sent as {sent.get('content-type')!r}"
    if dict(found.metadata) != dict(expect.metadata):
        yield f"stored metadata {dict(found.metadata)!r}, expected {dict(expect.metadata)!r}"
    if dict(found.headers) != dict(expect.headers):
        yield f"stored headers {dict(found.headers)!r}, allowed were {dict(expect.headers)!r}"
    if missing := _declared(sent) - set(found.checksums):
        yield f"S3 holds no {sorted(missing)} although it was declared"
    for algorithm, stored in found.checksums.items():
        if stored != value(algorithm, body):
            yield f"S3 holds another {algorithm}: {stored!r}"


def _declared(sent: Mapping[str, str]) -> set[str]:
    """The algorithms whose value S3 keeps with the object (it verifies a Content-MD5 and forgets it)."""
    headers = {name for name in sent if name.startswith("x-amz-checksum-")}
    digests = {"sha256"} if {"content-digest", "repr-digest"} & set(sent) else set()
    return {name.removeprefix("x-amz-checksum-") for name in headers} | digests


def refusal_findings(
    expect: Refused,
    trace: Trace,
    credential: tuple[tuple[str, str], ...],
    secrets: tuple[str, ...],
    *,
    has_body: bool,
    only_403: bool = False,
) -> Iterator[str]:
    """A refusal: RFC 9457 in full, the right status and headers, and not a word that the client did not know."""
    answer = trace.first
    if len(trace.hops) != 1:
        yield f"expected {'|'.join(expect.codes)}, got a redirect"
        return
    if has_body:
        yield from _problem_findings(expect, answer, only_403=only_403)
    elif answer.status not in ({403} if only_403 else {STATUSES[code] for code in expect.codes}):
        yield f"expected {'|'.join(expect.codes)}, got {answer.status}"
    if not answer.header("x-request-id"):
        yield "no X-Request-Id"
    if answer.status == 405 and "PUT" not in (answer.header("allow") or ""):
        yield f"405 without PUT in Allow: {answer.header('allow')!r}"
    yield from (f"the refusal holds the credential of {name}" for name in _leaked(credential, answer))
    yield from (f"the refusal gives away {secret!r}" for secret in secrets if secret in _text(answer))


SAID_BY_S3: Final = frozenset({"checksum-mismatch", "object-exists"})
"""Refusals of S3's, which come after the authorizer: API Gateway maps them with their own status."""


def _only_403(backend: str, deployment: Deployment) -> bool:
    """Whether an authorizer answers there, which knows no other status."""
    row = DIFFERENCES["api-gateway-status"]
    return backend in row.backends and deployment.limits in row.limits


def _status_findings(code: str, answer: Response, problem: Mapping[str, Any], *, only_403: bool) -> Iterator[str]:
    said = (answer.status, problem.get("status"), problem.get("intended_status"))
    table = STATUSES[code]
    right: list[tuple[int, int, int | None]] = [(table, table, None)]
    if only_403 and table != 403 and code not in SAID_BY_S3:
        right = [(403, 403, table)]
    if code == "request-too-long":
        right.append((414, 414, None))
    if said not in right:
        yield f"status, member and intended_status are {said}, expected {right}"


def _problem_findings(expect: Refused, answer: Response, *, only_403: bool) -> Iterator[str]:
    if answer.media_type != "application/problem+json":
        yield f"expected the problem {'|'.join(expect.codes)}, got {_brief(answer)}"
        return
    problem: dict[str, Any] = json.loads(answer.body)
    code = str(problem.get("type")).removeprefix(PROBLEM)
    if code not in expect.codes:
        yield f"expected {'|'.join(expect.codes)}, got {code}: {problem.get('detail')}"
        return
    if missing := [member for member in MEMBERS if not problem.get(member)]:
        yield f"the problem lacks {missing}"
    yield from _status_findings(code, answer, problem, only_403=only_403)
    if problem.get("instance") != answer.header("x-request-id"):
        yield f"instance {problem.get('instance')!r} is not X-Request-Id {answer.header('x-request-id')!r}"
    if expect.limit is not None and problem.get("limit") != expect.limit:
        yield f"limit {problem.get('limit')!r}, expected {expect.limit}"
    if expect.advice is not None and expect.advice not in str(problem.get("detail")):
        yield f"no advice of {expect.advice!r} in {problem.get('detail')!r}"
    if code == "rate-limited" and not (answer.header("retry-after") or "").isdecimal():
        yield "rate-limited without Retry-After in seconds"
    if code == "request-invalid" and "errors" not in problem:
        yield "request-invalid without errors"
    if answer.status == 401:
        yield from _challenge_findings(code, answer.header("www-authenticate") or "")


def _challenge_findings(code: str, challenge: str) -> Iterator[str]:
    """RFC 6750 section 3: no error code where no credential was sent, `invalid_token` where one was."""
    if not challenge.lower().startswith("bearer"):
        yield f"401 with WWW-Authenticate: {challenge!r}"
    elif (code != "token-missing") != ('error="invalid_token"' in challenge):
        yield f"{code} with WWW-Authenticate: {challenge!r}"


def _s3_findings(expect: RefusedByS3, trace: Trace) -> Iterator[str]:
    answer = trace.last
    code = _S3_CODE.search(answer.body)
    if answer.status != expect.status or code is None or code[1].decode() not in expect.codes:
        yield f"expected S3's {expect.status} {'|'.join(expect.codes)}, got {_brief(answer)}"


def _leaked(credential: tuple[tuple[str, str], ...], answer: Response) -> Iterator[str]:
    """The names of the credential's headers whose secret stands anywhere in the answer."""
    for name, text in credential:
        secret = text.rpartition(" ")[2]
        if len(secret) > 16 and secret in _text(answer):
            yield name


def _text(answer: Response) -> str:
    head = "\n".join(f"{name}: {text}" for name, text in answer.headers)
    return f"{head}\n{answer.body.decode('utf-8', 'replace')}"


def _brief(answer: Response) -> str:
    return f"{answer.status} {answer.media_type or 'without a type'} {answer.body[:300]!r}"
