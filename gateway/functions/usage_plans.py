"""Keeps API Gateway's usage plans and API keys in step with the rates of tenants' policies.

One plan for each throttle that a tenant has, one key for each tenant, whether it has a rate or not: a tenant that gets
a rate later has its key by then. Everything is found by its name, which begins with the deployment's, so that several
deployments share an account; what is there already is left alone, so that it may run as often as one likes and go on
where it was interrupted.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.functions.usage_keys import Throttle, tenant_key, throttle
from gateway.policy.model import Policy

_LOG: Final = logging.getLogger(__name__)

MOST_KEYS: Final = 10_000
MOST_PLANS: Final = 300
"""Of an account in a Region ("API Gateway quotas for configuring and running a REST API")."""

_PAGE: Final = 500

Client = Any
"""boto3's client for `apigateway`, or what answers like it."""


class TooManyTenantsError(Exception):
    """There are more tenants or more rates than API Gateway has room for; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Whose plans: the deployment's name, its REST API's id and the API's stage."""

    name: str
    api: str
    stage: str

    def key(self, tenant: str) -> str:
        """The name of a tenant's key."""
        return f"{self.name}.tenant.{tenant}"

    def plan(self, limit: Throttle | None) -> str:
        """The name of the plan of a throttle."""
        return f"{self.name}.plan." + ("unlimited" if limit is None else f"{limit.rate}-{limit.burst}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How many plans and keys were made, keys put into a plan, and keys and plans removed."""

    made: int
    moved: int
    removed: int


class UsagePlans:
    """The plans and keys of one deployment, as API Gateway has them now."""

    def __init__(self, client: Client, deployment: Deployment) -> None:
        self._client = client
        self._deployment = deployment
        self._plans = self._named("get_usage_plans", f"{deployment.name}.plan.")
        self._keys = self._named("get_api_keys", f"{deployment.name}.tenant.")
        self._inside = {
            key["id"]: plan
            for plan in self._plans.values()
            for key in self._pages("get_usage_plan_keys", usagePlanId=plan)
        }

    def synchronise(self, policies: Iterable[Policy]) -> Changes:
        """Make them what the policies say; raises TooManyTenantsError, and what the client raises.

        A key that moves is in no plan for the time of one call; who calls then is told to try again.
        """
        limits = {policy.tenant: throttle(policy) for policy in policies}
        plans = {self._deployment.plan(limit): limit for limit in limits.values()}
        if len(limits) > MOST_KEYS or len(plans) > MOST_PLANS:
            raise TooManyTenantsError(f"{len(limits)} tenants with {len(plans)} rates don't fit into usage plans")
        made = sum(self._make_plan(name, limit) for name, limit in plans.items() if name not in self._plans)
        moved = 0
        for tenant, limit in limits.items():
            name = self._deployment.key(tenant)
            made += name not in self._keys and self._make_key(name, tenant)
            moved += self._place(self._keys[name], self._plans[self._deployment.plan(limit)])
        removed = sum(self._remove_key(name) for name in set(self._keys) - set(map(self._deployment.key, limits)))
        removed += sum(self._remove_plan(name) for name in set(self._plans) - set(plans))
        _LOG.info("usage plans: %d made, %d moved, %d removed", made, moved, removed)
        return Changes(made=made, moved=moved, removed=removed)

    def _make_plan(self, name: str, limit: Throttle | None) -> int:
        throttled = {} if limit is None else {"throttle": {"rateLimit": float(limit.rate), "burstLimit": limit.burst}}
        stages = [{"apiId": self._deployment.api, "stage": self._deployment.stage}]
        self._plans[name] = self._client.create_usage_plan(name=name, apiStages=stages, **throttled)["id"]
        return 1

    def _make_key(self, name: str, tenant: str) -> int:
        value = tenant_key(self._deployment.name, tenant)
        self._keys[name] = self._client.create_api_key(name=name, value=value, enabled=True)["id"]
        return 1

    def _place(self, key: str, plan: str) -> int:
        """Put the key into its plan; a key can be in one plan alone of those with the same stage."""
        before = self._inside.get(key)
        if before == plan:
            return 0
        if before is not None:
            self._client.delete_usage_plan_key(usagePlanId=before, keyId=key)
        self._client.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
        return 1

    def _remove_key(self, name: str) -> int:
        self._client.delete_api_key(apiKey=self._keys[name])
        return 1

    def _remove_plan(self, name: str) -> int:
        """A plan that has a stage can't be deleted."""
        plan, stage = self._plans[name], f"{self._deployment.api}:{self._deployment.stage}"
        left = [{"op": "remove", "path": "/apiStages", "value": stage}]
        self._client.update_usage_plan(usagePlanId=plan, patchOperations=left)
        self._client.delete_usage_plan(usagePlanId=plan)
        return 1

    def _named(self, operation: str, prefix: str) -> dict[str, str]:
        """The ids of ours, by their names."""
        narrowed = {"nameQuery": prefix} if operation == "get_api_keys" else {}
        return {one["name"]: one["id"] for one in self._pages(operation, **narrowed) if one["name"].startswith(prefix)}

    def _pages(self, operation: str, **arguments: str) -> Iterator[Mapping[str, Any]]:
        position: dict[str, str] = {}
        while True:
            page = getattr(self._client, operation)(limit=_PAGE, **arguments, **position)
            yield from page.get("items", ())
            if "position" not in page:
                return
            position = {"position": page["position"]}
