"""What an examination found: one sentence a check, how bad it is, and what to do about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """`warn`: uploads work, something is not as it should be. `fail`: something does not work, or is open to others."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's outcome; `remedy` says what to do, where there is something to do."""

    check: str
    status: Status
    says: str
    remedy: str | None = None


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check=check, status=Status.OK, says=says)


def warn(check: str, says: str, remedy: str) -> Finding:
    """It works, and should be otherwise."""
    return Finding(check=check, status=Status.WARN, says=says, remedy=remedy)


def fail(check: str, says: str, remedy: str) -> Finding:
    """It does not work, or lets somebody do what nobody may."""
    return Finding(check=check, status=Status.FAIL, says=says, remedy=remedy)


_RANK: Final = (Status.OK, Status.WARN, Status.FAIL)


def worst(findings: Sequence[Finding]) -> Status:
    """The worst status among them."""
    return max((finding.status for finding in findings), key=_RANK.index, default=Status.OK)


def exit_status(findings: Sequence[Finding]) -> int:
    """0: all is well, 1: a warning, 2: a failure."""
    return _RANK.index(worst(findings))


def as_text(findings: Sequence[Finding]) -> str:
    """For a person at a terminal: a line a finding, and one for what to do."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:4}  {finding.check:{width}}  {finding.says}")
        if finding.remedy is not None:
            lines.append(f"{'':4}  {'':{width}}  → {finding.remedy}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """For a program: `{"status", "findings": [{"check", "status", "says", "remedy"}]}`."""
    listed = [
        {"check": found.check, "status": found.status, "says": found.says, "remedy": found.remedy} for found in findings
    ]
    return json.dumps({"status": worst(findings), "findings": listed}, indent=2, ensure_ascii=False)
