"""The reference pages say what the code says: generated ones are current, written ones are tried out line by line."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.policy.document import parse, render
from gateway.policy.model import IssuerRule, Policy, RateRule, TenantId
from gateway.policy.problems import CATALOGUE, Code

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
DOCUMENT = (REFERENCE / "tenant-document.md").read_text(encoding="utf-8")
PROBLEMS = (REFERENCE / "problems.md").read_text(encoding="utf-8")

LEAST: dict[str, Any] = {"version": 1, "tenant": "acme"}
NONE = "\u2013"
ISSUER: dict[str, Any] = {"issuer": "https://login.example.com", "audience": ["uploads"]}
RATE: dict[str, Any] = {"per_second": 1, "burst": 1}


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of the second level, without the two lines of its head."""
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


MEMBERS = {cells[0].strip("`"): cells[1:] for cells in rows(DOCUMENT, "Members")}
BOUNDED = [
    (name, *(int(bound.replace(",", "")) for bound in bounds.groups()))
    for name, (told, _, _) in MEMBERS.items()
    if (bounds := re.search(r"a whole number, ([\d,]+) to ([\d,]+\d)", told))
]


def document_with(member: str, value: Any) -> dict[str, Any]:
    """The least document in which one member, named as the page names it, has a value."""
    if member.startswith("issuers[]."):
        issuer = {**ISSUER, member.removeprefix("issuers[]."): value}
        if value == "cognito" or member.endswith("client_ids"):
            issuer = {**issuer, "kind": "cognito", "client_ids": ["c"]} | {member.removeprefix("issuers[]."): value}
        return {**LEAST, "issuers": [issuer]}
    outer, _, inner = member.partition(".")
    if not inner:
        return {**LEAST, outer: value}
    return {**LEAST, outer: {**(RATE if outer == "rate" else {}), inner: value}}


def documented_members(kind: type[Any], prefix: str = "") -> set[str]:
    """The members of a policy as the page has to name them."""
    inner = {"rate": RateRule, "issuers": IssuerRule}
    found = set()
    for field in dataclasses.fields(kind):
        if not field.compare:  # about the document, not in it
            continue
        name = prefix + field.name
        below = inner.get(field.name) or (field.type if dataclasses.is_dataclass(field.type) else None)
        if below is None or field.name in inner:
            found.add(name)
        if isinstance(below, type):
            found |= documented_members(below, f"{name}[]." if field.name == "issuers" else f"{name}.")
    return found


def default_of(member: str) -> Any:
    """The default that the code gives a member."""
    complete = render(Policy(tenant=TenantId("acme")))
    rendered = {
        **complete,
        "rate": render(Policy(tenant=TenantId("acme"), rate=RateRule(per_second=1, burst=1)))["rate"],
        "issuers[]": render(Policy(tenant=TenantId("acme"), issuers=(IssuerRule(issuer="https://a.example"),)))[
            "issuers"
        ][0],
    }
    outer, _, inner = member.partition(".")
    return rendered[outer][inner] if inner else complete[outer]


@pytest.mark.parametrize("writer", ["problems-reference", "cli-reference"])
def test_a_written_page_is_current(writer: str) -> None:
    """The script would write the page as it is."""
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / writer), "--check"], check=False)

    assert done.returncode == 0


@pytest.mark.parametrize("code", list(Code))
def test_every_problem_is_documented(code: Code) -> None:
    """A code has its section, with the status and the title that the catalogue gives it."""
    status, title = CATALOGUE[code]

    assert f"\n## {code}\n\n`urn:upload-gateway:problem:{code}`, {status}: {title}.\n" in PROBLEMS


def test_every_member_is_documented() -> None:
    """The page's table has exactly the members of a policy."""
    assert set(MEMBERS) == {"version", *documented_members(Policy)}


@pytest.mark.parametrize("member", MEMBERS)
def test_an_example_is_taken(member: str) -> None:
    """The example of a member makes a document that is right."""
    example = json.loads(MEMBERS[member][2].strip("`"))

    assert isinstance(parse(document_with(member, example)), Policy)


@pytest.mark.parametrize("member", [name for name, cells in MEMBERS.items() if cells[1] != NONE])
def test_a_default_is_the_codes(member: str) -> None:
    """The default that the page gives a member is the one it has."""
    assert json.loads(MEMBERS[member][1].strip("`")) == default_of(member)


@pytest.mark.parametrize("member", [name for name, cells in MEMBERS.items() if cells[1] == NONE])
def test_a_member_without_a_default_is_required(member: str) -> None:
    """Left out, it is a fault at its own pointer."""
    document = document_with(member, 1)
    outer, _, inner = member.partition(".")
    holder = document["issuers"][0] if outer == "issuers[]" else document[outer] if inner else document
    del holder[inner or outer]

    faults = parse(document)

    assert not isinstance(faults, Policy)
    assert [fault.pointer for fault in faults] == [f"/{member.replace('[].', '/0/').replace('.', '/')}"]


@pytest.mark.parametrize(("member", "least", "most"), BOUNDED)
def test_bounds_are_where_they_are_said_to_be(member: str, least: int, most: int) -> None:
    """Both ends are taken and what is one beyond them is not."""
    beside = {"size.min": {"max": most}, "size.max": {"min": 0}}.get(member, {})

    def taken(value: int) -> bool:
        document = document_with(member, value)
        if beside:
            document["size"] = {**beside, **document["size"]}
        return isinstance(parse(document), Policy)

    assert [taken(value) for value in (least - 1, least, most, most + 1)] == [False, True, True, False]


def test_whole_numbers_have_their_bounds_told() -> None:
    """None of the bounds on the page escapes the test above by its wording."""
    assert len(BOUNDED) == sum("a whole number" in cells[0] for cells in MEMBERS.values()) > 8


@pytest.mark.parametrize("cells", rows(DOCUMENT, "What contradicts"), ids=lambda cells: cells[0])
def test_a_contradiction_is_refused_where_the_page_says(cells: list[str]) -> None:
    """Each line of the table has its one fault at its pointer."""
    faults = parse({**LEAST, **json.loads(cells[0].strip("`"))})

    assert not isinstance(faults, Policy)
    assert [fault.pointer for fault in faults] == [cells[1].strip("`")]


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL))
def test_a_whole_document_is_taken(block: str) -> None:
    """Every document that the page shows is right."""
    assert isinstance(parse(json.loads(block)), Policy)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted(ROOT.glob("docs/**/*.md"))], ids=str
)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
