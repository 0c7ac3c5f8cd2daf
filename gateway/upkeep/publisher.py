"""The publisher on Lambda, `gateway.upkeep.publisher.handler`: keeps the edge's documents as the table is.

The table's stream tells of every change of a policy or of a tenant's API keys, whoever made it; a schedule looks at
all, refreshes what grows old and finds what a stream lost. Both come to one sandbox (reserved concurrency 1), which
keeps what it knows between two events, and begins anew by looking at all.
"""

import base64
import binascii
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.functions.admission import function_stores
from gateway.functions.credentials import Renewed
from gateway.functions.sandbox import Sandbox
from gateway.functions.sdk import secret_parameter
from gateway.functions.settings import AdmissionSettings, Reading
from gateway.functions.storage import Identity, read_identity
from gateway.identity.fetch import Fetcher, HttpsFetcher
from gateway.storage.endpoint import Addressing, Endpoint
from gateway.storage.small import SmallObjects
from gateway.tenants.published.publisher import Publisher, PublisherSettings
from gateway.tenants.published.signing import Ring, SigningPair
from gateway.tenants.published.source import TenantStates
from gateway.tenants.published.writer import DocumentWriter
from gateway.tenants.stores import Stores
from gateway.upkeep.time_left import time_left

LOOK_EVERY: Final = 30.0
"""Seconds: less than between two schedules, so that each finds that it is time to look."""

_PAUSE: Final = 0.05
_TENANT_ITEMS: Final = ("policy#", "keys#")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherFunctionSettings:
    """Where documents go and who writes them; `parameter` is the SSM SecureString with the signing key's 32 bytes.

    `lifetime` is how long a document is good, in seconds.
    """

    admission: AdmissionSettings
    endpoint: Endpoint
    writer: Identity
    key_id: str
    parameter: str
    lifetime: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "PublisherFunctionSettings":
        """The settings; raises LambdaSettingsError."""
        reading = Reading(environment)
        admission = AdmissionSettings.read(reading)
        bucket, url = reading.text("EDGE__BUCKET"), reading.optional("EDGE__ENDPOINT")
        settings = cls(
            admission=admission,
            endpoint=Endpoint.aws(bucket or "none", admission.region or "none", addressing=Addressing.VIRTUAL)
            if url is None
            else Endpoint.at(url, bucket or "none", addressing=Addressing.PATH),
            writer=read_identity(reading, "PUBLISHER"),
            key_id=reading.text("EDGE__KEY_ID"),
            parameter=reading.text("EDGE__SIGNING_KEY__PARAMETER"),
            lifetime=reading.parsed("EDGE__LIFETIME", float, 3600.0),
        )
        reading.demand_none()
        return settings


def signing_pair(key_id: str, text: str) -> SigningPair:
    """The pair of a seed in base64; raises OSError without a word of it."""
    try:
        return SigningPair.from_bytes(key_id, base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise OSError("the signing key is not 32 bytes in base64") from None


def changed_tenants(event: object) -> Iterator[str]:
    """The tenants that a stream's records are about (DynamoDB Developer Guide, "DynamoDB Streams record structure")."""
    records = event.get("Records", ()) if isinstance(event, Mapping) else ()
    for record in records:
        pk: str = record["dynamodb"]["Keys"]["pk"]["S"]
        for kind in _TENANT_ITEMS:
            if pk.startswith(kind):
                yield pk.removeprefix(kind)


def wired(
    settings: PublisherFunctionSettings,
    *,
    stores: Stores | None = None,
    pair: SigningPair | None = None,
    fetcher: Fetcher | None = None,
    clock: Callable[[], float] = time.time,
) -> Callable[[object, object], Mapping[str, Any]]:
    """The function of these settings; raises OSError where it can't be made."""
    stores, renewed = stores or function_stores(settings.admission), Renewed(clock)
    region, key = settings.admission.region, settings.key_id
    pair = pair or signing_pair(key, secret_parameter(settings.parameter, region))
    signer = renewed.signer(settings.writer, region)
    objects = SmallObjects(endpoint=settings.endpoint, signer=lambda: signer, clock=clock)
    ring, life = Ring({pair.key_id: pair.public}), settings.lifetime
    publisher = Publisher(
        TenantStates(stores.policies, stores.keys),
        DocumentWriter(objects, prefix="", pair=pair, ring=ring, lifetime=life, clock=clock),
        shared=settings.admission.issuers,
        fetcher=fetcher or HttpsFetcher(allow_private=settings.admission.allow_private_issuers),
        clock=clock,
        settings=PublisherSettings(look_every=LOOK_EVERY),
    )

    def published(event: object, context: object) -> Mapping[str, Any]:
        renewed.renew()
        told = set(changed_tenants(event))
        for tenant in sorted(told):
            publisher.tenant_changed(tenant)
        try:
            _settle(publisher, time_left(context))
        finally:
            objects.close()  # a sandbox is frozen now, and what is open would be dead when it wakes
        return {"code": "ok", "told": len(told)}

    return published


def _settle(publisher: Publisher, seconds: float) -> None:
    """Publish until nothing waits; raises OSError where something still does when the time is over."""
    until = time.monotonic() + seconds
    while True:
        pause = publisher.step()
        if publisher.is_idle:
            return
        if time.monotonic() + _PAUSE > until:
            raise OSError("documents wait to be written; the log says why")
        time.sleep(min(_PAUSE, pause))


handler: Final[Callable[[Any, Any], Any]] = Sandbox(
    lambda: wired(PublisherFunctionSettings.from_environment(os.environ)),
    lambda: None,
    describe=lambda _, published: {name: str(value) for name, value in published.items()},
    environment=os.environ,
)
"""What Lambda calls."""
