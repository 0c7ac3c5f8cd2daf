"""Whose usage plan a call through API Gateway counts against, and what the plan allows. Pure.

API Gateway throttles each API key of a plan by itself ("Usage plans and API keys for REST APIs"), so tenants of the
same rate share a plan and have a key each. The key is the authorizer's answer and never a client's: it is made of names
that anybody may know, and is worth nothing without an answer of the authorizer. Plans are best effort, as the same page
says; the exact rate is the store's, and a plan is never tighter than that.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Final

from gateway.policy.model import Policy

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
"""A deployment's name; with the rest a key's value has 20 to 128 characters ("CreateApiKey")."""

_PREFIX: Final = "upload-gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """What a plan allows each of its keys: requests a second, and at once."""

    rate: int
    burst: int


def deployment_name(text: str) -> str:
    """The name of a deployment as it is; raises ValueError for what is none."""
    if not _NAME.fullmatch(text):
        raise ValueError("it is a letter and at most 63 letters, digits and hyphens")
    return text


def throttle(policy: Policy) -> Throttle | None:
    """The throttle of a tenant; None where its rate is none, or is each subject's own."""
    if policy.rate is None or policy.rate.per != "tenant":
        return None
    return Throttle(rate=math.ceil(policy.rate.per_second), burst=policy.rate.burst)


def shared_key(deployment: str) -> str:
    """The value of the key of everybody who has no throttle."""
    return f"{_PREFIX}.{deployment}.everybody"


def tenant_key(deployment: str, tenant: str) -> str:
    """The value of a tenant's own key; of one length, whatever the tenant's id is."""
    return f"{_PREFIX}.{deployment}.{hashlib.sha256(tenant.encode()).hexdigest()[:32]}"


def usage_key(deployment: str, policy: Policy) -> str:
    """The value of the key that a call of this tenant counts against."""
    return shared_key(deployment) if throttle(policy) is None else tenant_key(deployment, policy.tenant)
