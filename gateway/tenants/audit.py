"""The record of who did what: append-only lines of canonical JSON, each holding the hash of the one before it.

    line n = {…, "prev": hash(n-1), "seq": n, "hash": hash(n)}      hash(n) = SHA-256 of line n without its "hash"

A changed line no longer has its own hash, or not the one that the next holds; a removed one leaves a gap. Cutting off
the end shows only against a head (`Head`) that was kept elsewhere, so an operator keeps heads elsewhere. A record has
fields for what may be known and none that could hold a credential, a header or a URL, so none of them can get in.
"""

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final, Protocol

from gateway.policy.problems import Fault
from gateway.policy.strict_json import loads

GENESIS: Final = "0" * 64
"""What the first line of a chain holds as the hash before it."""

MAIN: Final = "main"
"""The chain of a deployment that has one; instances that write to a distributed store have one each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One decision or one change by an operator; None is left out of the line.

    `at`: seconds since the epoch. `request_id`: what the client saw as `X-Request-Id`; None where no request made it
    known. `action`: "upload", "upload.plan", "tenant.replace", …. `outcome`: "granted", "refused", "stored",
    "released", "changed", …. `issuer` and `subject`: who, as the verified credential said. `key`: where in the bucket,
    or the API key's id; `name`: what was asked for, where no key was made of it. `upload`: what the lines of one upload
    have in common. `rule`: the problem's code that refused. `policy_version`: the version that decided, 0 for a policy
    kept in a file. `bytes`: the size that was decided on or stored. `count`: how many the line stands for, where it is
    not one. `reason`: an operator's own words.
    """

    at: float
    request_id: str | None
    action: str
    outcome: str
    issuer: str | None = None
    subject: str | None = None
    tenant: str | None = None
    backend: str | None = None
    key: str | None = None
    name: str | None = None
    upload: str | None = None
    rule: str | None = None
    policy_version: int | None = None
    bytes: int | None = None
    count: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a chain: how many lines it has, and the hash of the last."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first line (counted from 1) that is not as it was written, and a sentence."""

    line: int
    detail: str


class AuditLog(Protocol):
    """Every verb may raise `StoreUnavailableError`. A chain's name is of `[A-Za-z0-9_-]`."""

    def append(self, records: Sequence[AuditRecord], *, chain: str = MAIN) -> Head:
        """Write the records behind the chain's last line, all or none (at most 50), and say the new end."""
        ...

    def lines(self, *, chain: str = MAIN, after: int = 0) -> Iterator[str]:
        """The chain's lines in order, from the one behind number `after`."""
        ...

    def head(self, *, chain: str = MAIN) -> Head:
        """The chain's end."""
        ...

    def chains(self) -> tuple[str, ...]:
        """The chains that there are, sorted."""
        ...


def chained(record: AuditRecord, head: Head) -> tuple[str, Head]:
    """The record's line behind `head`, and the end of the chain that it makes."""
    seq = head.seq + 1
    body = (
        f'{{"action":{_quoted(record.action)},"at":"{_moment(record.at)}"{_said(record, _BEFORE_PREV)}'
        f',"prev":"{head.hash}"{_said(record, _BEFORE_SEQ)},"seq":{seq}{_said(record, _BEHIND)}'
    )
    digest = _digest(body + "}")
    return f'{body},"hash":"{digest}"}}', Head(seq=seq, hash=digest)


def _said(record: AuditRecord, labels: Sequence[tuple[str, str]]) -> str:
    """The record's members of these names that are known, each behind a comma."""
    said = [
        f"{label}{_quoted(value) if isinstance(value, str) else value}"
        for name, label in labels
        if (value := getattr(record, name)) is not None
    ]
    return "".join(said)


def _moment(at: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    whole = math.floor(at)
    micro = round((at - whole) * 1_000_000)
    return f"{_second(whole + micro // 1_000_000)}.{micro % 1_000_000 // 1_000:03}Z"


@functools.lru_cache(maxsize=16)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def verify(lines: Iterable[str], *, start: Head | None = None, through: Sequence[Head] = ()) -> Head | Broken:
    """The end of the chain, or the first line that is broken.

    `start` is the head behind which the lines begin (default: the chain's beginning); `through` are heads that were
    kept elsewhere: the lines must pass through each, or their end was cut off or rewritten.
    """
    head = start or Head()
    kept = {known.seq: known for known in through if known.seq > head.seq}
    if any(known.seq == head.seq and known != head for known in through):
        return Broken(line=head.seq, detail=_REWRITTEN)
    for line in lines:
        fault = _fault(line, head)
        if fault is not None:
            return Broken(line=head.seq + 1, detail=fault)
        head = Head(seq=head.seq + 1, hash=_digest(_body(line)))
        if kept.pop(head.seq, head) != head:
            return Broken(line=head.seq, detail=_REWRITTEN)
    if kept:
        return Broken(line=head.seq + 1, detail=f"the chain ends before line {min(kept)}, which was kept elsewhere")
    return head


def _fault(line: str, head: Head) -> str | None:
    """What is wrong with the line that should be next."""
    members = loads(line)
    if isinstance(members, Fault) or not isinstance(members, dict):
        return "this is no line of an audit"
    if members.get("seq") != head.seq + 1:
        return f"line {head.seq + 1} is missing or out of its place"
    if members.get("prev") != head.hash:
        return "this line or the one before it was changed" if head.seq else "the chain does not begin here"
    if members.get("hash") != _digest(_body(line)):
        return "this line was changed"
    return None


def _body(line: str) -> str:
    """The line without its own hash, which is its last member."""
    return line[:-_HASH_LENGTH] + "}"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


_REWRITTEN: Final = "the chain does not have the hash that was kept elsewhere"

_HASH_LENGTH: Final = len(f',"hash":"{GENESIS}"}}')


_quoted: Final[Callable[[str], str]] = json.encoder.encode_basestring_ascii

_LABELS: Final = tuple((name, f',"{name}":') for name in sorted(field.name for field in fields(AuditRecord)))

# Canonical JSON has its members by name: these stand before, between and behind those that are not the record's.
_BEFORE_PREV: Final = tuple(pair for pair in _LABELS if "at" < pair[0] < "prev")
_BEFORE_SEQ: Final = tuple(pair for pair in _LABELS if "prev" < pair[0] < "seq")
_BEHIND: Final = tuple(pair for pair in _LABELS if pair[0] > "seq")
