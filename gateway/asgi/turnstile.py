"""No tenant takes all of a worker: how many of its uploads go through this process at once.

A limit of connections, not a rate: an upload is counted while its bytes pass. It is asked last, when the tenant is
known and everything else has been granted, so that strangers are nobody's; those are bounded by the HTTP front.
"""

from typing import Final

from gateway.policy.problems import Code, Refusal

MOST: Final = 512
"""Half of the connections that the HTTP front of a worker takes by default."""

TOO_MANY: Final = Refusal(
    code=Code.RATE_LIMITED,
    detail="The tenant has too many uploads under way at once; try again when some of them are over.",
    retry_after=1,
)


class Turnstile:
    """Counts uploads under way by tenant; lives on one event loop."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._under_way: dict[str, int] = {}

    def enter(self, tenant: str) -> bool:
        """Count one in, if there is room; who was let in must `leave`."""
        count = self._under_way.get(tenant, 0)
        if count >= self._most:
            return False
        self._under_way[tenant] = count + 1
        return True

    def leave(self, tenant: str) -> None:
        """Count one out."""
        count = self._under_way.pop(tenant) - 1
        if count:
            self._under_way[tenant] = count
