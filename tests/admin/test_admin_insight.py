"""What an operator may see without changing anything: usage, one request tried, a document tried on the past."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.intake import RawRequest, read_intent
from gateway.policy.decide import decide
from gateway.policy.document import parse
from gateway.policy.model import Backend, Minted, Policy, Principal, QuotaRule
from gateway.policy.problems import Refusal
from gateway.server.carriages import Limits, carriages
from gateway.tenants.evaluation import NAMES
from gateway.tenants.ledger import Reservation
from tests.admin.bench import BASE, NOW, Bench, code, created, document, pointers

CLAIMS = {"sub": "joe", "scope": "files:write"}
QUESTION = {"backend": "proxy", "name": "a b/ü.png", "size": 10, "content_type": "image/png", "claims": CLAIMS}


def evaluated(admin: Bench, tenant: dict[str, Any], **question: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with admin.client() as client:
            if admin.stores.policies.get("acme") is None:
                await created(client, tenant)
            return await client.post(f"{BASE}/acme/evaluate", json={**QUESTION, **question})

    return asyncio.run(ask())


def test_a_grant_says_exactly_what_s3_would_see(admin: Bench) -> None:
    """The key, the headers, the version that decided, and every rule passed."""
    answer = evaluated(admin, document(), headers={"X-Amz-Meta-A": "1"}).json()
    granted = evaluated(admin, document()).json()

    assert answer["problem"]["type"].endswith(":header-not-allowed")
    assert granted == {
        "decision": "grant",
        "grant": {
            "key": "acme/a b/ü.png",
            "name": "a b/ü.png",
            "size": 10,
            "content_type": "image/png",
            "create_only": True,
            "url_lifetime": 900,
            "headers": {"content-length": "10", "content-type": "image/png", "if-none-match": "*"},
        },
        "policy_version": 1,
        "rules": [{"rule": rule, "outcome": "passed"} for rule in NAMES],
    }


ASKED: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({}, {"headers": {"transfer-encoding": "chunked"}}, "framing", "length-required"),
    ({}, {"claims": {"iss": "https://elsewhere.example"}}, "token", "token-invalid"),
    ({"status": "suspended"}, {}, "tenant", "tenant-suspended"),
    ({}, {"claims": {"sub": "joe"}}, "scope", "scope-missing"),
    ({}, {"claims": {"scope": ["files:read"]}}, "scope", "scope-missing"),
    ({"backends": ["edge"]}, {}, "backend", "backend-not-allowed"),
    ({}, {"headers": {"if-match": '"x"'}}, "headers", "header-not-allowed"),
    ({}, {"backend": "presigned", "headers": {"x-api-key": "k"}}, "headers", "header-not-allowed"),
    ({}, {"name": "a/../b.png"}, "name", "name-invalid"),
    ({}, {"name": "/b.png"}, "name", "name-invalid"),
    ({}, {"name": ""}, "name", "name-invalid"),
    ({}, {"name": "a.exe.png"}, "name", "name-not-allowed"),
    ({}, {"name": "a.jpg"}, "type", "type-mismatch"),
    ({}, {"content_type": None}, "type", "type-not-allowed"),
    ({"size": {"max": 9}}, {}, "size", "size-exceeds-limit"),
    ({"checksum": "required"}, {}, "checksum", "checksum-required"),
    ({}, {"backend": "presigned"}, "precondition", "precondition-required"),
    ({"quota": {"bytes": 9}}, {}, "quota", "quota-exceeded"),
    ({"quota": {"objects": 0}}, {}, "quota", "quota-exceeded"),
]


@pytest.mark.parametrize(("tenant", "question", "rule", "expected"), ASKED, ids=range(len(ASKED)))
def test_a_refusal_names_its_rule(
    admin: Bench, tenant: dict[str, Any], question: dict[str, Any], rule: str, expected: str
) -> None:
    """The rules before it passed, those behind it were not reached."""
    answer = evaluated(admin, document(**tenant), **question).json()

    assert (answer["decision"], answer["problem"]["type"].rpartition(":")[2]) == ("refusal", expected)
    at = NAMES.index(rule)
    outcomes = ["passed"] * at + ["refused"] + ["not-reached"] * (len(NAMES) - at - 1)
    assert [(each["rule"], each["outcome"]) for each in answer["rules"]] == list(zip(NAMES, outcomes, strict=True))


def test_a_rate_that_is_used_up_is_said_and_nothing_is_taken(admin: Bench) -> None:
    """Asking costs no token."""
    tenant = document(rate={"per_second": 0.1, "burst": 1})
    first, second = evaluated(admin, tenant).json(), evaluated(admin, tenant).json()
    policy = admin.policies.get("acme")
    assert policy is not None
    assert policy.rate is not None
    admin.stores.rates.take("acme", policy.rate, NOW)
    third = evaluated(admin, tenant).json()

    assert [first["decision"], second["decision"], third["decision"]] == ["grant", "grant", "refusal"]
    assert third["problem"]["type"].endswith(":rate-limited")


def test_claims_bind_as_they_would_in_a_token(admin: Bench) -> None:
    """A shared issuer's tenant claim, and the names that the tenant's own issuer gives its claims."""
    own = {"issuer": "https://own.example.com", "audience": ["a"], "subject_claim": "uid", "scope_claim": "scp"}
    tenant = document(issuers=[own], key="{tenant}/{subject}/{name}")
    shared = {"iss": admin.tenants.url, **CLAIMS}

    answers = [
        evaluated(admin, tenant, claims=claims).json()
        for claims in (
            {**shared, "tenant": "acme"},
            {**shared, "tenant": "globex"},
            shared,
            {"iss": "https://own.example.com", "uid": "u7", "scp": ["files:write"]},
        )
    ]

    assert answers[0]["grant"]["key"] == "acme/joe/a b/ü.png"
    assert [answer["problem"]["type"].rpartition(":")[2] for answer in answers[1:3]] == ["tenant-unknown"] * 2
    assert answers[3]["grant"]["key"] == "acme/u7/a b/ü.png"


WRONG_QUESTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"backend": "files"}, ["/backend"]),
    ({"size": -1}, ["/size"]),
    ({"size": "1"}, ["/size"]),
    ({"name": None}, ["/name"]),
    ({"claims": {"sub": 5}}, ["/claims/sub"]),
    ({"claims": {"scope": {"a": 1}}}, ["/claims/scope"]),
    ({"headers": {"content-length": "1"}}, ["/headers/content-length"]),
    ({"headers": {"a/b": "1", "x": "1\n2"}}, ["/headers/a~1b", "/headers/x"]),
    ({"headers": {"x": 1}}, ["/headers/x"]),
    ({"content_type": "a\r\nb"}, ["/content_type"]),
]


@pytest.mark.parametrize(("question", "expected"), WRONG_QUESTIONS, ids=range(len(WRONG_QUESTIONS)))
def test_what_no_request_could_be_is_refused(admin: Bench, question: dict[str, Any], expected: list[str]) -> None:
    """A question is held to what a request can be before it is answered."""
    assert pointers(evaluated(admin, document(), **question)) == expected


def test_unknown_tenants_have_nothing_to_see(admin: Bench) -> None:
    """Every call on a tenant that does not exist is `not-found`."""

    async def ask() -> list[str]:
        async with admin.client() as client:
            answers = [
                *[await client.get(f"{BASE}/nobody{path}") for path in ("", "/history", "/usage", "/keys")],
                await client.get(f"{BASE}/No%20Tenant"),
                await client.post(f"{BASE}/nobody/evaluate", json=QUESTION),
                await client.post(f"{BASE}/nobody/keys", json={"name": "k", "scopes": ["a"]}),
                await client.delete(f"{BASE}/nobody/keys/aaaaaaaaaaaaaaaa"),
            ]
            return [code(answer) for answer in answers]

    assert asyncio.run(ask()) == ["not-found"] * 8


def test_usage_is_what_the_ledger_counts(admin: Bench) -> None:
    """Beside the quota and the rate, with the tokens that are left."""
    tenant = document(quota={"bytes": 100}, rate={"per_second": 1, "burst": 5})

    async def ask() -> Any:
        async with admin.client() as client:
            await created(client, tenant)
            reservation = Reservation(id="r", tenant="acme", key="acme/a", bytes=7, expires_at=NOW + 9)
            admin.stores.ledger.reserve(reservation, QuotaRule())
            admin.stores.ledger.correct("acme", "acme/b", 5, NOW)
            return (await client.get(f"{BASE}/acme/usage")).json()

    assert asyncio.run(ask()) == {
        "bytes": 5,
        "objects": 1,
        "reserved_bytes": 7,
        "reserved_objects": 1,
        "quota": {"bytes": 100, "objects": None},
        "rate": {"per_second": 1, "burst": 5, "per": "tenant", "left": 5},
    }


def decided(admin: Bench, policy: Policy, name: str, *, size: int = 10, backend: Backend = Backend.PROXY) -> None:
    """An upload as the corridor decides it, with the onlooker that the deployment has."""
    minted = Minted(at=admin.clock.now, uuid="u")
    headers = (("content-length", str(size)), ("content-type", "image/png"), ("x-amz-meta-secret", "s3cr3t-value"))
    raw = RawRequest(method="PUT", path=f"/{backend}/{name}", query="", headers=headers)
    intent = read_intent(raw, base=f"/{backend}", carriage=carriages(Limits.NONE)[backend], minted=minted)
    assert not isinstance(intent, Refusal)
    principal = Principal(tenant="acme", issuer="i", subject="joe", scopes=frozenset({"files:write"}))
    admin.recent.observe(principal, policy, intent, decide(principal, policy, intent))


def test_a_dry_run_says_which_of_the_last_decisions_would_differ(admin: Bench) -> None:
    """Newest first; nothing is changed, and no value that a client sent is remembered."""
    tenant = document(metadata={"keys": ["*"]}, overwrite=True)

    async def ask(body: dict[str, Any], **headers: str) -> httpx.Response:
        async with admin.client(**headers) as client:
            if admin.stores.policies.get("acme") is None:
                await created(client, tenant)
                policy = admin.policies.get("acme")
                assert policy is not None
                for name, size in (("small.png", 10), ("large.png", 5_000), ("a.jpg", 10), ("..%2F..", 10)):
                    decided(admin, policy, name, size=size)
            return await client.put(f"{BASE}/acme?dry_run=true", json=body, headers=headers)

    same = asyncio.run(ask(tenant)).json()
    tighter = asyncio.run(ask({**tenant, "size": {"max": 100}})).json()
    wider = asyncio.run(ask({**tenant, "types": {"image/*": []}, "key": "{tenant}/x/{name}"})).json()

    assert (same["dry_run"], same["decisions"], same["differing"]) == (True, 4, [])
    assert [(each["name"], each["was"], each["would_be"]) for each in tighter["differing"]] == [
        (
            "large.png",
            {"decision": "grant", "key": "acme/large.png", "create_only": False},
            {"decision": "refusal", "code": "size-exceeds-limit"},
        )
    ]
    assert [each["name"] for each in wider["differing"]] == ["a.jpg", "large.png", "small.png"]
    assert tighter["document"]["size"] == {"min": 0, "max": 100}
    assert [version.version for version in admin.stores.policies.history("acme", limit=9).items] == [1]
    assert "s3cr3t" not in json.dumps(
        [decision.members for decision in admin.stores.decisions.last("acme")], default=str
    )


def test_a_dry_run_is_held_to_a_condition_that_is_given(admin: Bench) -> None:
    """It says what the PUT would: with a stale etag nothing, with none what is asked."""

    async def ask() -> list[Any]:
        async with admin.client() as client:
            new = await client.put(f"{BASE}/acme?dry_run=true", json=document(), headers={"if-none-match": "*"})
            await created(client, document())
            stale = await client.put(f"{BASE}/acme?dry_run=true", json=document(), headers={"if-match": '"0-0"'})
            wrong = await client.put(f"{BASE}/acme?dry_run=true", json=document("globex"))
            return [new.status_code, code(stale), pointers(wrong)]

    assert asyncio.run(ask()) == [200, "precondition-failed", ["/tenant"]]


def test_of_many_decisions_the_last_hundred_are_kept(admin: Bench) -> None:
    """A busy second costs the store no more than a quiet one, and another tenant loses nothing by it."""
    policy = parse(document())
    other = parse(document("globex"))
    assert isinstance(policy, Policy)
    assert isinstance(other, Policy)
    decided(admin, other, "first.png")
    for number in range(1_000):
        decided(admin, policy, f"{number}.png")

    kept = admin.recent.last("acme")

    assert [decision.members["request"]["name"] for decision in kept] == [f"{n}.png" for n in range(999, 899, -1)]
    assert len(admin.recent.last("globex")) == 1


def test_a_store_that_does_not_answer_is_said_so(admin: Bench) -> None:
    """`storage-unavailable` with the time to wait; nothing else is told of what failed."""

    async def ask() -> list[httpx.Response]:
        async with admin.client() as client:
            await created(client, document())
            admin.database.close()
            admin.place.joinpath("gateway.sqlite").rename(admin.place / "elsewhere")
            admin.place.joinpath("gateway.sqlite").mkdir()
            return [await client.get(f"{BASE}/acme"), await client.put(f"{BASE}/globex", json=document("globex"))]

    answers = asyncio.run(ask())

    assert [code(answer) for answer in answers] == ["storage-unavailable"] * 2
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert "sqlite" not in answers[0].text
