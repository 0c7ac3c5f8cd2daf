"""Tickets: a credential for clients that can send no header of their own, carried in the path.

A ticket is sealed, lives an hour at most and never longer than the credential it was made from, and is worth only what
that one was worth for uploads. Only the paths under `/t/{ticket}/s3` take one; there it is taken out of the path before
anything else sees the request, so no log and no error below can show it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.allowance import Caller
from gateway.asgi.verified import verified, with_principal
from gateway.asgi.wire import Application, Receive, Scope, Send
from gateway.identity.credential import credential
from gateway.policy.model import Principal
from gateway.policy.problems import Code, Refusal
from presigner.sealing import Sealer

BASE: Final = "/t"

LIFE: Final = 3600
"""The most seconds that a ticket lives."""

_PURPOSE: Final = "ticket"

_STATE: Final = "ticket"

_INVALID: Final = Refusal(
    code=Code.TOKEN_INVALID,
    detail="The ticket is not valid, or its time is over; get a new one with POST /uploads/tickets.",
)

_TWO: Final = Refusal(
    code=Code.TOKEN_INVALID, detail="A path with a ticket takes no other credential; send one of the two."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tickets:
    """Makes and reads tickets; `clock` gives seconds since the epoch."""

    sealer: Sealer
    clock: Callable[[], float]

    def made(self, caller: Caller) -> tuple[str, int]:
        """A ticket for the caller and when it ends (seconds since the epoch)."""
        now, principal = int(self.clock()), caller.principal
        ends = now + LIFE if principal.expires_at is None else min(now + LIFE, int(principal.expires_at))
        said = {
            "tenant": principal.tenant,
            "issuer": principal.issuer,
            "subject": principal.subject,
            "scopes": sorted(principal.scopes.intersection(caller.policy.scopes)),
            "name_prefix": principal.name_prefix,
            "expires_at": ends,
        }
        return self.sealer.seal(json.dumps(said, ensure_ascii=False).encode(), purpose=_PURPOSE), ends

    def principal(self, ticket: str) -> Principal | Refusal:
        """Whoever the ticket was made for, as long as it lasts."""
        value = self.sealer.open(ticket, purpose=_PURPOSE)
        if value is None:
            return _INVALID
        said = json.loads(value)
        if said["expires_at"] <= self.clock():
            return _INVALID
        return Principal(**{**said, "scopes": frozenset(said["scopes"])})


class TicketFront:
    """`/t/{ticket}/s3/…`: the same as `/s3/…` with the ticket as its credential (ASGI)."""

    def __init__(self, application: Application, tickets: Tickets) -> None:
        self._application = application
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._application(self._without_ticket(scope), receive, send)

    def _without_ticket(self, scope: Scope) -> Scope:
        """The request as it goes on: its ticket read, and nowhere in it any more."""
        ticket, slash, rest = scope["raw_path"].removeprefix(f"{BASE}/".encode()).partition(b"/")
        if not slash or not rest.startswith(b"s3/"):
            return {**scope, "path": BASE, "raw_path": BASE.encode()}
        principal: Principal | Refusal = self._tickets.principal(ticket.decode("latin-1"))
        if verified(scope) is not None or not isinstance(credential(_headers(scope)), Refusal):
            principal = _TWO
        path = scope["path"].removeprefix(f"{BASE}/").partition("/")[2]
        known = with_principal(scope, principal)
        state = {**known["state"], _STATE: True}
        return {**known, "path": f"/{path}", "raw_path": b"/" + rest, "state": state}


def carried(scope: Scope) -> Principal | Refusal | None:
    """What the ticket of a request said, None where the request came by another path."""
    return verified(scope) if scope.get("state", {}).get(_STATE) else None


def _headers(scope: Scope) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
