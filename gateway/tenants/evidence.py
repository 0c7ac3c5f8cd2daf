"""An audit read as evidence: from the store that holds it or from a file it was exported to, without changing either.

Beside each chain's own hashes (`gateway.tenants.audit`), the main chain testifies for the others: it names each that
began, and the last line of each that was ended in order. A head that an operator kept elsewhere testifies for the main
one, whose end nothing else could vouch for.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gateway.tenants.audit import MAIN, Broken, Head, verify

BEGIN: Final = "audit.begin"
END: Final = "audit.end"
"""Actions of the main chain's lines about others; their `key` is the chain's name, the end's `reason` its head."""

_HEAD: Final = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")


class Evidence(Protocol):
    """What there is to look at (the reading half of `AuditLog`)."""

    def lines(self, *, chain: str = MAIN, after: int = 0) -> Iterator[str]:
        """The chain's lines in order, from the one behind number `after`."""
        ...

    def head(self, *, chain: str = MAIN) -> Head:
        """The chain's end, as its last line says it."""
        ...

    def chains(self) -> tuple[str, ...]:
        """The chains that there are, sorted."""
        ...


class File:
    """Lines that were exported; of one chain, from whichever line on. May raise OSError and UnicodeError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self, *, chain: str = MAIN, after: int = 0) -> Iterator[str]:
        """All lines of the file, whichever chain they were exported from."""
        del chain, after
        with self._path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")

    def head(self, *, chain: str = MAIN) -> Head:
        """What the last line says."""
        last = Head()
        for line in self.lines(chain=chain):
            members = json.loads(line)
            last = Head(seq=members["seq"], hash=members["hash"])
        return last

    def chains(self) -> tuple[str, ...]:
        """One, for the lines don't say which."""
        return (MAIN,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found out about one chain: its end, or the first line that is not as it was written."""

    chain: str
    outcome: Head | Broken


def examine(
    evidence: Evidence, *, kept: Mapping[str, Sequence[Head]], start: Head | None = None, chain: str | None = None
) -> tuple[Finding, ...]:
    """What can be said of each chain, or of `chain` alone; `kept` are heads from elsewhere, by chain.

    `start` is the head behind which the lines begin, for a file that does not hold the chain's beginning.
    """
    there = evidence.chains()
    names = sorted({*there, *kept}) if chain is None else [chain]
    witness = _Witness()
    findings = []
    for name in sorted(names, key=lambda name: (name != MAIN, name)):
        lines = evidence.lines(chain=name, after=0 if start is None else start.seq)
        seen = witness.watching(lines) if name == MAIN else lines
        heads = [*kept.get(name, ()), *witness.ends.get(name, ())]
        findings.append(Finding(chain=name, outcome=_verified(seen, start, heads)))
    if chain is None:
        findings += [
            Finding(chain=name, outcome=Broken(line=1, detail="the main chain says that this chain began: it is gone"))
            for name in sorted(witness.began.difference(names, evidence.chains()))
        ]
    return tuple(findings)


def read_head(text: str) -> Head | None:
    """The head that `SEQ:HASH` says, None for a text that is none."""
    match = _HEAD.fullmatch(text)
    return None if match is None else Head(seq=int(match[1]), hash=match[2])


class _Witness:
    """What the main chain's lines say of other chains, noted as they pass."""

    def __init__(self) -> None:
        self.began: set[str] = set()
        self.ends: dict[str, list[Head]] = {}

    def watching(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if BEGIN in line or END in line:
                self._note(line)
            yield line

    def _note(self, line: str) -> None:
        try:
            members = json.loads(line)
        except ValueError:
            return  # `verify` says so
        if not isinstance(members, dict) or members.get("action") not in {BEGIN, END}:
            return
        chain, head = str(members.get("key")), read_head(str(members.get("reason")))
        self.began.add(chain)
        if head is not None:
            self.ends.setdefault(chain, []).append(head)


def _verified(lines: Iterator[str], start: Head | None, heads: Sequence[Head]) -> Head | Broken:
    """The chain's end, if it passes through all of the heads."""
    known: dict[int, Head] = {}
    for head in heads:
        if known.setdefault(head.seq, head) != head:
            return Broken(line=head.seq, detail="two heads that were kept elsewhere contradict each other")
    return verify(lines, start=start, through=tuple(known.values()))
