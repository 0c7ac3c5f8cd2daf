"""The examiner against a real deployment, with expectations that are wrong on purpose: it must object to each."""

import pytest

from tests.conformance.case import Case, Refused, RefusedByS3, Stored, typed
from tests.conformance.conftest import Examination


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (Case(id="name", rows=(), expect=Stored(name="{u}/b.txt")), "nothing is stored"),
        (Case(id="stray", rows=(), expect=Stored(name="{u}/b.txt")), "stored although it must not be"),
        (Case(id="body", rows=(), expect=Stored(name="{u}/a.txt", body=b"others")), "other bytes"),
        (Case(id="metadata", rows=(), expect=Stored(name="{u}/a.txt", metadata=(("a", "b"),))), "stored metadata"),
        (Case(id="refused", rows=(), expect=Refused(codes=("name-invalid",))), "expected"),
        (Case(id="s3", rows=(), expect=RefusedByS3(status=412, codes=("PreconditionFailed",))), "expected S3's 412"),
        (
            Case(id="stored", rows=(), headers=typed("video/mp4"), expect=Stored(name="{u}/a.txt")),
            "expected 200, got 415",
        ),
        (
            Case(id="code", rows=(), headers=typed("video/mp4"), expect=Refused(codes=("name-invalid",))),
            "expected name-invalid, got type-not-allowed",
        ),
        (
            Case(
                id="limit",
                rows=(),
                length="5368709121",
                head_only=True,
                expect=Refused(codes=("size-exceeds-limit",), limit=1),
            ),
            "limit",
        ),
        (
            Case(id="seed", rows=(), seed=b"before", expect=RefusedByS3(status=412, codes=("PreconditionFailed",))),
            "was changed",
        ),
    ],
    ids=lambda value: value.id if isinstance(value, Case) else "",
)
def test_a_wrong_outcome_is_a_finding_on_every_backend(examination: Examination, case: Case, word: str) -> None:
    """Each check of the examiner fires on each backend."""
    if examination.deployment.limits != "machine":
        pytest.skip("the examiner is the same in every mode")

    examination.examiner.look()
    findings = examination.examiner.examine(case) + examination.examiner.look()

    objections = [finding for finding in findings if word in finding]
    assert len(objections) >= len(case.backends), findings


def test_another_carrier_than_the_preferred_is_a_finding(examination: Examination) -> None:
    """Who carried an upload through `/files` is seen in its answer, whoever it was."""
    tenants = examination.deployment.tenants
    if tenants is None:
        pytest.skip("this deployment takes no tenants but the contract's two")
    case = Case(id="carrier", rows=(), tenant="judged", expect=Stored(name="{u}/a.txt"), backends=("files",))
    seen = {}
    for backend in ("proxy", "presigned", "edge"):
        tenants.put({"version": 1, "tenant": "judged", "types": {"*/*": []}, "overwrite": True, "backends": [backend]})
        seen[backend] = examination.examiner.examine(case)
    tenants.remove("judged")

    assert seen["edge"] == []
    assert any("instead of edge" in finding for finding in seen["proxy"])
    assert any("a redirect where none belongs" in finding for finding in seen["presigned"])


def test_a_key_of_another_shape_is_a_finding(examination: Examination) -> None:
    """A date or an id that should be in a key and is not there is missed on every backend."""
    wrong = Stored(name="{u}/a.txt", key="acme/{date}/{u}/a.txt")

    findings = examination.examiner.examine(Case(id="shape", rows=(), expect=wrong))

    assert len([finding for finding in findings if "one key like" in finding]) >= len(("proxy", "presigned", "edge"))
    assert any("stored although it must not be" in finding for finding in examination.examiner.look())
