"""The presigner's function and the proxy's authorizer held to the cases of every deployment.

The first behind a REST API's events and a function URL's, the second in the model of API Gateway.

The suite runs every fifteenth case; `-m long` runs them all.
"""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.conftest import Examination
from tests.conformance.credentials import MAKERS
from tests.conformance.examiner import Examiner
from tests.conformance.issuers import TenantIssuers
from tests.conformance.on_lambda import EVENTS, LambdaDeployment, on_lambda
from tests.conformance.tenants import documents
from tests.conformance.test_cors import (  # noqa: F401 - they run here, too
    test_h05_a_page_may_read_a_success,
    test_h05_a_page_may_read_every_answer,
    test_h05_a_preflight_is_answered_before_any_credential,
)
from tests.conformance.test_plans import (  # noqa: F401 - they run here, too
    planner,
    test_h17_a_body_that_is_no_plan_is_refused,
    test_s09_m08_s3_holds_the_client_to_the_plan,
    test_s15_every_algorithm_is_signed_and_verified,
)
from tests.conformance.wire import Request, Wire
from tests.stores import local_dynamodb

EVERY = 15

UNTOLD = {
    "lambda-rest": (re.compile(r"query-\?&$"), "a REST API's event has parameters, and here are none"),
    "lambda-url": (re.compile(r"repeated"), "a function URL joins repeated headers, so nobody can tell that they were"),
}
"""Cases that an event can't tell from others, by the kind of event."""

OURS = [case for case in CASES if "presigned" in case.backends]


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[str]:
    """A running DynamoDB Local, which believes any credentials; but the SDK must find some."""
    if told := local_dynamodb.why_not():
        pytest.skip(told)
    with pytest.MonkeyPatch.context() as patch, local_dynamodb.serving() as endpoint:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "local")
        yield endpoint


@pytest.fixture(scope="module", params=EVENTS)
def examination(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tenant_issuers: TenantIssuers,
    dynamodb: str,
) -> Iterator[Examination]:
    """The function behind each kind of event; nothing is left in its bucket that nobody allowed."""
    with on_lambda(tmp_path_factory.mktemp(request.param), dynamodb, request.param) as deployment, Wire() as wire:
        for document in documents(tenant_issuers):
            deployment.tenants.put(document)
        examiner = Examiner(deployment, wire, tenant_issuers.by_name)
        yield Examination(deployment, wire, examiner)
        findings = examiner.look() + deployment.secrets_in_logs()
    assert not findings, "\n".join(findings)


def demand_told(examination: Examination, case: Case) -> None:
    """Skip what the service before the function does not tell it."""
    pattern, reason = UNTOLD[examination.deployment.name]
    if pattern.search(case.id):
        pytest.skip(reason)


@pytest.mark.parametrize("case", OURS[::EVERY], ids=lambda case: case.label)
def test_the_function_means_what_every_deployment_means(examination: Examination, case: Case) -> None:
    """The same key, bytes, headers and problem."""
    demand_told(examination, case)
    findings = examination.examiner.examine(case)

    assert not findings, "\n".join(findings)


@pytest.mark.long
@pytest.mark.parametrize("case", OURS, ids=lambda case: case.label)
def test_the_function_means_it_in_every_case(examination: Examination, case: Case) -> None:
    """All of them."""
    demand_told(examination, case)
    findings = examination.examiner.examine(case)

    assert not findings, "\n".join(findings)


def asked(examination: Examination, path: str, body: object, *headers: tuple[str, str]) -> Any:
    """The JSON that a call of the upload API answers, unpacked where it is compressed."""
    deployment, data = examination.deployment, json.dumps(body).encode()
    api = deployment.api()
    sent = (*MAKERS["good"](deployment.issuer, "acme"), ("Content-Length", str(len(data))), *headers)
    answer = examination.wire.exchange(
        api.origin, Request(method="POST", target=f"{api.path}{path}", headers=sent, body=data)
    )
    assert answer.status in {200, 201}, answer.body
    packed = answer.header("content-encoding") == "gzip"
    return json.loads(gzip.decompress(answer.body) if packed else answer.body)


def test_ten_thousand_parts_pass_lambda(examination: Examination) -> None:
    """All at once where the client takes gzip; else as many as fit, and the rest by number."""
    long = "/".join(["a" * 200] * 3)  # as long as a session token would make its URLs
    wanted = {"name": f"{long}/big.bin", "size": 53_687_091_200_000, "content_type": "application/octet-stream"}

    packed = asked(examination, "/uploads", {**wanted, "strategy": "multipart"}, ("Accept-Encoding", "gzip"))
    plain = asked(examination, "/uploads", {**wanted, "strategy": "multipart"})
    there = [part["number"] for part in plain["parts"]]
    asks = 0
    while len(there) < plain["part_count"]:
        missing = {"numbers": list(range(len(there) + 1, plain["part_count"] + 1))}
        more = asked(examination, f"/uploads/{plain['id']}/parts", missing)
        there += [part["number"] for part in more["parts"]]
        asks += 1

    assert (packed["part_count"], len(packed["parts"])) == (10_000, 10_000)
    assert there == list(range(1, 10_001))
    assert asks == 2


def test_the_function_writes_down_what_it_decided(examination: Examination) -> None:
    """A line of JSON for each decision stands on its log before it answers."""
    asked(examination, "/uploads", {"name": "logged.txt", "size": 1, "content_type": "text/plain"})

    log = cast(LambdaDeployment, examination.deployment).log.getvalue()
    line = json.loads(log.splitlines()[-1])
    assert (line["action"], line["outcome"], line["key"]) == ("upload.plan", "granted", "acme/logged.txt")
    assert line["request_id"].startswith("invocation-")
