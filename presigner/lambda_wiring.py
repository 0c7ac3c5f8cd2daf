"""The presigner's Lambda function put together: admission over DynamoDB, and credentials that are renewed."""

import logging
import secrets
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from gateway.functions.admission import function_admission, function_stores
from gateway.storage.provider import CredentialsError, Provider, sdk_provider
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.aside import Threads
from presigner.composition import PresignerParts, standalone
from presigner.idempotency import Replays
from presigner.lambda_credentials import LEAST_LIFE, assumed_role
from presigner.lambda_events import BODY_BYTES
from presigner.lambda_handler import LambdaPresigner, request_id
from presigner.lambda_settings import Identity, LambdaSettings, sealing_keys
from presigner.register import Register
from presigner.sealing import Sealer

_LOG: Final = logging.getLogger(__name__)

TIMEOUTS: Final = Timeouts(connect=3.0, stall=10.0, answer=20.0)
"""Within the 29 seconds that API Gateway waits for a function (API Gateway quotas)."""

_WORKERS: Final = 8


class Renewed:
    """Signers whose credentials are looked after before each event: there is no time beside events on Lambda."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: list[tuple[Signer, Provider]] = []

    def signer(self, identity: Identity, region: str) -> Signer:
        """A signer for this identity, renewed from now on where its credentials end."""
        if identity.credentials is not None:
            return Signer(identity.credentials, region)
        provider = self._own() if identity.role is None else assumed_role(identity.role, region, clock=self._clock)
        signer = Signer(provider(), region)
        self._kept.append((signer, provider))
        return signer

    def renew(self) -> None:
        """Give each signer what its provider has now; where it has nothing, the old ones serve to their end."""
        for signer, provider in self._kept:
            try:
                fresh = provider()
            except CredentialsError as error:
                _LOG.warning("credentials are not renewed: %s", error)
                continue
            if fresh != signer.credentials:
                signer.renew(fresh)

    def _own(self) -> Provider:
        """The function's own role. Its environment does not say when that ends, so no URL is to live long by it."""
        found = sdk_provider()

        def provide() -> Credentials:
            own = found()
            ends = self._clock() + LEAST_LIFE if own.expires_at is None else own.expires_at
            return Credentials(own.access_key, own.secret_key, own.session_token, ends)

        return provide


def wired(
    settings: LambdaSettings, *, out: TextIO = sys.stdout, clock: Callable[[], float] = time.time
) -> LambdaPresigner:
    """The function of these settings; raises OSError where what it needs can't be had."""
    stores, renewed, aside = function_stores(settings.admission), Renewed(clock), Threads(_WORKERS)
    upstream = Upstream(timeouts=TIMEOUTS)
    parts = PresignerParts(
        admission=function_admission(settings.admission, stores, aside, out=out, clock=clock),
        endpoint=settings.endpoint,
        signer=renewed.signer(settings.signer, settings.region),
        completer=renewed.signer(settings.completer, settings.region),
        upstream=upstream,
        sealer=Sealer(settings.sealing_keys or _parameter(settings), secrets.token_bytes),
        clock=clock,
        replays=Replays(store=stores.idempotency, aside=aside, clock=clock, new_token=lambda: secrets.token_hex(16)),
        register=Register(uploads=stores.uploads, ledger=stores.ledger, aside=aside, clock=clock),
        most_bytes=BODY_BYTES,
    )
    application = standalone(parts, cors=settings.admission.cors, request_ids=request_id)
    return LambdaPresigner(application, opened=upstream, prepare=renewed.renew, base_path=settings.base_path)


def _parameter(settings: LambdaSettings) -> tuple[bytes, ...]:
    """The sealing keys from SSM Parameter Store, read once a sandbox."""
    import boto3  # noqa: PLC0415 - slow to import

    client = boto3.session.Session().client("ssm", region_name=settings.region)
    answer = client.get_parameter(Name=settings.sealing_parameter, WithDecryption=True)
    return sealing_keys(answer["Parameter"]["Value"])
