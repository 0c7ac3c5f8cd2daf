"""What the server does beside answering: end what nobody ended in time.

At the end of a reservation's time it looks whether the upload arrived; at the end of an upload's, S3 forgets its parts.
And it samples the usage of the tenants that upload, so that there is a past to look at.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.journal import Journal
from gateway.storage.multipart import Multipart
from gateway.tenants.aside import Aside
from gateway.tenants.expiry import settle_due
from gateway.tenants.key_uses import KeyUses
from gateway.tenants.ledger import Ledger
from gateway.tenants.sampling import UsageSampler
from presigner.ending import end_expired
from presigner.register import Register
from presigner.sealing import Sealer

_LOG: Final = logging.getLogger(__name__)

EVERY: Final = 15.0
"""Seconds between two looks at what is due."""


KEPT_EVERY: Final = 5.0
"""Seconds between two batches of keys' last uses."""

SAMPLED_EVERY: Final = 30.0
"""Seconds between two samples of the usage of tenants that upload; the last one of its slot of time stays."""


async def keep_key_uses(uses: KeyUses, aside: Aside, *, every: float = KEPT_EVERY) -> None:
    """Keep when API keys were last used, for ever, and once more at the end."""
    try:
        while True:
            await asyncio.sleep(every)
            await aside(uses.keep)
    finally:
        await aside(uses.keep)


async def sample_usage(sampler: UsageSampler, aside: Aside, *, every: float = SAMPLED_EVERY) -> None:
    """Keep what tenants have over time, for ever; a store that does not answer is asked again later."""
    while True:
        await asyncio.sleep(every)
        try:
            await aside(sampler.sample)
        except OSError as error:
            _LOG.warning("Samples of usage wait: %s", error)


async def sweep_uploads(
    register: Register, storage: Multipart, sealer: Sealer, journal: Journal, *, every: float = EVERY
) -> None:
    """Abort what was begun and abandoned, for ever; a store or an S3 that does not answer is asked again later."""
    while True:
        try:
            while await end_expired(register, storage, sealer, journal):
                pass
        except OSError as error:
            _LOG.warning("Uploads that are over wait: %s", error)
        await asyncio.sleep(every)


async def sweep(
    ledger: Ledger,
    look: Callable[[str], Awaitable[int | None]],
    aside: Aside,
    journal: Journal,
    *,
    clock: Callable[[], float],
    every: float = EVERY,
) -> None:
    """End reservations whose time is over, for ever; a store or an S3 that does not answer is asked again later."""
    while True:
        try:
            while await settle_due(ledger, look, aside, clock=clock, told=journal.swept):
                pass
        except OSError as error:
            _LOG.warning("Reservations that are due wait: %s", error)
        await asyncio.sleep(every)
