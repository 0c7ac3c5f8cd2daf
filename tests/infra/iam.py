"""A small IAM: whether policies allow a call. Conditions as far as our templates use them; anything else is an error.

IAM User Guide, "Policy evaluation logic" (a deny wins; within one account an identity's or the resource's allow does)
and "Condition operators" (a key that is missing makes a negated operator true).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

ACCOUNT, PARTITION, REGION = "111122223333", "aws", "eu-central-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: who makes it (an ARN or a service), what it does to what, and the request's condition keys."""

    who: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, str]:
        """The condition keys with those that every request has."""
        service = self.who.endswith(".amazonaws.com")
        own = {"aws:principalisawsservice": str(service).lower(), "aws:securetransport": "true"}
        own |= {} if service else {"aws:principalarn": self.who}
        return own | {name.lower(): value for name, value in self.context.items()}


_OPERATORS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "Bool": lambda found, wanted: found is not None and found in wanted,
    "StringEquals": lambda found, wanted: found is not None and found in wanted,
    "StringNotEquals": lambda found, wanted: found is None or found not in wanted,
    "ArnNotEquals": lambda found, wanted: found is None or not any(fnmatchcase(found, one) for one in wanted),
    "NumericGreaterThan": lambda found, wanted: found is not None and any(float(found) > float(one) for one in wanted),
    "Null": lambda found, wanted: str(found is None).lower() in wanted,
}


def allowed(call: Call, identity: list[dict[str, Any]], resource: list[dict[str, Any]]) -> bool:
    """Whether the caller's own statements and the resource's allow the call."""
    applying = [s["Effect"] for s in identity if _matches(s, call)]
    applying += [s["Effect"] for s in resource if _is_meant(s["Principal"], call) and _matches(s, call)]
    return "Allow" in applying and "Deny" not in applying


def _is_meant(principal: Any, call: Call) -> bool:
    return principal == "*" or call.who in _listed(principal.get("AWS", principal.get("Service")))


def _matches(statement: dict[str, Any], call: Call) -> bool:
    if "NotAction" in statement:
        acts = not any(fnmatchcase(call.action, one) for one in _listed(statement["NotAction"]))
    else:
        acts = any(fnmatchcase(call.action, one) for one in _listed(statement["Action"]))
    touches = any(fnmatchcase(call.resource, one) for one in _listed(statement["Resource"]))
    return acts and touches and _holds(statement.get("Condition", {}), call.keys)


def _holds(conditions: dict[str, Any], keys: Mapping[str, str]) -> bool:
    return all(
        _OPERATORS[operator](keys.get(key.lower()), _listed(wanted))
        for operator, tests in conditions.items()
        for key, wanted in tests.items()
    )


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
