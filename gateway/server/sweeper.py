"""What the server does beside answering: at the end of a reservation's time, look whether its upload arrived."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.tenants.aside import Aside
from gateway.tenants.expiry import settle_due
from gateway.tenants.ledger import Ledger

_LOG: Final = logging.getLogger(__name__)

EVERY: Final = 15.0
"""Seconds between two looks at what is due."""


async def sweep(
    ledger: Ledger,
    look: Callable[[str], Awaitable[int | None]],
    aside: Aside,
    *,
    clock: Callable[[], float],
    every: float = EVERY,
) -> None:
    """End reservations whose time is over, for ever; a store or an S3 that does not answer is asked again later."""
    while True:
        try:
            while await settle_due(ledger, look, aside, clock=clock):
                pass
        except OSError as error:
            _LOG.warning("Reservations that are due wait: %s", error)
        await asyncio.sleep(every)
