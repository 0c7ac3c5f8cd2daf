"""Every case on every backend of every deployment: the same key, bytes, headers and problem."""

import pytest

from tests.conformance.case import Case
from tests.conformance.catalogue import CASES
from tests.conformance.conftest import Examination


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_a_request_means_the_same_on_every_backend(examination: Examination, case: Case) -> None:
    """A case has one outcome on all backends, but for what the table of forced differences says."""
    if not examination.has(case):
        pytest.skip("this deployment takes no tenants but the contract's two")

    findings = examination.examiner.examine(case)

    assert not findings, "\n".join(findings)
