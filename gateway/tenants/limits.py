"""What is left of a tenant's rate and quota, as the answer to a call says it.

`RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-09 has them: lists of structured fields
(RFC 9651), a policy an item. The policies are `rate` (requests), `bytes` and `objects`, those that the tenant has. The
two of the quota have no window: room comes back when objects go, not as time goes by.
"""

import math
from typing import Final

from gateway.policy.model import Policy
from gateway.tenants.ledger import Usage
from gateway.tenants.rate import Taken, TryLater

Headers = tuple[tuple[str, str], ...]

MOST: Final = 999_999_999_999_999
"""The largest integer of a structured field (RFC 9651 section 3.3.1); a larger quota is said as this."""


def limits(policy: Policy, *, rate: Taken | TryLater | None = None, usage: Usage | None = None) -> Headers:
    """The two headers; none where the tenant has neither a rate nor a quota. What is not known now is left out."""
    policies, left = [], []
    if policy.rate is not None:
        window = max(1, math.ceil(policy.rate.burst / policy.rate.per_second))
        policies.append(f'"rate";q={policy.rate.burst};w={window}')
        if rate is not None:
            left.append(_of_rate(rate))
    held = None if usage is None else (usage.bytes + usage.reserved_bytes, usage.objects + usage.reserved_objects)
    for at, (name, most, unit) in enumerate(
        (("bytes", policy.quota.bytes, ';qu="content-bytes"'), ("objects", policy.quota.objects, ""))
    ):
        if most is not None:
            policies.append(f'"{name}";q={min(most, MOST)}{unit}')
            if held is not None:
                left.append(f'"{name}";r={min(max(0, most - held[at]), MOST)}')
    said = (("ratelimit-policy", ", ".join(policies)), ("ratelimit", ", ".join(left)))
    return tuple((name, value) for name, value in said if value)


def _of_rate(rate: Taken | TryLater) -> str:
    """Tokens, and the seconds until there are all (of an empty bucket: until there is one)."""
    if isinstance(rate, TryLater):
        return f'"rate";r=0;t={max(1, math.ceil(rate.seconds))}'
    return f'"rate";r={rate.left};t={math.ceil(rate.full_in)}'
