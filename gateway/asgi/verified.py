"""Who calls, where that was verified before the application: by a ticket in the path, or by AWS for an IAM caller.

It travels in the request's state, which nothing that a client sends can reach.
"""

from typing import Any, Final

from gateway.asgi.wire import Scope
from gateway.policy.model import Principal
from gateway.policy.problems import Refusal

_STATE: Final = "upload_gateway_principal"


def with_principal(scope: Scope, principal: Principal | Refusal) -> Scope:
    """The request as that of somebody whose credential has been looked at; a Refusal says why it is nobody's."""
    return {**scope, "state": {**scope.get("state", {}), _STATE: principal}}


def verified(scope: Scope) -> Principal | Refusal | None:
    """Who was verified, or why nobody; None where the request's own headers say who calls."""
    found: Any = scope.get("state", {}).get(_STATE)
    return found if isinstance(found, Principal | Refusal) else None
