"""What an operator may see of the past: the usage over time, and the last decisions."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import decide
from gateway.policy.document import parse
from gateway.policy.model import Backend, Minted, Policy, Principal, QuotaRule
from gateway.policy.problems import Refusal
from gateway.server.carriages import Limits, carriages
from gateway.server.sweeper import sample_usage
from gateway.tenants.decisions import KEPT
from gateway.tenants.errors import StoreUnavailableError
from gateway.tenants.insight import MOST_SAMPLES, thinned
from gateway.tenants.ledger import Reservation, StoredObject, Usage
from gateway.tenants.sampling import UsageSampler
from gateway.tenants.usage_history import SLOT, UsageSample
from tests.admin.bench import BASE, Bench, code, created, document, pointers

HOUR = 3_600


def asked(admin: Bench, path: str) -> httpx.Response:
    """A GET of the tenant acme, which is made first."""

    async def ask() -> httpx.Response:
        async with admin.client() as client:
            if admin.stores.policies.get("acme") is None:
                await created(client, document())
            return await client.get(f"{BASE}/acme/{path}")

    return asyncio.run(ask())


def sampler(admin: Bench) -> UsageSampler:
    """The sampler as the server has it."""
    return UsageSampler(ledger=admin.stores.ledger, history=admin.stores.history, clock=admin.clock)


def observed(admin: Bench, watching: UsageSampler, name: str = "a.png", size: int = 10) -> None:
    """One decision, told to both onlookers."""
    policy = parse(document())
    assert isinstance(policy, Policy)
    headers = (("content-length", str(size)), ("content-type", "image/png"))
    raw = RawRequest(method="PUT", path=f"/proxy/{name}", query="", headers=headers)
    minted = Minted(at=admin.clock.now, uuid="00000000-0000-4000-8000-000000000000")
    intent = read_intent(raw, base="/proxy", carriage=carriages(Limits.NONE)[Backend.PROXY], minted=minted)
    assert not isinstance(intent, Refusal)
    principal = Principal(tenant="acme", issuer="https://id.example", subject="joe", scopes=frozenset({"files:write"}))
    for onlooker in (admin.recent.observe, watching.observe):
        onlooker(principal, policy, intent, decide(principal, policy, intent))


def stored(admin: Bench, size: int) -> None:
    """S3 holds so much under the tenant's one key."""
    admin.stores.ledger.settle("acme", "none", StoredObject(key="acme/a.png", bytes=size, seen_at=admin.clock.now))


def test_usage_is_sampled_while_it_moves(admin: Bench) -> None:
    """From a tenant's first decision until nothing is reserved and nothing changes; then again from the next."""
    watching = sampler(admin)
    nobody = watching.sample()
    observed(admin, watching)
    admin.stores.ledger.reserve(
        Reservation(id="r1", tenant="acme", key="acme/a.png", bytes=10, expires_at=admin.clock.now + 60), QuotaRule()
    )
    under_way = [watching.sample(), watching.sample()]
    admin.clock.now += SLOT
    admin.stores.ledger.release("acme", "r1")
    stored(admin, 10)
    over = [watching.sample(), watching.sample()]
    stored(admin, 30)
    unseen = watching.sample()
    observed(admin, watching)
    seen = watching.sample()

    assert (nobody, under_way, over, unseen, seen) == (0, [1, 0], [1, 0], 0, 1)
    assert [each.usage for each in admin.stores.history.since("acme", 0)] == [
        Usage(reserved_bytes=10, reserved_objects=1),
        Usage(bytes=30, objects=1),
    ]


def test_usage_over_time_ends_now(admin: Bench) -> None:
    """What was before the time leads, and the last sample is taken when it is asked for."""
    watching = sampler(admin)
    for size in (10, 20, 30):
        stored(admin, size)
        observed(admin, watching)
        watching.sample()
        admin.clock.now += 20 * HOUR
    day, week = asked(admin, "usage/history?days=1").json(), asked(admin, "usage/history").json()

    assert [(each["at"][:16], each["bytes"]) for each in day["samples"]] == [
        ("2027-01-16T04:00", 20),
        ("2027-01-17T00:00", 30),
        ("2027-01-17T20:00", 30),
    ]
    assert (day["since"][:16], day["until"][:16], day["step"]) == ("2027-01-16T20:00", "2027-01-17T20:00", SLOT)
    assert [each["bytes"] for each in week["samples"]] == [10, 20, 30, 30]


def test_long_times_are_thinned() -> None:
    """Of each step the last sample; never many more than fit a chart."""
    samples = [UsageSample(tenant="acme", at=number * SLOT, usage=Usage(bytes=number)) for number in range(3_360)]
    few = thinned(samples, 10 * SLOT)

    assert len(few) == MOST_SAMPLES
    assert [each.usage.bytes for each in few[:2]] == [9, 19]
    assert few[-1] == samples[-1]


def test_the_last_decisions_are_told(admin: Bench) -> None:
    """Newest first, with what was asked and what came of it."""
    watching = sampler(admin)
    for name in ("a.png", "b.jpg", "..%2F.."):
        observed(admin, watching, name)
    told: list[dict[str, Any]] = asked(admin, "decisions").json()["decisions"]
    one = asked(admin, "decisions?limit=1").json()["decisions"]

    assert [(each["name"], each["outcome"].get("code")) for each in told] == [
        (None, "name-invalid"),
        ("b.jpg", "type-mismatch"),
        ("a.png", None),
    ]
    assert told[2] == {
        "at": "2027-01-15T08:00:00.000Z",
        "backend": "proxy",
        "name": "a.png",
        "size": 10,
        "content_type": "image/png",
        "subject": "joe",
        "issuer": "https://id.example",
        "scopes": ["files:write"],
        "checksum": None,
        "outcome": {"decision": "grant", "key": "acme/a.png", "create_only": True},
    }
    assert one == told[:1]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("usage/history?days=0", "/query/days"),
        ("usage/history?days=36", "/query/days"),
        ("usage/history?days=x", "/query/days"),
        ("decisions?limit=0", "/query/limit"),
        (f"decisions?limit={KEPT + 1}", "/query/limit"),
        ("decisions?limit=", "/query/limit"),
    ],
)
def test_what_can_not_be_asked_is_said(admin: Bench, path: str, pointer: str) -> None:
    """With a pointer to the parameter."""
    assert pointers(asked(admin, path)) == [pointer]


def test_another_tenants_past_is_not_there(admin: Bench) -> None:
    """An unknown tenant has none, and a parameter of another call is refused."""

    async def ask() -> list[str]:
        async with admin.client() as client:
            paths = (
                "nobody/usage/history",
                "nobody/decisions",
                "acme/decisions?cursor=1",
                "acme/usage/history?limit=1",
            )
            await created(client, document())
            return [code(await client.get(f"{BASE}/{path}")) for path in paths]

    assert asyncio.run(ask()) == ["not-found", "not-found", "query-not-allowed", "query-not-allowed"]


def test_what_is_kept_in_a_file_is_said_to_be_read_only(admin: Bench) -> None:
    """In the listing, and by `Allow` where it is read."""
    (admin.files / "filed.json").write_text('{"version": 1, "tenant": "filed"}')

    async def ask() -> tuple[Any, str | None, str | None]:
        async with admin.client() as client:
            await created(client, document())
            listing = (await client.get(BASE)).json()
            filed, acme = [await client.get(f"{BASE}/{tenant}") for tenant in ("filed", "acme")]
            return listing, filed.headers.get("allow"), acme.headers.get("allow")

    listing, filed, acme = asyncio.run(ask())

    assert (listing["read_only"], [each["tenant"] for each in listing["tenants"]]) == (["filed"], ["filed", "acme"])
    assert (filed, acme) == ("GET", None)


def test_a_store_that_does_not_answer_is_sampled_later(admin: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The work beside the server says so and goes on; nothing of what changed meanwhile is lost."""
    watching = sampler(admin)
    observed(admin, watching)
    stored(admin, 10)
    attempts = []

    async def silent_once(call: Callable[[], Any]) -> Any:
        attempts.append(call)
        if len(attempts) == 1:
            raise StoreUnavailableError("busy")
        if len(attempts) == 3:
            raise asyncio.CancelledError
        return call()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(sample_usage(watching, silent_once, every=0))

    assert [each.usage.bytes for each in admin.stores.history.since("acme", 0)] == [10]
    assert "Samples of usage wait: busy" in caplog.text
