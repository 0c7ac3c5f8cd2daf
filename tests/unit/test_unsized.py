"""An upload whose client says no size: what is granted instead, and how much room it gets."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.allowance import Allowance, Caller
from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import (
    SINGLE_PUT_LIMIT,
    Backend,
    Carriage,
    Intent,
    Minted,
    Policy,
    Principal,
    QuotaRule,
    SizeRule,
    TenantId,
)
from gateway.policy.problems import Refusal
from gateway.tenants.ledger import Reservation
from gateway.tenants.stores import open_sqlite

Result = TypeVar("Result")

NOW = 1_795_000_000.0
POLICY = Policy(tenant=TenantId("acme"), types={"*/*": ()}, overwrite=True, size=SizeRule(min=10, max=1000))
CALLER = Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset({"files:write"}))
INTENT = Intent(
    carriage=Carriage(backend=Backend.PRESIGNED),
    name="a.bin",
    size=None,
    content_type=None,
    checksum=None,
    create_only=False,
    metadata=(),
    object_headers=(),
    minted=Minted(at=NOW, uuid="u"),
    client="uppy",
)


async def at_once(call: Callable[[], Result]) -> Result:
    """An `Aside` that waits for nobody."""
    return call()


def granted(policy: Policy = POLICY) -> Grant:
    """The grant of an upload without a size."""
    outcome = decide(CALLER, policy, INTENT)
    assert isinstance(outcome, Grant)
    return outcome


@pytest.mark.parametrize(
    ("size", "bounds"),
    [
        (SizeRule(min=10, max=1000), (10, 1000)),
        (SizeRule(), (0, SINGLE_PUT_LIMIT)),
        (SizeRule(min=7, max=7), (7, 7)),
    ],
)
def test_the_policys_bounds_are_granted(size: SizeRule, bounds: tuple[int, int]) -> None:
    """Cut to what one request carries; a length is said to S3 only where there is but one."""
    grant = granted(replace(POLICY, size=size))

    assert (grant.least, grant.size) == bounds
    assert ("content-length", str(grant.size)) in grant.s3_headers() or not grant.exact
    assert grant.exact is (bounds[0] == bounds[1])


@pytest.mark.parametrize(
    ("policy", "intent", "expected"),
    [
        (POLICY, replace(INTENT, client="sts"), "request-invalid"),
        (replace(POLICY, clients=()), INTENT, "request-invalid"),
        (replace(POLICY, clients=()), replace(INTENT, client=None, size=20), None),
        (replace(POLICY, checksum="required"), INTENT, "request-invalid"),
        (replace(POLICY, size=SizeRule(min=SINGLE_PUT_LIMIT + 1)), INTENT, "size-exceeds-limit"),
        (replace(POLICY, status="suspended", clients=()), INTENT, "tenant-suspended"),
        (replace(POLICY, backends=(Backend.PROXY,), clients=()), INTENT, "backend-not-allowed"),
        (replace(POLICY, clients=()), replace(INTENT, name=Refusal(code="x", detail="")), "request-invalid"),  # type: ignore[arg-type]
    ],
)
def test_a_kind_of_client_is_judged_with_the_backend(policy: Policy, intent: Intent, expected: str | None) -> None:
    """Behind the tenant and the scope, before everything about the upload."""
    outcome = decide(CALLER, policy, intent)

    assert (str(outcome.code) if isinstance(outcome, Refusal) else None) == expected


@given(most=st.integers(-5, 2000))
def test_a_grant_is_only_narrowed(most: int) -> None:
    """All else stays; nothing is widened, and no size is left out that was the least."""
    grant = granted()
    if not 10 <= most <= 1000:
        with pytest.raises(ValueError, match="narrowed"):
            grant.within(most)
        return

    narrowed = grant.within(most)

    assert (narrowed.least, narrowed.size) == (10, most)
    assert narrowed.s3_headers() == grant.s3_headers() or narrowed.exact
    assert (narrowed.key, narrowed.create_only, narrowed.url_lifetime) == (
        grant.key,
        grant.create_only,
        grant.url_lifetime,
    )


@pytest.mark.parametrize(
    ("used", "room"), [(0, 1000), (1000, 1000), (1500, 500), (1990, 10), (1991, None), (2000, None)]
)
def test_what_is_left_of_a_quota_will_do(tmp_path: Path, used: int, room: int | None) -> None:
    """As long as the least that the tenant takes is left; with it the quota is full, and no further one fits."""
    stores = open_sqlite(tmp_path / "gateway.sqlite")
    quota = QuotaRule(bytes=2000)
    other = Reservation(id="other", tenant="acme", key="acme/b", bytes=used, expires_at=NOW + 60)
    stores.ledger.reserve(other, quota)
    allowance = Allowance(rates=stores.rates, ledger=stores.ledger, aside=at_once, clock=lambda: NOW)
    caller = Caller(principal=CALLER, policy=replace(POLICY, quota=quota), request_id="r")

    outcome = asyncio.run(allowance.take(caller, granted()))

    assert (None if isinstance(outcome, Refusal) else outcome.bytes) == room
    assert stores.ledger.usage("acme").reserved_bytes == used + (room or 0)
