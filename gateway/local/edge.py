"""The third backend on a machine without CloudFront: its rules (`cloudfront`) around the function that is deployed.

The function decides by the gateway's own admission (`edge_here`), so that a change is in force at once and quotas and
rates hold; or, as in CloudFront, by what was published for it (`published_edge`).
"""

import base64
import time
from collections.abc import Callable
from typing import Any

from edge_auth.assembly import Clocks, assemble, documents_near, throttles_near
from edge_auth.handler import Handler, make_handler
from edge_auth.settings import Settings
from gateway.admission import Admission
from gateway.asgi.wire import Application
from gateway.cors import Cors
from gateway.local.cloudfront import Distribution, OriginRequestPolicy
from gateway.policy.model import Backend
from gateway.server.carriages import Limits, carriages, edge_headers
from gateway.server.composition import BASES, request_id
from gateway.server.deployment import EdgeDocuments, MakeBackend, Site
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials


def edge_here(site: Site) -> Callable[[Admission], Application]:
    """Makes the backend of this site; it forwards what CloudFront would."""

    def made(admission: Admission) -> Application:
        carriage = carriages(site.limits)[Backend.EDGE]
        return distribution(site, make_handler(admission, base=BASES[Backend.EDGE], carriage=carriage, cors=site.cors))

    return made


def published_edge(documents: EdgeDocuments, reader: Credentials) -> MakeBackend:
    """The backend whose function knows what is in these documents and nothing else; `reader` may read them."""

    def make(site: Site) -> Callable[[Admission], Application]:
        values = edge_settings(documents, region=documents.writer.region, limits=site.limits, cors=site.cors)
        settings = Settings.read({**values, "lifetime": 1.0})
        clocks = Clocks(wall=time.time, monotonic=time.monotonic)
        objects = documents_near(settings, settings.places.region, lambda: reader, clocks)
        throttles = throttles_near(settings, settings.places.region, lambda: reader, clocks)
        handler = assemble(settings, objects, clocks, throttles)
        return lambda _admission: distribution(site, handler)

    return make


def edge_settings(documents: EdgeDocuments, *, region: str, limits: Limits, cors: Cors) -> dict[str, Any]:
    """What the function's package is told (`edge_auth.settings`) about these documents."""
    carriage = carriages(limits)[Backend.EDGE]
    on_aws = Endpoint.aws(documents.endpoint.bucket, region)
    keys = {**documents.believed, documents.pair.key_id: documents.pair.public}
    return {
        "public_keys": {name: base64.urlsafe_b64encode(key).decode().rstrip("=") for name, key in keys.items()},
        "documents": {
            "buckets": {region: documents.endpoint.bucket},
            "region": region,
            "prefix": documents.prefix,
            "endpoint": None
            if documents.endpoint == on_aws
            else f"{documents.endpoint.scheme}://{documents.endpoint.authority}",
        },
        "throttle": dict(documents.throttle),
        "base": BASES[Backend.EDGE],
        "origins": sorted(cors.origins),
        "carriage": {
            "advice": carriage.advice,
            **{
                name: None if (listed := getattr(carriage, name)) is None else sorted(listed)
                for name in ("metadata_keys", "checksums", "object_headers")
            },
        },
    }


def distribution(site: Site, handler: Handler) -> Distribution:
    """CloudFront's model around a function."""
    return Distribution(
        handler=handler,
        origin=site.endpoint,
        access_control=site.signer,
        upstream=site.upstream,
        clock=time.time,
        request_ids=request_id,
        request_policy=OriginRequestPolicy(headers=edge_headers(site.limits)),
        turnstile=site.turnstile,
    )
