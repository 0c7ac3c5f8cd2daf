"""The function that keeps usage plans in step: `gateway.functions.usage_plans_handler.handler`, called by a schedule.

Whatever the event is, it makes the plans what the policies say now; `{"remove": true}`, by hand before usage plans are
switched off, removes all that it made. What goes wrong is raised, so that Lambda counts it as an error.
"""

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway.functions.settings import Reading
from gateway.functions.usage_keys import deployment_name
from gateway.functions.usage_plans import Deployment, UsagePlans
from gateway.policy.document import parse
from gateway.policy.model import Policy
from gateway.tenants.dynamodb.boto import make_client
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.pages import MAX_PAGE
from gateway.tenants.policies import PolicyStore
from gateway.tenants.stores import dynamodb_stores


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePlanSettings:
    """What the function is told: the table (`table_endpoint` None where it is AWS's) and whose plans it keeps."""

    region: str
    table: str
    table_endpoint: str | None
    deployment: Deployment

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "UsagePlanSettings":
        """The settings; raises LambdaSettingsError."""
        reading = Reading(environment)
        name = reading.parsed("PROXY__USAGE_PLANS", deployment_name, "")
        if not name:
            reading.fault("PROXY__USAGE_PLANS", "is required")
        settings = cls(
            region=reading.text("S3__REGION", environment.get("AWS_REGION")),
            table=reading.text("STORE__TABLE"),
            table_endpoint=reading.optional("STORE__ENDPOINT"),
            deployment=Deployment(name=name, api=reading.text("PROXY__API"), stage=reading.text("PROXY__STAGE")),
        )
        reading.demand_none()
        return settings


def every_policy(store: PolicyStore) -> Iterator[Policy]:
    """The policies in force; a document that no longer is one binds nobody, and is left out."""
    cursor: str | None = None
    while True:
        page = store.list(limit=MAX_PAGE, cursor=cursor)
        for version in page.items:
            policy = parse(version.document, allow_private_issuers=True)
            if isinstance(policy, Policy):
                yield policy
        if page.cursor is None:
            return
        cursor = page.cursor


def kept(client: Any, deployment: Deployment, store: PolicyStore, event: object) -> dict[str, int]:
    """Do what the event says, and say what was done."""
    removing = isinstance(event, Mapping) and event.get("remove") is True
    policies = () if removing else tuple(every_policy(store))
    return asdict(UsagePlans(client, deployment).synchronise(policies))


@functools.cache
def _of_this_sandbox() -> tuple[UsagePlanSettings, PolicyStore, Any]:
    import boto3  # noqa: PLC0415 - slow to import

    settings = UsagePlanSettings.from_environment(os.environ)
    table = Table(make_client(region=settings.region, endpoint=settings.table_endpoint), settings.table)
    return settings, dynamodb_stores(table).policies, boto3.session.Session().client("apigateway")


def handler(event: object, _context: object) -> dict[str, int]:
    """What Lambda calls."""
    settings, store, client = _of_this_sandbox()
    return kept(client, settings.deployment, store, event)
