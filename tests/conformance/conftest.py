"""Starts the deployments under test: one process a worker and mode, for the whole session."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conformance.case import Case
from tests.conformance.demo import DemoProcess
from tests.conformance.deployment import Deployment
from tests.conformance.examiner import Examiner
from tests.conformance.issuers import TenantIssuers
from tests.conformance.tenants import documents
from tests.conformance.wire import Wire

MODES = {"demo": "machine", "demo-limits-aws": "aws"}
OF_THE_CONTRACT = frozenset({"acme", "globex"})


@dataclass(frozen=True, slots=True)
class Examination:
    """A deployment that is ready, the wire to it, and the examiner that knows its bucket."""

    deployment: Deployment
    wire: Wire
    examiner: Examiner

    def has(self, case: Case) -> bool:
        """Whether the case's tenant is there."""
        return case.tenant in OF_THE_CONTRACT or self.deployment.tenants is not None


@pytest.fixture(scope="session")
def tenant_issuers() -> Iterator[TenantIssuers]:
    """The identity providers of the suite's own tenants."""
    with TenantIssuers() as issuers:
        yield issuers


@pytest.fixture(
    scope="session",
    params=["demo", "demo-limits-aws"],
)
def examination(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tenant_issuers: TenantIssuers
) -> Iterator[Examination]:
    """Each deployment in turn; after the last test of one, its bucket holds nothing that nobody allowed.

    Nor do its logs hold a token, an API key or a signature (S19).
    """
    mode: str = request.param
    process = DemoProcess(tmp_path_factory.mktemp(mode), limits=MODES[mode])
    with Wire() as wire:
        try:
            deployment = process.start()
            for document in documents(tenant_issuers):
                deployment.tenants.put(document)
            examiner = Examiner(deployment, wire, tenant_issuers.by_name)
            yield Examination(deployment, wire, examiner)
            findings = examiner.look() + process.secrets_in_logs()
        finally:
            process.stop()
    assert not findings, "\n".join(findings)
