"""The third backend on a machine without CloudFront: its rules (`cloudfront`) around the function that is deployed."""

import time
from collections.abc import Callable

from edge_auth.handler import make_handler
from gateway.admission import Admission
from gateway.asgi.wire import Application
from gateway.local.cloudfront import Distribution, OriginRequestPolicy
from gateway.policy.model import Backend
from gateway.server.carriages import carriages, edge_headers
from gateway.server.composition import BASES, request_id
from gateway.server.deployment import EdgeSite


def edge_here(site: EdgeSite) -> Callable[[Admission], Application]:
    """Makes the backend of this site; it forwards what CloudFront would."""

    def made(admission: Admission) -> Application:
        carriage = carriages(site.limits)[Backend.EDGE]
        return Distribution(
            handler=make_handler(admission, base=BASES[Backend.EDGE], carriage=carriage, cors=site.cors),
            origin=site.endpoint,
            access_control=site.signer,
            upstream=site.upstream,
            clock=time.time,
            request_ids=request_id,
            request_policy=OriginRequestPolicy(headers=edge_headers(site.limits)),
        )

    return made
