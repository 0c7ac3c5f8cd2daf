"""Tickets: whose they are, how long they last, and that nothing else is one."""

import secrets
from dataclasses import replace
from typing import Any

import pytest

from gateway.allowance import Caller
from gateway.policy.model import Policy, Principal, TenantId
from gateway.policy.problems import Refusal
from presigner.sealing import Sealer
from presigner.tickets import LIFE, TicketFront, Tickets, carried

NOW = 1_795_000_000.0
SEALER = Sealer([bytes(32)], secrets.token_bytes)
WHO = Principal(
    tenant="acme",
    issuer="https://issuer",
    subject="Zoë",
    scopes=frozenset({"files:write", "tenants:admin"}),
    name_prefix="mine/",
)
CALLER = Caller(principal=WHO, policy=Policy(tenant=TenantId("acme")), request_id="r")


def tickets(now: float = NOW, sealer: Sealer = SEALER) -> Tickets:
    """Tickets at this time."""
    return Tickets(sealer=sealer, clock=lambda: now)


def test_a_ticket_says_who_it_was_made_for() -> None:
    """With the scopes that allow uploads and no others, and what the credential is narrowed to."""
    ticket, ends = tickets().made(CALLER)

    found = tickets().principal(ticket)

    assert found == replace(WHO, scopes=frozenset({"files:write"}), expires_at=ends)
    assert ends == NOW + LIFE


@pytest.mark.parametrize(("left", "lives"), [(None, LIFE), (LIFE + 100.0, LIFE), (90.5, 90)])
def test_a_ticket_never_outlives_its_credential(left: float | None, lives: int) -> None:
    """Nor an hour."""
    who = replace(WHO, expires_at=None if left is None else NOW + left)
    ticket, ends = tickets().made(replace(CALLER, principal=who))

    assert ends == NOW + lives
    assert isinstance(tickets(ends - 1).principal(ticket), Principal)
    assert isinstance(tickets(ends).principal(ticket), Refusal)


def test_nothing_else_is_a_ticket() -> None:
    """What was sealed by another key or for another use, what was changed, what is no text of ours."""
    ticket, _ = tickets().made(CALLER)
    other = Sealer([b"k" * 32], secrets.token_bytes)
    wrong = [
        tickets(sealer=other).made(CALLER)[0],
        SEALER.seal(b"{}", purpose="upload"),
        ticket[:-1],
        "A" + ticket[1:-1] + ("A" if ticket[-1] != "A" else "B"),
        "",
        "\N{SNOWMAN}",
    ]

    assert all(isinstance(tickets().principal(text), Refusal) for text in wrong)


@pytest.mark.parametrize(
    ("path", "headers", "goes_on", "who"),
    [
        ("/t/{ticket}/s3/params", [], "/s3/params", "Zoë"),
        ("/t/{ticket}/s3/multipart/x/1", [], "/s3/multipart/x/1", "Zoë"),
        ("/t/{ticket}/s3/params", [(b"authorization", b"Bearer x.y.z")], "/s3/params", "token-invalid"),
        ("/t/none/s3/params", [], "/s3/params", "token-invalid"),
        ("/t/{ticket}/uploads", [], "/t", None),
        ("/t/{ticket}/s3", [], "/t", None),
        ("/t/{ticket}", [], "/t", None),
        ("/t/", [], "/t", None),
    ],
)
def test_no_ticket_goes_on_in_a_path(path: str, headers: list[Any], goes_on: str, who: str | None) -> None:
    """What comes behind sees the path without it, and who it was made for, or nothing at all."""
    ticket, _ = tickets().made(CALLER)
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    raw = path.format(ticket=ticket)
    scope = {"type": "http", "path": raw, "raw_path": raw.encode(), "headers": headers, "state": {}}
    with pytest.raises(StopIteration):
        TicketFront(application, tickets())(scope, None, None).send(None)  # type: ignore[arg-type]

    found = carried(seen[0])
    assert (seen[0]["path"], seen[0]["raw_path"]) == (goes_on, goes_on.encode())
    assert ticket not in str(seen[0])
    assert (found.subject if isinstance(found, Principal) else found and str(found.code)) == who
