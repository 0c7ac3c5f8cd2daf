"""What each request leaves: a line where its caller is known, a count where not, and nothing that hurts the record."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.admission import Admission, Admitted
from gateway.allowance import Allowance, Caller
from gateway.intake import RawRequest
from gateway.journal import LONGEST, UNAVAILABLE, About, Journal, clean
from gateway.policy.model import Backend, Carriage, Minted, Policy, Principal, TenantId
from gateway.policy.problems import Code, Refusal
from gateway.tenants.audit import AuditRecord, Head, chained, verify
from gateway.tenants.stores import open_sqlite
from tests.unit.test_allowance import at_once

NOW = 1_795_000_000.0
WHO = Principal(tenant="acme", issuer="https://issuer", subject="s", scopes=frozenset({"files:write"}))
POLICY = Policy(tenant=TenantId("acme"), types={"*/*": ()}, overwrite=True, revision=7)
HEADERS = (("authorization", "Bearer x"), ("content-length", "1"))


class Kept:
    """A trail that keeps, while the gate is open."""

    def __init__(self) -> None:
        self.open = True
        self.records: list[AuditRecord] = []
        self.counted: list[str] = []

    def ready(self) -> bool:
        return self.open

    def add(self, record: AuditRecord) -> None:
        self.records.append(record)

    def count(self, code: str) -> None:
        self.counted.append(code)


class Known:
    """Everybody is known, under this policy."""

    def __init__(self, policy: Policy | None = POLICY, outcome: Principal | Refusal = WHO) -> None:
        self.policy, self.outcome, self.asked = policy, outcome, 0

    def authenticate(self, _: object) -> Principal | Refusal:
        return self.outcome

    async def authenticate_async(self, _: object) -> Principal | Refusal:
        return self.outcome

    def get(self, _: str) -> Policy | None:
        self.asked += 1
        return self.policy


def admitted(trail: Kept, known: Known, allowance: Allowance | None = None, **changes: Any) -> Admitted | Refusal:
    journal = Journal(clock=lambda: NOW, trail=trail)
    admission = Admission(known, known, lambda: Minted(at=NOW, uuid="u"), allowance, journal)
    raw = RawRequest(**{"method": "PUT", "path": "/proxy/a", "query": "", "headers": HEADERS, **changes})
    carriage = Carriage(backend=Backend.PROXY)
    return asyncio.run(admission.admit(raw, base="/proxy", carriage=carriage, request_id="r1"))


def test_a_grant_and_its_end_are_two_lines() -> None:
    """With everything that is known of it, and one id in common."""
    trail = Kept()
    outcome = admitted(trail, Known())
    assert isinstance(outcome, Admitted)
    asyncio.run(outcome.room.released(Code.CONTENT_MISMATCH))

    granted = AuditRecord(
        at=NOW, request_id="r1", action="upload", outcome="granted", issuer="https://issuer", subject="s",
        tenant="acme", backend="proxy", key="acme/a", policy_version=7, bytes=1,
    )  # fmt: skip
    assert trail.records == [granted, dataclasses.replace(granted, outcome="released", rule="content-mismatch")]


@pytest.mark.parametrize(
    ("known", "changes", "lines", "counted"),
    [
        (Known(), {"method": "POST"}, [], ["method-not-allowed"]),
        (Known(), {"headers": (("content-length", "1"),)}, [], ["token-missing"]),
        (Known(outcome=Refusal(code=Code.TOKEN_INVALID, detail="")), {}, [], ["token-invalid"]),
        (Known(policy=None), {}, [("call", "tenant-unknown")], []),
        (Known(dataclasses.replace(POLICY, status="suspended")), {}, [("upload", "tenant-suspended")], []),
    ],
)
def test_who_is_not_known_is_counted(
    known: Known, changes: dict[str, Any], lines: list[tuple[str, str]], counted: list[str]
) -> None:
    """And who is known has a line, also where no tenant goes with the credential."""
    trail = Kept()
    assert isinstance(admitted(trail, known, **changes), Refusal)
    assert [(record.action, record.rule) for record in trail.records] == lines
    assert trail.counted == counted


def test_where_nothing_can_be_written_down_nothing_is_decided(tmp_path: Path) -> None:
    """No policy is asked for, no room is taken, and the answer says to come again."""
    trail, known, stores = Kept(), Known(), open_sqlite(tmp_path / "stores.db")
    trail.open = False
    allowance = Allowance(rates=stores.rates, ledger=stores.ledger, aside=at_once, clock=lambda: NOW)

    outcome = admitted(trail, known, allowance)

    assert outcome == UNAVAILABLE
    assert (UNAVAILABLE.status, UNAVAILABLE.retry_after) == (503, 5)
    assert (known.asked, trail.records) == (0, [])
    assert stores.ledger.usage("acme").reserved_objects == 0


def test_a_refusal_on_its_way_out_is_written_once() -> None:
    """Where it was written before, nothing is added."""
    trail = Kept()
    journal = Journal(clock=lambda: NOW, trail=trail)
    caller = Caller(principal=WHO, policy=POLICY, request_id="r1")
    refusal = Refusal(code=Code.REQUEST_INVALID, detail="")
    for _ in range(2):
        journal.answered(caller, "POST /uploads", refusal)

    assert [(record.action, record.rule) for record in trail.records] == [("POST /uploads", "request-invalid")]


@example(text="a\ud800", subject="\udfff\x00")
@given(text=st.text(st.characters(), max_size=3000), subject=st.text(st.characters(), max_size=50))
def test_whatever_somebody_is_called_the_chain_can_be_read(text: str, subject: str) -> None:
    """Control characters, surrogates, a name as long as a request's head: a line that is whole."""
    trail = Kept()
    journal = Journal(clock=lambda: NOW, trail=trail)
    caller = Caller(principal=dataclasses.replace(WHO, subject=subject), policy=POLICY, request_id="r1")
    journal.acted(caller, "upload.parts", "granted", About(upload="u", key=text))

    (record,) = trail.records
    line, head = chained(record, Head())
    assert verify([line]) == head
    assert len(clean(text)) <= LONGEST * len("\\\\udc00")
