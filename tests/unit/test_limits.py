"""The `RateLimit` headers: structured fields that say each policy of the tenant and what is left of it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.model import Policy, QuotaRule, RateRule, TenantId
from gateway.tenants.ledger import Usage
from gateway.tenants.limits import MOST, limits
from gateway.tenants.rate import Taken, TryLater

RATE = RateRule(per_second=0.5, burst=20)
QUOTA = QuotaRule(bytes=1_000, objects=10)
USAGE = Usage(bytes=300, objects=2, reserved_bytes=200, reserved_objects=1)

ITEM = re.compile(r'"([a-z]+)"((?:;[a-z]+=(?:[0-9]{1,15}|"[a-z-]+"))*)')


def policy(rate: RateRule | None = None, quota: QuotaRule | None = None) -> Policy:
    return Policy(tenant=TenantId("acme"), rate=rate, quota=quota or QuotaRule())


def parsed(field: str) -> dict[str, dict[str, Any]]:
    """A list of strings with parameters, as RFC 9651 writes one."""
    found: dict[str, dict[str, Any]] = {}
    for item in field.split(", "):
        match = ITEM.fullmatch(item)
        assert match is not None, item
        pairs = (pair.split("=") for pair in match[2].split(";")[1:])
        found[match[1]] = {name: value if value[0] == '"' else int(value) for name, value in pairs}
    return found


def test_rate_and_quota_are_policies_of_their_own() -> None:
    """All that is known of each, in one field."""
    said = dict(limits(policy(RATE, QUOTA), rate=Taken(left=19, full_in=1.2), usage=USAGE))
    assert parsed(said["ratelimit-policy"]) == {
        "rate": {"q": 20, "w": 40},
        "bytes": {"q": 1_000, "qu": '"content-bytes"'},
        "objects": {"q": 10},
    }
    assert parsed(said["ratelimit"]) == {"rate": {"r": 19, "t": 2}, "bytes": {"r": 500}, "objects": {"r": 7}}


@pytest.mark.parametrize(
    ("of", "known", "expected"),
    [
        (policy(), {"usage": USAGE}, {}),
        (policy(RATE), {"rate": TryLater(seconds=0.1)}, {"rate": {"r": 0, "t": 1}}),
        (policy(RATE, QUOTA), {"rate": TryLater(seconds=3.1)}, {"rate": {"r": 0, "t": 4}}),
        (policy(quota=QuotaRule(objects=2)), {"usage": USAGE}, {"objects": {"r": 0}}),
        (policy(RATE, QUOTA), {}, {}),
    ],
)
def test_what_is_not_known_is_not_said(of: Policy, known: dict[str, Any], expected: dict[str, Any]) -> None:
    """A tenant without limits has no headers; what is used up is 0, never less."""
    said = dict(limits(of, **known))
    assert parsed(said["ratelimit"]) == expected if expected else "ratelimit" not in said
    assert ("ratelimit-policy" in said) == (of.rate is not None or of.quota != QuotaRule())


@given(most=st.integers(0, 2**63 - 1), held=st.integers(0, 2**63 - 1))
def test_every_number_is_one_that_a_structured_field_can_hold(most: int, held: int) -> None:
    """Fifteen digits (RFC 9651, section 3.3.1)."""
    said = dict(limits(policy(quota=QuotaRule(bytes=most)), usage=Usage(bytes=held)))
    assert parsed(said["ratelimit-policy"])["bytes"]["q"] == min(most, MOST)
    assert parsed(said["ratelimit"])["bytes"]["r"] == min(max(0, most - held), MOST)
