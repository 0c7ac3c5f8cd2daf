"""The short way from a server to an application: a request's values in, a whole reply out.

A server that speaks it (`gateway.server`) spares small uploads the messages of ASGI, which cost more than deciding
does (decision 0108). What answers a `Call` answers the same over ASGI, and may be asked either way.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.asgi.body import Body
from gateway.asgi.wire import Reply
from gateway.intake import RawRequest
from gateway.policy.model import Principal
from gateway.policy.problems import Refusal


@dataclass(slots=True, kw_only=True)
class Call:
    """One request: as it was on the wire, the id that its server gave it, and its body as it arrives.

    `told` may be added to: pairs that the server's own answers to the request carry, too (408, 500). `verified` is who
    calls where that is known already (`gateway.asgi.verified`).
    """

    raw: RawRequest
    request_id: str
    body: Body
    told: list[tuple[bytes, bytes]]
    verified: Principal | Refusal | None = None


Answer = Callable[[Call], Awaitable[Reply | None]]
"""Answers one request; None where the client went away and there is nobody to answer."""


@runtime_checkable
class Direct(Protocol):
    """An application that can be asked directly for some of what it serves."""

    def direct(self, raw_path: bytes) -> Answer | None:
        """What answers requests for this path; None: the application itself, over ASGI."""
        ...
