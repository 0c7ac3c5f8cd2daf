"""Who may use the admin API: every route against every kind of credential, and what nobody may set."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.identity.apikeys import mint_api_key
from gateway.identity.testing import Signer, ed25519_signer
from tests.admin.bench import BASE, MERGE_PATCH, NOW, Bench, bench, code, created, document, pointers

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("GET", "/acme", None),
    ("PUT", "/acme", document(overwrite=True)),
    ("PUT", "/acme?dry_run=true", document()),
    ("PUT", "/fresh", document("fresh")),
    ("PATCH", "/acme", {"status": "suspended"}),
    ("DELETE", "/acme", None),
    ("GET", "/acme/history", None),
    ("POST", "/acme/rollback", {"version": 1}),
    ("GET", "/acme/usage", None),
    ("GET", "/acme/usage/history", None),
    ("GET", "/acme/decisions", None),
    ("POST", "/acme/evaluate", {"backend": "proxy", "name": "a", "size": 1, "claims": {}}),
    ("GET", "/acme/keys", None),
    ("POST", "/acme/keys", {"name": "k", "scopes": ["files:write"]}),
    ("DELETE", "/acme/keys/aaaaaaaaaaaaaaaa", None),
]

OTHER: Signer = ed25519_signer("one")

CREDENTIALS: dict[str, tuple[Callable[[Bench], dict[str, str]], str]] = {
    "none": (lambda _: {}, "token-missing"),
    "basic": (lambda _: {"authorization": "Basic YTpi"}, "token-missing"),
    "empty": (lambda _: {"authorization": "Bearer "}, "token-invalid"),
    "noise": (lambda _: {"authorization": "Bearer a.b.c"}, "token-invalid"),
    "two": (lambda b: {"authorization": f"Bearer {b.operator()}", "x-api-key": "ugk_x"}, "request-invalid"),
    "tenant": (lambda b: _bearer(b.caller()), "token-invalid"),
    "tenant with the scope": (lambda b: _bearer(b.caller(scope="files:write tenants:admin")), "token-invalid"),
    "tenant with the scope and audience": (
        lambda b: _bearer(b.caller(scope="tenants:admin", aud="upload-gateway-admin")),
        "token-invalid",
    ),
    "tenant's own issuer": (
        lambda b: _bearer(b.caller(iss="https://own.example.com", scope="tenants:admin", aud="upload-gateway-admin")),
        "token-invalid",
    ),
    "operator of another key": (lambda b: _bearer(OTHER.token(_operator_claims(b))), "token-invalid"),
    "operator for another audience": (lambda b: _bearer(b.operator(aud="upload-gateway")), "token-invalid"),
    "operator for no audience": (lambda b: _bearer(b.operator(aud=None)), "token-invalid"),
    "expired operator": (lambda b: _bearer(b.operator(iat=int(NOW) - 7200, exp=int(NOW) - 1)), "token-expired"),
    "operator of tomorrow": (lambda b: _bearer(b.operator(nbf=int(NOW) + 60)), "token-invalid"),
    "operator without scope": (lambda b: _bearer(b.operator(scope=None)), "scope-missing"),
    "operator with other scopes": (
        lambda b: _bearer(b.operator(scope="files:write tenants:administer TENANTS:ADMIN tenants")),
        "scope-missing",
    ),
    "API key": (lambda b: _bearer(b.api_key()), "token-invalid"),
    "API key with the scope": (lambda b: _bearer(_powerful_key(b)), "token-invalid"),
    "API key in its header": (lambda b: {"x-api-key": _powerful_key(b)}, "token-invalid"),
}


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _operator_claims(made: Bench) -> dict[str, Any]:
    claims = {"iss": made.operators.url, "aud": "upload-gateway-admin", "sub": "eve", "scope": "tenants:admin"}
    return {**claims, "iat": int(NOW), "exp": int(NOW) + 600}


def _powerful_key(made: Bench) -> str:
    """One that got into the store past the admin API."""
    return made.api_key(scopes=("tenants:admin",))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, signing_key: Signer) -> Iterator[tuple[Bench, str]]:
    """An admin API with one tenant, which no test of the matrix changes; its etag."""
    place: Path = tmp_path_factory.mktemp("access")
    with bench(place, signing_key) as made:

        async def fill() -> str:
            async with made.client() as client:
                return await created(client, document())

        yield made, asyncio.run(fill())


def test_the_matrix_has_every_route(shared: tuple[Bench, str]) -> None:
    """A route that is added is asked about here, too."""
    names = {
        (method.upper(), path.replace("{tenant}", "acme").replace("{key}", "aaaaaaaaaaaaaaaa"))
        for path, calls in shared[0].api.openapi()["paths"].items()
        for method in calls
    }
    asked = {(method, BASE + target.partition("?")[0].replace("fresh", "acme")) for method, target, _ in ROUTES}

    assert names == asked


@pytest.mark.parametrize("kind", CREDENTIALS)
def test_nobody_but_an_operator_reaches_a_route(shared: tuple[Bench, str], kind: str) -> None:
    """The same refusal on every route, before anything is read or changed."""
    made, etag = shared
    credential, expected = CREDENTIALS[kind]

    async def attempts() -> list[httpx.Response]:
        async with made.client("", **credential(made)) as client:
            return [await _attempt(client, method, target, body, etag) for method, target, body in ROUTES]

    answers = asyncio.run(attempts())

    assert [code(answer) for answer in answers] == [expected] * len(ROUTES)
    assert all("acme" not in answer.text for answer in answers)
    if expected != "request-invalid":
        assert all("Bearer" in answer.headers["www-authenticate"] for answer in answers)
    assert [version.version for version in made.stores.policies.history("acme", limit=9).items] == [1]
    assert made.stores.policies.get("fresh") is None


async def _attempt(client: httpx.AsyncClient, method: str, target: str, body: Any, etag: str) -> httpx.Response:
    media = MERGE_PATCH if method == "PATCH" else "application/json"
    conditions = {"if-match": etag} if method in ("PUT", "PATCH", "DELETE") or "rollback" in target else {}
    content = None if body is None else json.dumps(body).encode()
    return await client.request(method, BASE + target, content=content, headers={"content-type": media, **conditions})


def test_an_operator_reaches_every_route(admin: Bench) -> None:
    """The same requests with an operator's token are answered, each in a state where it can be."""

    async def attempts() -> list[int]:
        async with admin.client() as client:
            statuses = []
            for method, target, body in ROUTES:
                if admin.stores.policies.get("acme") is None:
                    await created(client, document())
                etag = (await client.get(f"{BASE}/acme")).headers["etag"]
                answer = await _attempt(client, method, target, body, "" if "fresh" in target else etag)
                if "fresh" in target:
                    answer = await client.put(BASE + target, json=body)
                statuses.append(answer.status_code)
            return statuses

    assert asyncio.run(attempts()) == [200] * 4 + [201, 200, 204] + [200] * 7 + [201, 404]


def test_an_operator_without_the_scope_is_in_the_audit(admin: Bench) -> None:
    """A valid token that was not enough is a line; a stranger's noise is none."""

    async def attempts() -> None:
        for token in (admin.operator(scope="files:write"), admin.caller(scope="tenants:admin")):
            async with admin.client(token) as client:
                await client.get(BASE)

    asyncio.run(attempts())
    lines = [json.loads(line) for line in admin.stores.audit.lines()]

    assert [(line["outcome"], line["rule"], line["subject"]) for line in lines] == [("refused", "scope-missing", "ada")]


MASS_ASSIGNMENT: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("PUT", "/acme", document(bucket_owner="x", id="y", created_by="z"), ["/bucket_owner", "/created_by", "/id"]),
    ("PUT", "/acme", document(etag="1-x", at=0, by="root"), ["/at", "/by", "/etag"]),
    ("PUT", "/acme", document(size={"max": 1, "hard": True}), ["/size/hard"]),
    ("PUT", "/acme", document(issuers=[{"issuer": "https://a.example", "audience": ["a"], "keys": []}]),
     ["/issuers/0/keys"]),
    ("PUT", "/acme", document(tenant="globex"), ["/tenant"]),
    ("PATCH", "/acme", {"tenant": "globex"}, ["/tenant"]),
    ("PATCH", "/acme", {"version": 2}, ["/version"]),
    ("PATCH", "/acme", {"secret_key": "x"}, ["/secret_key"]),
    ("PATCH", "/acme", {"scopes": ["tenants:admin"]}, ["/scopes/0"]),
    ("PATCH", "/acme", {"quota": {"used": 0}}, ["/quota/used"]),
    ("POST", "/acme/rollback", {"version": 1, "document": {}}, ["/document"]),
    ("POST", "/acme/keys", {"name": "k", "scopes": ["a"], "tenant": "globex", "id": "a", "secret": "b", "digest": "c"},
     ["/digest", "/id", "/secret", "/tenant"]),
    ("POST", "/acme/keys", {"name": "k", "scopes": ["a", "tenants:admin"]}, ["/scopes/1"]),
    ("POST", "/acme/evaluate", {"backend": "proxy", "name": "a", "size": 1, "claims": {}, "policy": {}}, ["/policy"]),
]  # fmt: skip


@pytest.mark.parametrize(("method", "target", "body", "expected"), MASS_ASSIGNMENT, ids=range(len(MASS_ASSIGNMENT)))
def test_nobody_sets_what_is_not_theirs_to_set(
    admin: Bench, method: str, target: str, body: dict[str, Any], expected: list[str]
) -> None:
    """A member beyond the contract's is refused where it stands, and nothing has changed."""

    async def attempt() -> httpx.Response:
        async with admin.client() as client:
            etag = await created(client, document())
            return await _attempt(client, method, target, body, etag)

    assert pointers(asyncio.run(attempt())) == expected
    assert [version.version for version in admin.stores.policies.history("acme", limit=9).items] == [1]


def test_a_key_speaks_only_for_its_tenant(admin: Bench) -> None:
    """It is listed under, and revoked by, its own tenant alone."""

    async def attempt() -> tuple[list[Any], httpx.Response]:
        async with admin.client() as client:
            await created(client, document())
            await created(client, document("globex"))
            made = (await client.post(f"{BASE}/acme/keys", json={"name": "k", "scopes": ["files:write"]})).json()
            others = (await client.get(f"{BASE}/globex/keys")).json()["keys"]
            return others, await client.delete(f"{BASE}/globex/keys/{made['id']}")

    others, refused = asyncio.run(attempt())
    assert (others, code(refused)) == ([], "not-found")
    assert len(admin.stores.keys.list("acme")) == 1


def test_a_keys_secret_is_told_once(admin: Bench) -> None:
    """What the store, the list and the audit have can't be used as a key."""
    key = mint_api_key(tenant="acme", name="k", scopes=("a",), now=0).text

    async def attempt() -> tuple[dict[str, Any], str]:
        async with admin.client() as client:
            await created(client, document())
            made = await client.post(
                f"{BASE}/acme/keys",
                json={"name": "k", "scopes": ["files:write"], "expires_at": "2030-01-01T01:00:00+01:00"},
            )
            assert made.headers["cache-control"] == "no-store"
            return made.json(), (await client.get(f"{BASE}/acme/keys")).text

    made, listed = asyncio.run(attempt())
    assert len(made["secret"]) == len(key)
    assert json.loads(listed) == {"keys": [{name: value for name, value in made.items() if name != "secret"}]}
    assert made["expires_at"] == "2030-01-01T00:00:00.000Z"
    assert made["secret"][20:] not in listed + "".join(admin.stores.audit.lines())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"expires_at": "tomorrow"}, ["/expires_at"]),
        ({"expires_at": "2030-01-01T00:00:00"}, ["/expires_at"]),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, ["/expires_at"]),
        ({"expires_at": 1}, ["/expires_at"]),
        ({"name": ""}, ["/name"]),
        ({"name": "a\nb"}, ["/name"]),
        ({"scopes": []}, ["/scopes"]),
        ({"scopes": "files:write"}, ["/scopes"]),
        ({"scopes": ["a", "a"]}, ["/scopes"]),
        ({"scopes": ["a b", 1]}, ["/scopes/0", "/scopes/1"]),
        ({"name_prefix": "../"}, ["/name_prefix"]),
        ({"name_prefix": "/a"}, ["/name_prefix"]),
        ({"name_prefix": "a\u0000"}, ["/name_prefix"]),
        ({"name_prefix": "e\u0301/"}, ["/name_prefix"]),
    ],
)
def test_a_wrong_key_is_refused_with_pointers(admin: Bench, said: dict[str, Any], expected: list[str]) -> None:
    """What a key may be is said where it is not."""

    async def attempt() -> httpx.Response:
        async with admin.client() as client:
            await created(client, document())
            return await client.post(f"{BASE}/acme/keys", json={"name": "k", "scopes": ["files:write"], **said})

    assert pointers(asyncio.run(attempt())) == expected
    assert admin.stores.keys.list("acme") == ()
