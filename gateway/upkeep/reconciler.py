"""The reconciler on Lambda, `gateway.upkeep.reconciler.handler`: compares the ledger with S3, by an hourly schedule.

Each tenant has its hour of the day, by a hash of its id, so an invocation has a 24th of all and needs to remember
nothing. Those of an hour begin with another tenant every day: where the time does not suffice for all, it is not always
the same that are left out, and the invocation says `unfinished`.
"""

import asyncio
import logging
import os
import secrets
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TextIO

from gateway.functions.admission import function_stores
from gateway.functions.credentials import Renewed
from gateway.functions.sandbox import Sandbox
from gateway.functions.trail import LogTrail
from gateway.journal import Journal
from gateway.server.comparing import Reconciling, summary
from gateway.server.opened import OpenStores
from gateway.storage.upstream import Upstream
from gateway.tenants.aside import Threads
from gateway.tenants.service import plainly
from gateway.tenants.stores import Stores
from gateway.upkeep.sweeper import TIMEOUTS
from gateway.upkeep.time_left import time_left
from presigner.lambda_settings import LambdaSettings
from presigner.lambda_wiring import keys_of
from presigner.sealing import Sealer

_LOG: Final = logging.getLogger(__name__)

HOURS: Final = 24
_HOUR: Final = 3600

Compared = Mapping[str, Any]
"""`tenants` that were compared and how many of them were `mended`; `code` is `ok` or `unfinished`."""


def turn(tenants: Iterable[str], now: float) -> list[str]:
    """The tenants whose turn it is in this hour, the first of them another every day."""
    hour, day = int(now) // _HOUR % HOURS, int(now) // (_HOUR * HOURS)
    mine = sorted(tenant for tenant in tenants if zlib.crc32(tenant.encode()) % HOURS == hour)
    first = day % len(mine) if mine else 0
    return [*mine[first:], *mine[:first]]


async def compare(reconciling: Reconciling, seconds: float) -> Compared:
    """Compare the tenants whose turn it is; raises OSError where S3 or the table does not answer."""
    compared = mended = 0
    try:
        async with asyncio.timeout(seconds):
            for tenant in turn(await reconciling.tenants(), reconciling.clock()):
                found = await reconciling.tenant(tenant)
                compared += 1
                if found.ledger.differences or found.given_up:
                    mended += 1
                    _LOG.warning("Tenant %s was not as counted: %s", tenant, summary(found))
    except TimeoutError:
        return {"code": "unfinished", "tenants": compared, "mended": mended}
    return {"code": "ok", "tenants": compared, "mended": mended}


def wired(
    settings: LambdaSettings,
    *,
    stores: Stores | None = None,
    out: TextIO = sys.stdout,
    clock: Callable[[], float] = time.time,
) -> Callable[[object, object], Compared]:
    """The function of these settings, whose completer also lists the bucket; raises OSError where it can't be made."""
    renewed, aside = Renewed(clock), Threads(8)
    signer = renewed.signer(settings.completer, settings.region)
    opened = OpenStores(
        stores=stores or function_stores(settings.admission), aside=aside, beside=aside, together=plainly, remote=True
    )
    sealer = Sealer(keys_of(settings), secrets.token_bytes)
    journal = Journal(clock=clock, trail=LogTrail(out))

    async def go(seconds: float) -> Compared:
        async with Upstream(timeouts=TIMEOUTS) as upstream:
            reconciling = Reconciling(
                upstream=upstream,
                endpoint=settings.endpoint,
                operator=signer,
                completer=signer,
                opened=opened,
                sealer=sealer,
                journal=journal,
                clock=clock,
            )
            return await compare(reconciling, seconds)

    def compared(_event: object, context: object) -> Compared:
        renewed.renew()
        return asyncio.run(go(time_left(context)))

    return compared


handler: Final[Callable[[Any, Any], Any]] = Sandbox(
    lambda: wired(LambdaSettings.from_environment(os.environ)),
    lambda: None,
    describe=lambda _, compared: {name: str(value) for name, value in compared.items()},
    environment=os.environ,
)
"""What Lambda calls."""
