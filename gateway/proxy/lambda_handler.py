"""The authorizer on AWS Lambda: `gateway.proxy.lambda_handler.handler`, for a REST API's REQUEST authorizer.

Put together once a sandbox, from the environment (`gateway.functions.settings`), and told beside it by what name an API
maps metadata and under which path it has its resource; both are what the API's definition was made with.
"""

import functools
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TextIO

from gateway.functions.admission import function_admission, function_stores
from gateway.functions.sandbox import Sandbox
from gateway.functions.settings import AdmissionSettings, Reading, base_path, listed
from gateway.functions.storage import NOBODYS
from gateway.functions.usage_keys import deployment_name, usage_key
from gateway.policy.problems import TYPE_PREFIX
from gateway.proxy.api_gateway import carriage
from gateway.proxy.authorizer import Authorizer, Result, make_authorizer
from gateway.tenants.aside import Threads
from gateway.tenants.stores import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizerSettings:
    """The settings of one authorizer.

    Attributes:
        admission: what every function that admits is told.
        base: the path of the API's resource.
        metadata_keys: those that the API's definition maps.
        usage_plans: the name of the deployment whose usage plans uploads count against; None where there are none.
    """

    admission: AdmissionSettings
    base: str
    metadata_keys: frozenset[str]
    usage_plans: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "AuthorizerSettings":
        """The settings; raises LambdaSettingsError."""
        reading = Reading(environment)
        settings = cls(
            admission=AdmissionSettings.read(reading),
            base=reading.parsed("BASE_PATH", base_path, "") + "/proxy",
            metadata_keys=reading.parsed("PROXY__METADATA_KEYS", lambda text: frozenset(listed(text)), frozenset()),
            usage_plans=reading.parsed("PROXY__USAGE_PLANS", deployment_name, None),
        )
        reading.demand_none()
        return settings


def wired(
    settings: AuthorizerSettings,
    *,
    stores: Stores | None = None,
    out: TextIO = sys.stdout,
    clock: Callable[[], float] = time.time,
) -> Authorizer:
    """The function of these settings, over its table or other `stores`."""
    plans, stores = settings.usage_plans, stores or function_stores(settings.admission)
    admission = function_admission(settings.admission, stores, Threads(1), out=out, clock=clock)
    return make_authorizer(
        admission,
        base=settings.base,
        carriage=carriage(settings.metadata_keys),
        new_request_id=lambda: secrets.token_hex(16),
        cors=settings.admission.cors,
        usage_key=None if plans is None else functools.partial(usage_key, plans),
    )


def build() -> Authorizer:
    """The function of this environment."""
    return wired(AuthorizerSettings.from_environment(os.environ))


def rehearse() -> None:
    """The same with credentials that are nobody's."""
    settings = AuthorizerSettings.from_environment(os.environ)
    wired(settings, stores=function_stores(settings.admission, NOBODYS))


def answered_code(result: Result) -> str:
    """What the policy says in one word: the problem's code, else `ok`."""
    problem = result["context"].get("problem")
    return "ok" if problem is None else str(json.loads(problem)["type"]).removeprefix(TYPE_PREFIX)


handler: Final[Authorizer] = Sandbox(
    build, rehearse, describe=lambda _, result: {"code": answered_code(result)}, environment=os.environ
)
"""What Lambda calls: a REST API's question in, the policy that answers it out."""
