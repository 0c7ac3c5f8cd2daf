"""The presigner's Lambda function put together: admission over DynamoDB, and credentials that are renewed."""

import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TextIO

from gateway.functions.admission import function_admission, function_stores
from gateway.functions.credentials import Renewed
from gateway.functions.http import HttpFunction, request_id
from gateway.functions.http_events import BODY_BYTES
from gateway.functions.readiness import function_checks
from gateway.functions.sdk import secret_parameter
from gateway.functions.storage import NOBODY, NOBODYS
from gateway.policy.problems import Code, Refusal
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.aside import Threads
from gateway.tenants.stores import Stores
from presigner.composition import PresignerParts, standalone
from presigner.idempotency import Replays
from presigner.lambda_settings import LambdaSettings, sealing_keys
from presigner.redirect import BASE
from presigner.register import Register
from presigner.sealing import KEY_BYTES, Sealer

TIMEOUTS: Final = Timeouts(connect=3.0, stall=10.0, answer=20.0)
"""Within the 29 seconds that API Gateway waits for a function (API Gateway quotas)."""

_WORKERS: Final = 8

_CUT_OFF: Final = Refusal(
    code=Code.NOT_FOUND,
    detail=f"There is no {BASE} behind an HTTP API, which hands on names decoded and cut off; use POST /uploads.",
)


def wired(
    settings: LambdaSettings,
    *,
    stores: Stores | None = None,
    out: TextIO = sys.stdout,
    clock: Callable[[], float] = time.time,
) -> HttpFunction:
    """The function of these settings, over its table or other `stores`; raises OSError where it can't be made."""
    stores = stores or function_stores(settings.admission)
    renewed, aside = Renewed(clock), Threads(_WORKERS)
    upstream = Upstream(timeouts=TIMEOUTS)
    parts = PresignerParts(
        admission=function_admission(settings.admission, stores, aside, out=out, clock=clock),
        endpoint=settings.endpoint,
        signer=renewed.signer(settings.signer, settings.region),
        completer=renewed.signer(settings.completer, settings.region),
        upstream=upstream,
        sealer=Sealer(keys_of(settings), secrets.token_bytes),
        clock=clock,
        replays=Replays(store=stores.idempotency, aside=aside, clock=clock, new_token=lambda: secrets.token_hex(16)),
        register=Register(uploads=stores.uploads, ledger=stores.ledger, aside=aside, clock=clock),
        most_bytes=BODY_BYTES,
    )
    checks = function_checks(stores, aside, upstream=upstream, endpoint=settings.endpoint)
    application = standalone(parts, cors=settings.admission.cors, request_ids=request_id, checks=checks)
    return HttpFunction(
        application,
        opened=upstream,
        prepare=renewed.renew,
        as_sent={BASE: _CUT_OFF},
        base_path=settings.base_path,
        callers=settings.callers,
    )


def rehearsed(settings: LambdaSettings) -> HttpFunction:
    """The function made with identities and keys that are nobody's, so that nobody is asked for any."""
    strangers = replace(settings, signer=NOBODY, completer=NOBODY, sealing_keys=(secrets.token_bytes(KEY_BYTES),))
    return wired(strangers, stores=function_stores(settings.admission, NOBODYS))


def keys_of(settings: LambdaSettings) -> tuple[bytes, ...]:
    """The sealing keys, from SSM Parameter Store where the environment has none; raises OSError or ValueError."""
    if settings.sealing_keys or settings.sealing_parameter is None:
        return settings.sealing_keys
    return sealing_keys(secret_parameter(settings.sealing_parameter, settings.region))
