"""The first backend under AWS's limits: API Gateway's rules (`api_gateway`) around the authorizer that is deployed."""

import secrets
import time
from collections.abc import Callable

from gateway.admission import Admission
from gateway.asgi.wire import Application
from gateway.local.api_gateway import RestApi
from gateway.policy.model import Backend
from gateway.proxy.authorizer import make_authorizer
from gateway.server.carriages import carriages, proxy_definition
from gateway.server.composition import BASES
from gateway.server.deployment import Site


def proxy_here(site: Site) -> Callable[[Admission], Application]:
    """Makes the backend of this site."""

    def made(admission: Admission) -> Application:
        return RestApi(
            definition=proxy_definition(),
            authorizer=make_authorizer(
                admission,
                base=BASES[Backend.PROXY],
                carriage=carriages(site.limits)[Backend.PROXY],
                new_request_id=_new_id,
                cors=site.cors,
            ),
            role=site.signer,
            endpoint=site.endpoint,
            upstream=site.upstream,
            clock=time.time,
            new_id=_new_id,
        )

    return made


def _new_id() -> str:
    return secrets.token_hex(16)
