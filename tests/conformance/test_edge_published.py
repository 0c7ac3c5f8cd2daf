"""Every case on the edge as it is in CloudFront: the function knows what was published for it, and nothing else."""

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator

import pytest

from tests.conformance.bucket import SignedBucket
from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.conftest import Examination
from tests.conformance.demo import DemoDeployment, DemoProcess
from tests.conformance.deployment import Base
from tests.conformance.edge_limits import LIMITS, findings_of, limited
from tests.conformance.examiner import Examiner
from tests.conformance.issuers import TenantIssuers
from tests.conformance.tenants import documents
from tests.conformance.wire import Wire

PUBLISHED_WITHIN = 60.0
LIMITED = limited()


class EdgeAlone(DemoDeployment):
    """A deployment of which only the edge is asked."""

    def base(self, backend: str) -> Base:
        """The edge; None for the others, which the suite then leaves out."""
        return super().base(backend) if backend == "edge" else None  # type: ignore[return-value]


def await_published(deployment: DemoDeployment, tenants: Iterable[str]) -> None:
    """Until every tenant's document is there, with its issuers' keys."""
    documents = deployment.bucket.other(f"{deployment.bucket.name}-edge")
    deadline = time.monotonic() + PUBLISHED_WITHIN
    waiting = set(tenants)
    while waiting:
        assert time.monotonic() < deadline, f"not published: {waiting}"
        waiting = {tenant for tenant in waiting if not is_complete(documents, tenant)}
        time.sleep(0.05)
    documents.close()


def is_complete(documents: SignedBucket, tenant: str) -> bool:
    found = documents.get(f"tenants/{tenant}")
    if found is None:
        return False
    content = json.loads(found.body.partition(b"\n")[2])["content"]
    return all(entry["keys"] is not None for entry in content["keys"])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, tenant_issuers: TenantIssuers) -> Iterator[Examination]:
    """The demo under AWS's limits, its edge by published documents."""
    process = DemoProcess(tmp_path_factory.mktemp("published"), limits="aws", options=("--published-edge",))
    with Wire() as wire:
        try:
            started = process.start()
            deployment = EdgeAlone(**{each.name: getattr(started, each.name) for each in dataclasses.fields(started)})
            tenants = [*documents(tenant_issuers), *LIMITED.values()]
            for document in tenants:
                deployment.tenants.put(document)
            await_published(deployment, ["acme", "globex", *(document["tenant"] for document in tenants)])
            examiner = Examiner(deployment, wire, tenant_issuers.by_name)
            yield Examination(deployment, wire, examiner)
            findings = examiner.look() + process.secrets_in_logs()
        finally:
            process.stop()
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("case", [case for case in CASES if "edge" in case.backends], ids=lambda case: case.label)
def test_the_published_edge_has_the_same_verdicts(published: Examination, case: Case) -> None:
    """Those of the server, but for the table of forced differences."""
    findings = published.examiner.examine(case)

    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_reached_at_the_published_edge(published: Examination, limit: str) -> None:
    """By the share that the tenant's document gives the function."""
    findings = findings_of(published.examiner, limit, str(LIMITED[limit]["tenant"]))

    assert not findings, "\n".join(findings)
