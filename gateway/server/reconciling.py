"""All tenants compared with S3 (`gateway.server.comparing`): by a command, and once a day beside answering."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.journal import Journal
from gateway.server.comparing import Reconciling, summary
from gateway.server.deployment import Deployment
from gateway.server.opened import OpenStores
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.audit import MAIN
from gateway.tenants.trail import AuditTrail
from presigner.sealing import Sealer

_LOG: Final = logging.getLogger(__name__)

EVERY: Final = 86_400.0
"""Seconds between two comparisons of everything."""

FIRST: Final = 600.0
"""Seconds before the first one, so that a process that is often started anew compares, too."""


@asynccontextmanager
async def reconciling_of(deployment: Deployment, *, dry_run: bool = False) -> AsyncIterator[Reconciling]:
    """A comparison of a deployment by a process of its own; raises OSError where nobody may list the bucket."""
    if deployment.operator is None:
        raise OSError("the deployment has no operator's identity, which lists the bucket")
    async with (
        Upstream(timeouts=Timeouts()) as upstream,
        deployment.stores() as opened,
        AuditTrail(opened.stores.audit, opened.aside, clock=time.time, chain=chain_of(opened)) as trail,
    ):
        folder = None if deployment.folder is None else deployment.folder()
        yield Reconciling(
            upstream=upstream,
            endpoint=deployment.endpoint,
            operator=deployment.operator,
            completer=deployment.completer,
            opened=opened,
            sealer=Sealer(deployment.sealing_keys, secrets.token_bytes),
            journal=Journal(clock=time.time, trail=trail),
            clock=time.time,
            kept=() if folder is None else folder.tenants,
            dry_run=dry_run,
        )


def chain_of(opened: OpenStores) -> str:
    """The audit's chain of this process.

    One for all processes of a machine; over a network one for each, so that they don't wait for each other.
    """
    return f"{int(time.time()):x}-{secrets.token_hex(6)}" if opened.remote else MAIN


async def sweep_ledger(reconciling: Reconciling, *, first: float = FIRST, every: float = EVERY) -> None:
    """Compare all tenants and tidy the stores, for ever; what can't be compared now has its turn the next time."""
    await asyncio.sleep(first)
    while True:
        try:
            await reconciling.opened.beside(lambda: reconciling.opened.stores.tidy(reconciling.clock()))
            for tenant in await reconciling.tenants():
                found = await reconciling.tenant(tenant)
                if found.ledger.differences or found.given_up:
                    _LOG.warning("Tenant %s was not as counted: %s", tenant, summary(found))
        except OSError as error:
            _LOG.warning("The comparison with S3 waits: %s", error)
        await asyncio.sleep(every)
