"""The admin API's calls on documents: what each answers, and when a change is not taken."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.policy.document import parse, render
from gateway.policy.model import Policy
from gateway.tenants.audit import Head, verify
from tests.admin.bench import BASE, MERGE_PATCH, Bench, code, created, document, pointers

STALE = '"1-0000000000000000"'


def filled(body: dict[str, Any]) -> dict[str, Any]:
    policy = parse(body, allow_private_issuers=True)
    assert isinstance(policy, Policy)
    return render(policy)


def test_a_tenants_whole_life(admin: Bench) -> None:
    """Created, read, patched, replaced, rolled back and deleted, with every version in the history."""

    async def life() -> list[httpx.Response]:
        async with admin.client() as client:
            answers = [await client.put(f"{BASE}/acme", json=document(), headers={"if-none-match": "*"})]

            async def then(method: str, path: str = "", **said: Any) -> None:
                headers = {"if-match": answers[-1].headers["etag"], **said.pop("headers", {})}
                answers.append(await client.request(method, f"{BASE}/acme{path}", headers=headers, **said))

            patch = {"content-type": MERGE_PATCH, "x-change-reason": "UTF-8''Ticket%207%3A%20zu%20gro%C3%9F"}
            await then("PATCH", content=b'{"size": {"max": 10}}', headers=patch)
            await then("PUT", json=document(overwrite=True))
            await then("POST", "/rollback", json={"version": 2})
            answers.append(await client.get(f"{BASE}/acme"))
            await then("DELETE")
            answers += [await client.get(f"{BASE}/acme"), await client.get(f"{BASE}/acme/history")]
            return answers

    answers = asyncio.run(life())

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 204, 404, 200]
    assert answers[0].headers["location"] == f"{BASE}/acme"
    documents = [filled(document()), filled(document(size={"max": 10})), filled(document(overwrite=True))]
    assert [answer.json() for answer in answers[:5]] == [*documents, documents[1], documents[1]]
    assert answers[4].headers["etag"] == answers[3].headers["etag"]
    versions = answers[7].json()["versions"]
    assert [version["version"] for version in versions] == [5, 4, 3, 2, 1]
    assert [version["document"] for version in versions] == [None, documents[1], *documents[::-1]]
    assert versions[3]["reason"] == "Ticket 7: zu groß"
    assert {(version["by"], version["at"]) for version in versions} == {
        (f"{admin.operators.url}#ada", "2027-01-15T08:00:00.000Z")
    }


def test_every_change_is_a_line_of_the_audit(admin: Bench) -> None:
    """Who, when, why, which version, in a chain that holds."""

    async def change() -> None:
        async with admin.client(**{"x-change-reason": "because"}) as client:
            etag = await created(client, document())
            await client.patch(f"{BASE}/acme", content="{}", headers={"if-match": etag, "content-type": MERGE_PATCH})
            await client.patch(f"{BASE}/acme", content="{}", headers={"if-match": etag, "content-type": MERGE_PATCH})
            key = await client.post(f"{BASE}/acme/keys", json={"name": "k", "scopes": ["files:write"]})
            await client.delete(f"{BASE}/acme/keys/{key.json()['id']}")
            etag = (await client.get(f"{BASE}/acme")).headers["etag"]
            await client.delete(f"{BASE}/acme", headers={"if-match": etag})

    asyncio.run(change())
    lines = list(admin.stores.audit.lines())
    told = [json.loads(line) for line in lines]

    assert isinstance(verify(lines), Head)
    assert [(line["action"], line.get("policy_version")) for line in told] == [
        ("tenant.create", 1), ("tenant.patch", 2), ("key.create", None), ("key.revoke", None), ("tenant.delete", 3),
    ]  # fmt: skip
    assert {(line["issuer"], line["subject"], line["tenant"], line["reason"], line["request_id"]) for line in told} == {
        (admin.operators.url, "ada", "acme", "because", "request-1")
    }


PRECONDITIONS: list[tuple[str, str, dict[str, str], str]] = [
    # on a tenant that exists
    ("PUT", "acme", {}, "precondition-required"),
    ("PUT", "acme", {"if-match": "*"}, "precondition-required"),
    ("PUT", "acme", {"if-none-match": "*"}, "precondition-failed"),
    ("PUT", "acme", {"if-match": STALE}, "precondition-failed"),
    ("PUT", "acme", {"if-match": 'W/"{etag}"'}, "precondition-failed"),
    ("PUT", "acme", {"if-match": "{etag}"}, "request-invalid"),
    ("PUT", "acme", {"if-match": ""}, "request-invalid"),
    ("PUT", "acme", {"if-none-match": '"{etag}"'}, "request-invalid"),
    ("PUT", "acme", {"if-match": '"{etag}"', "if-none-match": "*"}, "request-invalid"),
    ("PATCH", "acme", {}, "precondition-required"),
    ("PATCH", "acme", {"if-match": STALE}, "precondition-failed"),
    ("PATCH", "acme", {"if-none-match": "*"}, "request-invalid"),
    ("DELETE", "acme", {}, "precondition-required"),
    ("DELETE", "acme", {"if-match": STALE}, "precondition-failed"),
    ("POST", "acme/rollback", {}, "precondition-required"),
    ("POST", "acme/rollback", {"if-match": STALE}, "precondition-failed"),
    # on one that does not
    ("PUT", "nobody", {"if-match": STALE}, "precondition-failed"),
    ("PATCH", "nobody", {"if-match": STALE}, "not-found"),
    ("DELETE", "nobody", {}, "not-found"),
    ("POST", "nobody/rollback", {"if-match": STALE}, "not-found"),
]


@pytest.mark.parametrize(("method", "path", "headers", "expected"), PRECONDITIONS, ids=range(len(PRECONDITIONS)))
def test_a_change_names_the_state_it_was_made_against(
    admin: Bench, method: str, path: str, headers: dict[str, str], expected: str
) -> None:
    """What does not is refused, and nothing has changed."""
    bodies: dict[str, bytes] = {
        "PUT": json.dumps(document(path, overwrite=True)).encode(),
        "PATCH": b'{"overwrite": true}',
        "POST": b'{"version": 1}',
    }
    media = MERGE_PATCH if method == "PATCH" else "application/json"

    async def attempt() -> httpx.Response:
        async with admin.client() as client:
            etag = (await created(client, document())).strip('"')
            said = {name: value.replace("{etag}", etag) for name, value in headers.items()}
            return await client.request(
                method, f"{BASE}/{path}", content=bodies.get(method), headers={"content-type": media, **said}
            )

    assert code(asyncio.run(attempt())) == expected
    assert [version.version for version in admin.stores.policies.history("acme", limit=9).items] == [1]
    assert admin.stores.policies.get("nobody") is None


def test_an_etag_among_several_is_enough(admin: Bench) -> None:
    """If-Match is a list (RFC 9110 section 13.1.1)."""

    async def attempt() -> int:
        async with admin.client() as client:
            etag = await created(client, document())
            headers = {"if-match": f'{STALE}, "a,b" , {etag}', "content-type": MERGE_PATCH}
            return (await client.patch(f"{BASE}/acme", content="{}", headers=headers)).status_code

    assert asyncio.run(attempt()) == 200


def test_a_reader_who_has_it_already_is_told_so(admin: Bench) -> None:
    """GET with If-None-Match answers 304 with the etag and nothing else."""

    async def attempt() -> list[httpx.Response]:
        async with admin.client() as client:
            etag = await created(client, document())
            tags = [etag, f"W/{etag}", "*", STALE]
            return [await client.get(f"{BASE}/acme", headers={"if-none-match": tag}) for tag in tags]

    answers = asyncio.run(attempt())
    assert [answer.status_code for answer in answers] == [304, 304, 304, 200]
    assert [len(answer.content) for answer in answers[:3]] == [0, 0, 0]
    assert answers[0].headers["etag"] == answers[3].headers["etag"]


def test_without_a_condition_a_new_tenant_is_created(admin: Bench) -> None:
    """There is nothing that could be lost."""

    async def attempt() -> list[int]:
        async with admin.client() as client:
            return [(await client.put(f"{BASE}/acme", json=document())).status_code for _ in range(2)]

    assert asyncio.run(attempt()) == [201, 428]


def test_no_update_of_a_hundred_at_once_is_lost(admin: Bench) -> None:
    """A hundred writers, ten at any time, each trying until it is taken: every one is in the history, once."""
    turns = asyncio.Semaphore(10)

    async def writer(client: httpx.AsyncClient, number: int) -> int:
        async with turns:
            return await attempts(client, number)

    async def attempts(client: httpx.AsyncClient, number: int) -> int:
        refused = 0
        while True:
            etag = (await client.get(f"{BASE}/acme")).headers["etag"]
            answer = await client.patch(
                f"{BASE}/acme",
                json={"quota": {"objects": number}},
                headers={"if-match": etag, "content-type": MERGE_PATCH, "x-change-reason": f"writer {number}"},
            )
            if answer.status_code == 200:
                return refused
            assert code(answer) == "precondition-failed"
            refused += 1

    async def storm() -> tuple[list[int], list[dict[str, Any]]]:
        async with admin.client() as client:
            await created(client, document())
            refusals = await asyncio.gather(*(writer(client, number) for number in range(100)))
            first = (await client.get(f"{BASE}/acme/history", params={"limit": 60})).json()
            rest = (await client.get(f"{BASE}/acme/history", params={"cursor": first["cursor"]})).json()
            assert rest["cursor"] is None
            return refusals, first["versions"] + rest["versions"]

    refusals, versions = asyncio.run(storm())

    assert [version["version"] for version in versions] == list(range(101, 0, -1))
    assert {version["reason"] for version in versions[:-1]} == {f"writer {number}" for number in range(100)}
    assert all(version["reason"] == f"writer {version['document']['quota']['objects']}" for version in versions[:-1])
    assert sum(refusals) > 0


def test_of_a_hundred_changes_of_one_state_one_is_taken(admin: Bench) -> None:
    """The same etag is good once."""

    async def storm() -> list[int]:
        async with admin.client() as client:
            etag = await created(client, document())
            headers = {"if-match": etag, "content-type": MERGE_PATCH}
            answers = await asyncio.gather(
                *(client.patch(f"{BASE}/acme", content='{"overwrite": true}', headers=headers) for _ in range(100))
            )
            return sorted(answer.status_code for answer in answers)

    assert asyncio.run(storm()) == [200] + [412] * 99


def test_a_listing_is_read_page_by_page(admin: Bench) -> None:
    """Tenants in files first, then the store's; each once, whatever the page's size."""
    for name in ("file-a", "file-b", "b1"):
        (admin.files / f"{name}.json").write_text(json.dumps(document(name)))

    async def pages(limit: int) -> list[str]:
        found, cursor = [], None
        async with admin.client() as client:
            while True:
                query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
                page = (await client.get(BASE, params=query)).json()
                assert len(page["tenants"]) <= limit
                found += [each["tenant"] for each in page["tenants"]]
                cursor = page["cursor"]
                if cursor is None:
                    return found

    async def fill() -> None:
        async with admin.client() as client:
            for name in ("a1", "b2", "c3", "d4"):
                await created(client, document(name))

    asyncio.run(fill())
    expected = ["b1", "file-a", "file-b", "a1", "b2", "c3", "d4"]
    assert [asyncio.run(pages(limit)) for limit in (1, 2, 3, 4, 7, 100)] == [expected] * 6


QUERIES: list[tuple[str, str, str]] = [
    ("GET", "?limit=0", "request-invalid"),
    ("GET", "?limit=101", "request-invalid"),
    ("GET", "?limit=1e1", "request-invalid"),
    ("GET", "?limit=%D9%A1", "request-invalid"),
    ("GET", "?cursor=elsewhere", "request-invalid"),
    ("GET", "?limit=1&limit=2", "query-not-allowed"),
    ("GET", "?page=1", "query-not-allowed"),
    ("GET", "?%00", "query-not-allowed"),
    ("GET", "/acme?x=1", "query-not-allowed"),
    ("GET", "/acme/history?cursor=x", "request-invalid"),
    ("PUT", "/acme?dry_run=yes", "request-invalid"),
    ("PUT", "/acme?dry-run=true", "query-not-allowed"),
    ("PATCH", "/acme?dry_run=true", "query-not-allowed"),
    ("DELETE", "/acme?dry_run=true", "query-not-allowed"),
]


@pytest.mark.parametrize(("method", "target", "expected"), QUERIES)
def test_a_query_is_what_the_call_has_or_refused(admin: Bench, method: str, target: str, expected: str) -> None:
    """Nothing in a query is ignored: who asked for a dry run must not get a change."""

    async def attempt() -> httpx.Response:
        async with admin.client() as client:
            await created(client, document())
            return await client.request(method, BASE + target, headers={"if-match": STALE})

    assert code(asyncio.run(attempt())) == expected


REASONS: list[tuple[bytes, str | None]] = [
    (b"plain", "plain"),
    ("süß".encode(), "süß"),
    (b"UTF-8''s%C3%BC%C3%9F%2C%20100%25", "süß, 100%"),
    (b"100 % sure", "100 % sure"),
    (b"x" * 500, "x" * 500),
    (b"x" * 501, None),
    (b"\xff", None),
    (b"UTF-8''%0A", None),
    (b"UTF-8''%ED%A0%80", None),
]


@pytest.mark.parametrize(("sent", "kept"), REASONS, ids=range(len(REASONS)))
def test_a_reason_is_one_line(admin: Bench, sent: bytes, kept: str | None) -> None:
    """It is kept as it was meant, or the change is refused."""

    async def attempt() -> httpx.Response:
        async with admin.client() as client:
            return await client.put(f"{BASE}/acme", json=document(), headers=[(b"x-change-reason", sent)])

    answer = asyncio.run(attempt())
    version = admin.stores.policies.version("acme", 1)
    if kept is None:
        assert (pointers(answer), version) == (["/headers/x-change-reason"], None)
    else:
        assert version is not None
        assert version.reason == kept


def test_a_tenant_kept_in_a_file_is_read_only(admin: Bench) -> None:
    """It is shown and can be evaluated; a change is refused with the reason."""
    (admin.files / "acme.json").write_text(json.dumps(document(overwrite=True)))

    async def attempt() -> tuple[httpx.Response, list[httpx.Response]]:
        async with admin.client() as client:
            read = await client.get(f"{BASE}/acme")
            headers = {"if-match": read.headers["etag"]}
            patch = {**headers, "content-type": MERGE_PATCH}
            return read, [
                await client.put(f"{BASE}/acme", json=document(), headers=headers),
                await client.put(f"{BASE}/acme", json=document(), headers={"if-none-match": "*"}),
                await client.patch(f"{BASE}/acme", content="{}", headers=patch),
                await client.delete(f"{BASE}/acme", headers=headers),
                await client.post(f"{BASE}/acme/rollback", json={"version": 1}, headers=headers),
            ]

    read, changes = asyncio.run(attempt())
    assert read.json() == filled(document(overwrite=True))
    assert [code(answer) for answer in changes] == ["method-not-allowed"] * 5
    assert {answer.headers["allow"] for answer in changes} == {"GET"}


def test_rolling_back_to_what_is_no_document_is_refused(admin: Bench) -> None:
    """Neither to a version that never was nor to a deletion."""

    async def attempt() -> list[httpx.Response]:
        async with admin.client() as client:
            etag = await created(client, document())
            await client.delete(f"{BASE}/acme", headers={"if-match": etag})
            etag = await created(client, document())
            return [
                await client.post(f"{BASE}/acme/rollback", content=body, headers={"if-match": etag, **JSON})
                for body in (b'{"version": 2}', b'{"version": 9}', b'{"version": 0}', b'{"version": "1"}', b"{}")
            ]

    assert [pointers(answer) for answer in asyncio.run(attempt())] == [["/version"]] * 5


JSON = {"content-type": "application/json"}


def test_a_rollback_is_held_to_the_rules_of_today(admin: Bench) -> None:
    """What was right once can contradict what is in force now."""
    issuer = {"issuer": "https://id.example.com", "audience": ["a"]}

    async def attempt() -> httpx.Response:
        async with admin.client() as client:
            first = await created(client, document(issuers=[issuer]))
            answer = await client.put(f"{BASE}/acme", json=document(), headers={"if-match": first})
            await created(client, document("globex", issuers=[issuer]))
            return await client.post(
                f"{BASE}/acme/rollback", json={"version": 1}, headers={"if-match": answer.headers["etag"]}
            )

    assert pointers(asyncio.run(attempt())) == ["/issuers/0/tenant_claim"]


def test_two_tenants_share_an_issuer_only_with_a_tenant_claim(admin: Bench) -> None:
    """Both must name it, wherever they are kept, and of many that try at once one at most gets it alone."""
    alone = {"issuer": "https://id.example.com", "audience": ["a"]}
    claimed = {**alone, "tenant_claim": "tenant"}
    (admin.files / "filed.json").write_text(
        json.dumps(document("filed", issuers=[{**alone, "issuer": "https://filed.example.com"}]))
    )

    async def attempt() -> list[list[str]]:
        async with admin.client() as client:

            async def put(name: str, issuer: dict[str, Any]) -> list[str]:
                answer = await client.put(f"{BASE}/{name}", json=document(name, issuers=[issuer]))
                return [] if answer.status_code == 201 else pointers(answer)

            taken = [
                await put("a", alone),
                await put("b", alone),
                await put("c", claimed),
                await put("d", {**alone, "issuer": "https://filed.example.com"}),
                await put("e", {**claimed, "issuer": "https://shared.example.com"}),
                await put("f", {**claimed, "issuer": "https://shared.example.com"}),
                await put("g", {**alone, "issuer": "https://shared.example.com"}),
            ]
            race = await asyncio.gather(
                *(put(f"r{number}", {**alone, "issuer": "https://race.example.com"}) for number in range(20))
            )
            return [*taken, *sorted(race)]

    claim, issuer = ["/issuers/0/tenant_claim"], ["/issuers/0/issuer"]
    assert asyncio.run(attempt()) == [[], claim, issuer, claim, [], [], claim, [], *[claim] * 19]


def test_the_operators_own_issuers_are_nobodys(private_admin: Bench) -> None:
    """A tenant can't name the issuer that operators or all tenants have their tokens from."""
    admin = private_admin
    issuers = [{"issuer": issuer.url, "audience": ["a"]} for issuer in (admin.operators, admin.tenants)]

    async def attempt() -> httpx.Response:
        async with admin.client() as client:
            return await client.put(f"{BASE}/acme", json=document(issuers=issuers))

    assert pointers(asyncio.run(attempt())) == ["/issuers/0/issuer", "/issuers/1/issuer"]


def test_a_deleted_tenants_keys_do_not_come_back(admin: Bench) -> None:
    """A later tenant of the same name begins without any."""

    async def attempt() -> list[Any]:
        async with admin.client() as client:
            etag = await created(client, document())
            await client.post(f"{BASE}/acme/keys", json={"name": "k", "scopes": ["files:write"]})
            before = (await client.get(f"{BASE}/acme/keys")).json()["keys"]
            await client.delete(f"{BASE}/acme", headers={"if-match": etag})
            await created(client, document())
            return [len(before), (await client.get(f"{BASE}/acme/keys")).json()["keys"]]

    assert asyncio.run(attempt()) == [1, []]


def test_a_change_is_in_force_at_once(admin: Bench) -> None:
    """The source that every backend asks has the new policy when the answer is there."""

    async def attempt() -> list[Any]:
        seen: list[Any] = [admin.policies.get("acme")]
        async with admin.client() as client:
            etag = await created(client, document())
            seen.append(getattr(admin.policies.get("acme"), "status", None))
            headers = {"if-match": etag, "content-type": MERGE_PATCH}
            answer = await client.patch(f"{BASE}/acme", content='{"status": "suspended"}', headers=headers)
            seen.append(getattr(admin.policies.get("acme"), "status", None))
            await client.delete(f"{BASE}/acme", headers={"if-match": answer.headers["etag"]})
        return [*seen, admin.policies.get("acme")]

    assert asyncio.run(attempt()) == [None, "active", "suspended", None]
