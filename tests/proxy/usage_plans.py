"""The part of API Gateway that keeps usage plans and API keys, in memory: it takes what the real one takes.

What a call may say is the SDK's own model of it; what is refused beside that is in "Usage plans and API keys for REST
APIs": values are unique, a key is in one plan of a stage, a plan with a stage can't be deleted.
"""

import itertools
import time
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.validate import ParamValidator

PAGE = 2
_MODEL = botocore.session.Session().get_service_model("apigateway")
_OPERATIONS = {xform_name(name): _MODEL.operation_model(name) for name in _MODEL.operation_names}


class ConflictError(Exception):
    """API Gateway refuses."""


class PretendedPlans:
    """boto3's client for `apigateway`, as far as plans and keys go; `metered` is what the API then does with a key."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.plans: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.inside: dict[str, str] = {}
        self.called: list[str] = []
        self._ids = map(str, itertools.count(1))
        self._clock = clock
        self._spent: dict[str, tuple[float, float]] = {}

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = _OPERATIONS[name]
        act: Callable[[dict[str, Any]], dict[str, Any]] = object.__getattribute__(self, f"_{name}")

        def call(**arguments: Any) -> dict[str, Any]:
            assert not ParamValidator().validate(arguments, operation.input_shape).has_errors()
            self.called.append(name)
            return act(arguments)

        return call

    def metered(self, value: str) -> str | None:
        """A token bucket for each key, by the throttle of its plan."""
        key = next((one["id"] for one in self.keys.values() if one["value"] == value), None)
        if key not in self.inside:
            return "INVALID_API_KEY"
        throttle = self.plans[self.inside[key]].get("throttle")
        if throttle is None:
            return None
        now = self._clock()
        left, at = self._spent.get(key, (float(throttle["burstLimit"]), now))
        left = min(throttle["burstLimit"], left + (now - at) * throttle["rateLimit"])
        self._spent[key] = (left - 1 if left >= 1 else left, now)
        return None if left >= 1 else "THROTTLED"

    def members(self) -> dict[str, str]:
        """The names of keys, and of the plans that they are in."""
        return {self.keys[key]["name"]: self.plans[plan]["name"] for key, plan in self.inside.items()}

    def _page(self, items: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
        start = int(asked.get("position", "0"))
        following = {"position": str(start + PAGE)} if start + PAGE < len(items) else {}
        return {"items": items[start : start + PAGE], **following}

    def _get_usage_plans(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._page(list(self.plans.values()), asked)

    def _get_api_keys(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._page([one for one in self.keys.values() if one["name"].startswith(asked["nameQuery"])], asked)

    def _get_usage_plan_keys(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._page([{"id": key} for key, plan in self.inside.items() if plan == asked["usagePlanId"]], asked)

    def _create_usage_plan(self, asked: dict[str, Any]) -> dict[str, Any]:
        made = {"id": next(self._ids), **asked}
        self.plans[made["id"]] = made
        return made

    def _create_api_key(self, asked: dict[str, Any]) -> dict[str, Any]:
        if not 20 <= len(asked["value"]) <= 128 or asked["value"] in {one["value"] for one in self.keys.values()}:
            raise ConflictError
        made = {"id": next(self._ids), **asked}
        self.keys[made["id"]] = made
        return made

    def _create_usage_plan_key(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["keyId"] in self.inside:
            raise ConflictError
        self.inside[asked["keyId"]] = asked["usagePlanId"]
        return {}

    def _delete_usage_plan_key(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self.inside.pop(asked["keyId"]) == asked["usagePlanId"]
        return {}

    def _delete_api_key(self, asked: dict[str, Any]) -> dict[str, Any]:
        del self.keys[asked["apiKey"]]
        self.inside.pop(asked["apiKey"], None)
        return {}

    def _update_usage_plan(self, asked: dict[str, Any]) -> dict[str, Any]:
        (patch,) = asked["patchOperations"]
        assert (patch["op"], patch["path"]) == ("remove", "/apiStages")
        plan = self.plans[asked["usagePlanId"]]
        plan["apiStages"] = [one for one in plan["apiStages"] if f"{one['apiId']}:{one['stage']}" != patch["value"]]
        return plan

    def _delete_usage_plan(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.plans[asked["usagePlanId"]]["apiStages"]:
            raise ConflictError
        del self.plans[asked["usagePlanId"]]
        return {}
