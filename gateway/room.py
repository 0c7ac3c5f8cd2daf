"""Who asks, and what was kept for them: what every front knows of `gateway.allowance`, without the stores behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.policy.grant import Grant
from gateway.policy.model import Policy, Principal
from gateway.policy.problems import Code, Refusal

STORE_UNAVAILABLE: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE,
    detail="The gateway's own store does not answer; nothing was stored. Try again.",
    retry_after=5,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A verified principal and the policy it acts under, taken once for a request so that it sees one version.

    `request_id` is what the client sees as `X-Request-Id`, `told` the actions of the request that the audit has a line
    about (`gateway.journal`), `limits` the headers that say what is left (`gateway.tenants.limits`), once it is known.
    """

    principal: Principal
    policy: Policy
    request_id: str
    told: list[str] = field(default_factory=list, compare=False, repr=False)
    limits: dict[str, str] = field(default_factory=dict, compare=False, repr=False)


class Room(Protocol):
    """What was reserved for one upload; `headers` say what is left."""

    @property
    def id(self) -> str | None:
        """The reservation's id, None where nothing had to be reserved."""
        ...

    @property
    def bytes(self) -> int | None:
        """How many are reserved, which may be fewer than the most that was granted; None where nobody counts."""
        ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The `RateLimit` headers of the answer (`gateway.tenants.limits`)."""
        ...

    async def stored(self) -> None:
        """S3 has the object as it was granted."""
        ...

    async def released(self, because: Code | None = None) -> None:
        """Nothing was stored, and nothing will be; `because` is the problem that ended it, where there is one."""
        ...


class _NoRoomNeeded:
    """For tenants whose usage nobody counts here."""

    id = None
    bytes = None
    headers = ()

    async def stored(self) -> None:
        """Nothing to say."""

    async def released(self, because: Code | None = None) -> None:
        """Nothing to say."""


NO_ROOM_NEEDED: Final[Room] = _NoRoomNeeded()


Along = Callable[[int], None]
"""Writes to the stores what goes with a room of so many bytes; may raise OSError, and may be called again then."""


class Allows(Protocol):
    """Takes tokens of the rate and room within the quota (`gateway.allowance.Allowance`)."""

    async def take(
        self,
        caller: Caller,
        grant: Grant,
        *,
        reservation: str | None = None,
        until: float | None = None,
        along: Along | None = None,
    ) -> Room | Refusal:
        """A token and room for the grant, or which there is not; who keeps no room writes nothing `along`."""
        ...

    def take_sync(self, caller: Caller, grant: Grant) -> Room | Refusal:
        """The same, in this thread."""
        ...

    async def pace(self, caller: Caller) -> Refusal | None:
        """A token alone, or when there is one."""
        ...
