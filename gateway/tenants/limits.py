"""What is left of a tenant's rate and quota, as the answer to a call says it.

`RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-09 has them: lists of structured fields
(RFC 9651), a policy an item. The policies are `rate` (requests), `bytes` and `objects`, those that the tenant has. The
two of the quota have no window: room comes back when objects go, not as time goes by.
"""

import functools
import math
from typing import Final

from gateway.policy.model import Policy, QuotaRule, RateRule
from gateway.tenants.ledger import Usage
from gateway.tenants.rate import Taken, TryLater

Headers = tuple[tuple[str, str], ...]

MOST: Final = 999_999_999_999_999
"""The largest integer of a structured field (RFC 9651 section 3.3.1); a larger quota is said as this."""


def limits(policy: Policy, *, rate: Taken | TryLater | None = None, usage: Usage | None = None) -> Headers:
    """The two headers; none where the tenant has neither a rate nor a quota. What is not known now is left out."""
    said = _policies(policy.rate, policy.quota)
    if not said:
        return ()
    left = [] if policy.rate is None or rate is None else [_of_rate(rate)]
    if usage is not None:
        quota = policy.quota
        if quota.bytes is not None:
            left.append(f'"bytes";r={_rest(quota.bytes, usage.bytes + usage.reserved_bytes)}')
        if quota.objects is not None:
            left.append(f'"objects";r={_rest(quota.objects, usage.objects + usage.reserved_objects)}')
    policies = ("ratelimit-policy", said)
    return (policies, ("ratelimit", ", ".join(left))) if left else (policies,)


@functools.lru_cache(maxsize=1024)
def _policies(rate: RateRule | None, quota: QuotaRule) -> str:
    """The policies that there are; the same text again and again."""
    said = []
    if rate is not None:
        said.append(f'"rate";q={rate.burst};w={max(1, math.ceil(rate.burst / rate.per_second))}')
    if quota.bytes is not None:
        said.append(f'"bytes";q={min(quota.bytes, MOST)};qu="content-bytes"')
    if quota.objects is not None:
        said.append(f'"objects";q={min(quota.objects, MOST)}')
    return ", ".join(said)


def _rest(most: int, held: int) -> int:
    return min(max(0, most - held), MOST)


def _of_rate(rate: Taken | TryLater) -> str:
    """Tokens, and the seconds until there are all (of an empty bucket: until there is one)."""
    if isinstance(rate, TryLater):
        return f'"rate";r=0;t={max(1, math.ceil(rate.seconds))}'
    return f'"rate";r={rate.left};t={math.ceil(rate.full_in)}'
