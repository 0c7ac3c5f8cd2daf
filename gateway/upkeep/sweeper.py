"""The sweeper on Lambda, `gateway.upkeep.sweeper.handler`: ends what nobody ended in time, by a schedule.

Reservations whose time is over are settled by what S3 holds, uploads in parts that were abandoned are given up there.
Every step is safe to repeat, so two sweeps at once, one that is killed and one that is retried do no harm.
"""

import asyncio
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TextIO

from gateway.functions.admission import function_stores
from gateway.functions.credentials import Renewed
from gateway.functions.sandbox import Sandbox
from gateway.functions.trail import LogTrail
from gateway.journal import Journal
from gateway.storage.endpoint import Endpoint
from gateway.storage.multipart import Multipart
from gateway.storage.objects import Objects
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.aside import Aside, Threads
from gateway.tenants.expiry import settle_due
from gateway.tenants.stores import Stores
from gateway.upkeep.time_left import time_left
from presigner.ending import end_expired
from presigner.lambda_settings import LambdaSettings
from presigner.lambda_wiring import keys_of
from presigner.register import Register
from presigner.sealing import Sealer

Swept = Mapping[str, Any]
"""`reservations` and `uploads` that were ended, and whether that was all: `code` is `ok` or `unfinished`."""

TIMEOUTS: Final = Timeouts(connect=3.0, stall=10.0, answer=20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a sweep needs; `clock` gives seconds since the epoch."""

    stores: Stores
    aside: Aside
    endpoint: Endpoint
    completer: Signer
    sealer: Sealer
    journal: Journal
    clock: Callable[[], float]

    async def within(self, seconds: float) -> Swept:
        """End what is due until nothing is or the time is over; raises OSError where S3 or the table did not answer."""
        ended: Counter[str] = Counter(reservations=0, uploads=0)
        silent: list[OSError] = []
        code = "ok"
        async with Upstream(timeouts=TIMEOUTS) as upstream:
            try:
                async with asyncio.timeout(seconds):
                    for name, step in self._steps(upstream).items():
                        await _all(step, ended, name, silent)
            except TimeoutError:
                code = "unfinished"
        if silent:
            raise silent[0]
        return {"code": code, **ended}

    def _steps(self, upstream: Upstream) -> Mapping[str, Callable[[], Awaitable[int]]]:
        site: dict[str, Any] = {"upstream": upstream, "endpoint": self.endpoint, "signer": self.completer}
        objects, multipart = Objects(**site, clock=self.clock), Multipart(**site, clock=self.clock)
        ledger = self.stores.ledger
        register = Register(uploads=self.stores.uploads, ledger=ledger, aside=self.aside, clock=self.clock)
        return {
            "reservations": lambda: settle_due(
                ledger, objects.size, self.aside, clock=self.clock, told=self.journal.swept
            ),
            "uploads": lambda: end_expired(register, multipart, self.sealer, self.journal),
        }


async def _all(step: Callable[[], Awaitable[int]], ended: Counter[str], name: str, silent: list[OSError]) -> None:
    """Repeat a step until there is nothing left of it; whoever did not answer keeps the other step from nothing."""
    try:
        while count := await step():
            ended[name] += count
    except TimeoutError:
        raise
    except OSError as error:
        silent.append(error)


def wired(
    settings: LambdaSettings,
    *,
    stores: Stores | None = None,
    out: TextIO = sys.stdout,
    clock: Callable[[], float] = time.time,
) -> Callable[[object, object], Swept]:
    """The function of these settings; raises OSError where it can't be made."""
    renewed = Renewed(clock)
    sweep = Sweep(
        stores=stores or function_stores(settings.admission),
        aside=Threads(8),
        endpoint=settings.endpoint,
        completer=renewed.signer(settings.completer, settings.region),
        sealer=Sealer(keys_of(settings), secrets.token_bytes),
        journal=Journal(clock=clock, trail=LogTrail(out)),
        clock=clock,
    )

    def swept(_event: object, context: object) -> Swept:
        renewed.renew()
        return asyncio.run(sweep.within(time_left(context)))

    return swept


handler: Final[Callable[[Any, Any], Any]] = Sandbox(
    lambda: wired(LambdaSettings.from_environment(os.environ)),
    lambda: None,
    describe=lambda _, swept: {name: str(value) for name, value in swept.items()},
    environment=os.environ,
)
"""What Lambda calls."""
