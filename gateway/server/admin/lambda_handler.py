"""The admin API on AWS Lambda: `gateway.server.admin.lambda_handler.handler`, for API Gateway and function URLs.

The same routes as on one machine, over the table that the other functions use. The console is not here: it wants to be
at the root of its host, and is a client of these routes like any other.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.asgi.cors import WithCors
from gateway.asgi.operations import operations_routes
from gateway.asgi.request_id import WithRequestId
from gateway.cors import API
from gateway.functions.admission import function_stores
from gateway.functions.http import HttpFunction, answered_code, own_loop, passing_loop, request_id
from gateway.functions.iam_callers import IamCallers, iam_callers
from gateway.functions.readiness import function_checks
from gateway.functions.sandbox import Sandbox
from gateway.functions.settings import AdmissionSettings, Reading, base_path, issuers
from gateway.functions.storage import NOBODYS
from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.policy.model import IssuerRule
from gateway.server.admin.parts import AdminSettings, admin_parts
from gateway.server.admin.routes import admin_routes
from gateway.server.carriages import Limits, carriages
from gateway.tenants.aside import Threads
from gateway.tenants.cache import CacheRules, PolicyCache
from gateway.tenants.stores import Stores
from presigner.application import create_application

_WORKERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminFunctionSettings:
    """What the function is told; `operators` are the issuers of its callers, and never a tenant's.

    `callers` are those whom AWS verifies.
    """

    admission: AdmissionSettings
    operators: tuple[IssuerRule, ...]
    base_path: str
    callers: IamCallers

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "AdminFunctionSettings":
        """The settings; raises LambdaSettingsError."""
        reading = Reading(environment)
        admission = AdmissionSettings.read(reading)
        private = admission.allow_private_issuers
        operators = reading.parsed("OPERATORS", lambda text: issuers(text, allow_private=private, shared=False), ())
        callers = reading.parsed("IAM_CALLERS", iam_callers, IamCallers(()))
        if not operators and not callers:
            reading.fault("OPERATORS", "is required: without an issuer nobody may call")
        base = reading.parsed("BASE_PATH", base_path, "")
        settings = cls(admission=admission, operators=operators, base_path=base, callers=callers)
        reading.demand_none()
        return settings


def wired(
    settings: AdminFunctionSettings, *, stores: Stores | None = None, clock: Callable[[], float] = time.time
) -> HttpFunction:
    """The function of these settings, over its table or other `stores`."""
    stores, aside = stores or function_stores(settings.admission), Threads(_WORKERS)
    private = settings.admission.allow_private_issuers
    told = AdminSettings(
        carriages=carriages(Limits.AWS),
        allow_private_issuers=private,
        tenant_issuers=settings.admission.issuers,
        operator_issuers=settings.operators,
        directory=PolicyCache(
            stores.policies,
            clock=time.monotonic,
            rules=CacheRules(lifetime=0, stale_limit=0),
            allow_private_issuers=private,
        ),
        clock=clock,
        last_decisions=stores.decisions.last,
    )
    jwks = JwksCache(fetcher=HttpsFetcher(allow_private=private))
    authenticator = Authenticator(settings.operators, jwks_cache=jwks, clock=clock)
    routes = (
        admin_routes(admin_parts(stores, told, authenticator=authenticator, aside=aside)),
        operations_routes(function_checks(stores, aside)),
    )
    api = WithRequestId(create_application(routes), request_id)
    paged = WithCors(api, cors=settings.admission.cors, calls=API, request_ids=request_id)
    return HttpFunction(paged, base_path=settings.base_path, callers=settings.callers)


def build() -> HttpFunction:
    """The function of this environment."""
    own_loop()
    return wired(AdminFunctionSettings.from_environment(os.environ))


def rehearse() -> None:
    """The same with credentials that are nobody's."""
    settings = AdminFunctionSettings.from_environment(os.environ)
    with passing_loop():
        wired(settings, stores=function_stores(settings.admission, NOBODYS))


handler: Final[Callable[[Any, Any], Any]] = Sandbox(
    build, rehearse, describe=lambda _, answer: {"code": answered_code(answer)}, environment=os.environ
)
"""What Lambda calls."""
