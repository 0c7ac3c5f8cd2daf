"""All cases, in one tuple."""

from typing import Final

from tests.conformance.case import Case
from tests.conformance.cases_callers import credential_cases, order_cases, precondition_cases
from tests.conformance.cases_content import checksum_cases, content_cases, size_cases, type_cases
from tests.conformance.cases_files import files_cases
from tests.conformance.cases_headers import header_cases
from tests.conformance.cases_names import name_cases
from tests.conformance.cases_requests import framing_cases, method_cases, query_cases
from tests.conformance.cases_tenants import tenant_cases

CASES: Final[tuple[Case, ...]] = (
    *name_cases(),
    *header_cases(),
    *query_cases(),
    *method_cases(),
    *framing_cases(),
    *size_cases(),
    *type_cases(),
    *checksum_cases(),
    *content_cases(),
    *credential_cases(),
    *precondition_cases(),
    *order_cases(),
    *tenant_cases(),
    *files_cases(),
)
"""Every case of the suite; `test_matrix.py` holds their number and ids."""
