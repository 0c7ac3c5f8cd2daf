"""The suite's own order: enough cases, each with an id, each on rows that exist."""

import csv
from pathlib import Path

import pytest

from tests.conformance import checksums
from tests.conformance.catalogue import CASES
from tests.conformance.credentials import MAKERS
from tests.conformance.deployment import BACKENDS
from tests.conformance.differences import AWS_ONLY, DIFFERENCES, Difference

TABLES = Path(__file__).parents[3] / "shared" / "design"


def test_there_are_at_least_two_hundred_cases() -> None:
    """The suite is as wide as it says."""
    assert len(CASES) >= 200


def test_every_case_has_its_own_id() -> None:
    """A failure names one case."""
    ids = [case.id for case in CASES]

    assert sorted(set(ids)) == sorted(ids)


def test_every_case_covers_a_row() -> None:
    """No case stands for nothing."""
    assert [case.id for case in CASES if not case.rows] == []


@pytest.mark.skipif(not TABLES.is_dir(), reason="the tables of controls, threats and incidents are not beside the repo")
def test_every_row_exists() -> None:
    """A row that a case names is in one of the tables."""
    known: set[str] = set()
    for table in ("controls.tsv", "threats.tsv", "incidents.tsv"):
        with (TABLES / table).open(encoding="utf-8", newline="") as file:
            known |= {line[0] for line in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}

    assert {row for case in CASES for row in case.rows} - known == set()


def test_every_forced_difference_stands_in_the_table() -> None:
    """A case can't excuse itself."""
    assert {forced.row for case in CASES for forced in case.forced} - set(DIFFERENCES) == set()


def test_every_row_of_the_table_names_backends_that_exist() -> None:
    """A row that names nothing would excuse nothing and hide a slip."""
    assert {backend for row in DIFFERENCES.values() for backend in row.backends} <= set(BACKENDS)


def test_every_credential_is_used() -> None:
    """A credential that no case sends tests nothing."""
    assert set(MAKERS) - {case.credential for case in CASES} == set()


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("crc32", "y/Q5Jg=="),
        ("crc32c", "4waSgw=="),
        ("crc64nvme", "rosUhgp5mIg="),
        ("sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
        ("md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
    ],
)
def test_checksums_are_right_on_the_check_string(algorithm: str, expected: str) -> None:
    """The CRC catalogue's check input `123456789` gives the published values."""
    assert checksums.value(algorithm, b"123456789") == expected


def test_the_reference_page_shows_the_table_as_it_is() -> None:
    """The table of forced differences that people read is the one that the suite obeys."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "conformance.md").read_text(encoding="utf-8")

    shown = [line for line in page.splitlines() if line.startswith("| `")]

    assert shown == [
        f"| `{name}` | {', '.join(sorted(row.backends))} | {_mode(row)} | {row.reason} |"
        for name, row in DIFFERENCES.items()
    ]


def _mode(row: Difference) -> str:
    return "aws" if row.limits == AWS_ONLY else "all"
