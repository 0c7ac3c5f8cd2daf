"""No row of the tables of controls, threats and incidents is forgotten, and what the page names is there."""

import re

import pytest

from tests.conformance import coverage
from tests.conformance.case import slug
from tests.conformance.catalogue import CASES

pytestmark = pytest.mark.skipif(
    not coverage.TABLES.is_dir(), reason="the tables of controls, threats and incidents are not beside the repository"
)

PARTS = re.compile(r"[^A-Za-z0-9]+")


def test_every_row_is_covered_or_says_why_not() -> None:
    """A row has cases, another test, or a reason."""
    known = {*coverage.in_cases(), *coverage.ELSEWHERE, *coverage.NOT_YET}

    assert [row.id for rows in coverage.tables().values() for row in rows if row.id not in known] == []


def test_no_row_is_made_up() -> None:
    """What is written by hand is about rows that exist."""
    rows = {row.id for rows in coverage.tables().values() for row in rows}

    assert {*coverage.ELSEWHERE, *coverage.NOT_YET} - rows == set()


@pytest.mark.parametrize("test", sorted({test for tests in coverage.ELSEWHERE.values() for test in tests}))
def test_every_test_that_is_named_exists(test: str) -> None:
    """A test that was renamed takes its row along."""
    path, _, name = test.partition("::")

    text = (coverage.ROOT / "tests" / path).read_text(encoding="utf-8")

    assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE)


def test_a_rows_cases_are_found_by_its_name() -> None:
    """`-k` finds every case of a row, because its label holds the row's name."""
    for case in CASES:
        words = set(PARTS.split(case.label))
        assert all(set(PARTS.split(slug(row))) <= words for row in case.rows)


def test_the_page_is_current() -> None:
    """What people read is what the tables and the tests say."""
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.render(coverage.tables())
