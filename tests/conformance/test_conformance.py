"""Every case on every backend of every deployment: the same key, bytes, headers and problem."""

import pytest

from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.conftest import Examination
from tests.conformance.deployment import BACKENDS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_request_means_the_same_on_every_backend(examination: Examination, case: Case) -> None:
    """A case has one outcome on all backends, but for what the table of forced differences says."""
    backends = (*BACKENDS, "files") if case.files and not case.forced else BACKENDS

    findings = examination.examiner.examine(case, backends)

    assert not findings, "\n".join(findings)
