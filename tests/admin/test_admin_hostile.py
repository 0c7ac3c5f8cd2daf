"""Documents that somebody wrote to do harm: each refused with pointers, nothing stored and nothing fetched."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.identity.testing import LocalIssuer, Signer
from tests.admin.bench import BASE, MERGE_PATCH, Bench, bench, code, created, document, pointers
from tests.unit.test_document import HOSTILE_URLS, JSON_REFUSED, REFUSED

PRIVATE_URLS = [
    "https://127.0.0.1/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/",
    "https://localhost/", "https://a.localhost/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/", "https://0.0.0.0/", "https://[::1]/",
    "https://[::]/", "https://[fe80::1]/", "https://[fd00:ec2::254]/", "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:7f00:1::]/", "https://metadata.google.internal/",
    "https://printer.local/", "https://intranet/", "https://224.0.0.1/", "https://255.255.255.255/",
]  # fmt: skip
"""Loopback, private, link-local and the cloud's metadata, in every spelling that some parser believes."""

SPELLINGS = [
    *("https://0x7f.0x0.0x0.0x1/", "https://0177.0000.0000.0001/", "https://017700000001/", "https://127.0.1/"),
    *("https://0x7F000001/", "https://127.0.0.1:443/", "https://127.000.000.001/", "https://0/", "https://0x0/"),
    *("https://0251.0376.0251.0376/", "https://0xa9fea9fe/", "https://2852039166/", "https://169.254.43518/"),
    *("https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://[::ffff:0:127.0.0.1]/"),
    *("https://[0000:0000:0000:0000:0000:0000:0000:0001]/", "https://[::ffff:a9fe:a9fe]/", "https://[::7f00:1]/"),
    *("https://[64:ff9b:1::a9fe:a9fe]/", "https://[2001:0:a9fe:a9fe::]/", "https://[fec0::1]/", "https://[100::1]/"),
    *("https://[::1%25lo]/", "https://[::1%lo]/", "https://[fe80::a9fe:a9fe]/", "https://[ff05::1]/"),
    *(
        "https://192.0.0.8/",
        "https://192.0.2.1/",
        "https://198.51.100.1/",
        "https://203.0.113.1/",
        "https://240.0.0.1/",
    ),
    *("https://127.0.0.1%2eexample.com/", "https://127.0.0.1%00.example.com/", "https://%31%32%37.0.0.1/"),
    *("https://127\u30020\u30020\u30021/", "https://\uff11\uff12\uff17.0.0.1/", "https://\u2460\u2461\u2466.0.0.1/"),
    *(
        "https://loc\u00adalhost/",
        "https://local\u200bhost/",
        "https://\u24db\u24de\u24d2alhost/",
        "https://lo\u212aalhost/",
    ),
    *("https://id.example.com\u2044@127.0.0.1/", "https://127.0.0.1\t.example.com/", "https://127.0.0.1\n/"),
    *("https://127.0.0.1;example.com/", "https://example.com,127.0.0.1/", "https://example.com\\.127.0.0.1/"),
    *("https://metadata.google.internal./", "https://METADATA.GOOGLE.INTERNAL/", "https://instance-data/"),
    *("https://kubernetes.default.svc.cluster.local/", "https://router.lan/", "https://nas.home.arpa/"),
    *("gopher://127.0.0.1:6379/_INFO", "file:///etc/passwd", "dict://localhost:11211/", "ldap://127.0.0.1/", "jar:x!/"),
    *("https:127.0.0.1/", "https:/127.0.0.1/", "https:///127.0.0.1/", "//127.0.0.1/", "\\\\127.0.0.1\\share"),
]
"""More spellings of addresses that nobody outside may name: every base, both families, Unicode that folds to ASCII."""

PROTOTYPES = ["__proto__", "constructor", "prototype", "hasOwnProperty", "toString", "__class__", "__init__", "valueOf"]

PEOPLE: list[str] = [*PROTOTYPES, "\u0430cme", "acm\u0435", "ACME", "acme\u200d", "a/../b"]
MEMBERS: list[str] = ["statu\u0455", "status ", "Status", "\ufeffstatus", "status\u0000"]
TEMPLATES: list[str] = ["{__proto__}", "{name.__class__}", "{0}", "{name!r}", "{}"]
SIZES: list[Any] = [-1, 1.5, 1e308, 2**63, 2**64, 10**30, True, "1"]
QUOTAS: list[Any] = [-1, 0.5, 2**63, 10**40, True, "9", []]
PACES: list[Any] = [0, -1, 1e-9, 1e300, True]

TRICKS: list[tuple[Any, list[str] | None]] = [
    *(({**document(), name: {"overwrite": True}}, [f"/{name}"]) for name in PROTOTYPES),
    *((document(size={name: 1}), [f"/size/{name}"]) for name in PROTOTYPES),
    *((document(quota={name: 1}), [f"/quota/{name}"]) for name in PROTOTYPES),
    *((document(types={name: []}), [f"/types/{name}"]) for name in PROTOTYPES),
    *((document(tenant=name), ["/tenant"]) for name in PEOPLE),
    *(({**document(), name: "active"}, None) for name in MEMBERS),
    *((document(key=f"{{tenant}}/{template}"), ["/key"]) for template in TEMPLATES),
    *((document(size={"max": size}), ["/size/max"]) for size in SIZES),
    *((document(quota={"bytes": quota}), ["/quota/bytes"]) for quota in QUOTAS),
    *((document(rate={"per_second": pace, "burst": 1}), ["/rate/per_second"]) for pace in PACES),
]
"""Names that some language gives a meaning, letters that look like others, numbers that some parser rounds."""

RAW: list[bytes] = [*JSON_REFUSED, b"[" * 200_000, b'{"a":' * 33 + b"1" + b"}" * 33, b'{"version":1,"version":2}']


def _sendable(value: object) -> bool:
    """Whether JSON can say it: some of the checker's own cases are values that only Python has."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    same = json.loads(text) == value
    return same and "\\ud8" not in text and not any(len(part) > 64 for part in re.findall("[0-9]+", text))


DOCUMENTS: list[tuple[Any, list[str] | None]] = [
    *((value, expected) for value, expected in REFUSED if _sendable(value)),
    *((document(issuers=[{"issuer": url, "audience": ["a"]}]), ["/issuers/0/issuer"]) for url in PRIVATE_URLS),
    *((document(issuers=[{"issuer": url, "audience": ["a"]}]), ["/issuers/0/issuer"]) for url in HOSTILE_URLS),
    *((document(webhooks=[url]), ["/webhooks/0"]) for url in (*PRIVATE_URLS, *HOSTILE_URLS, *SPELLINGS)),
    *((document(issuers=[{"issuer": url, "audience": ["a"]}]), ["/issuers/0/issuer"]) for url in SPELLINGS),
    *TRICKS,
    *((document(issuers=[{"issuer": "https://a.example", "audience": ["a"], "jwks_uri": url}]),
       ["/issuers/0/jwks_uri"]) for url in (*PRIVATE_URLS, *SPELLINGS)),
    (document(types={"a/b": [f".{number}" for number in range(20_000)]}), ["/types/a~1b"]),
    (document(names={"pattern": "(a+)+$" * 80}), ["/names/pattern"]),
    (document(size={"max": 10**60}), ["/size/max"]),
    ({**document(), **{f"m{number}": 1 for number in range(5_000)}}, None),
]  # fmt: skip


def test_the_corpus_is_large_enough() -> None:
    """At least 150 documents, and they are different ones."""
    assert len({json.dumps(body, default=str) for body, _ in DOCUMENTS}) + len(RAW) >= 600


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, signing_key: Signer) -> Iterator[tuple[Bench, str]]:
    """An admin API with one tenant, which no hostile document changes; its etag."""
    place: Path = tmp_path_factory.mktemp("hostile")
    with bench(place, signing_key) as made:

        async def fill() -> str:
            async with made.client() as client:
                return await created(client, document())

        yield made, asyncio.run(fill())


def test_a_hostile_document_is_refused_with_every_pointer(
    shared: tuple[Bench, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a new tenant, in the place of one, and as a dry run: the same pointers, no name looked up, nothing stored."""
    made, etag = shared
    looked_up: list[Any] = []
    real = socket.getaddrinfo

    def noted(host: Any, *rest: Any, **more: Any) -> Any:
        looked_up.append(host)
        return real(host, *rest, **more)

    async def attempts() -> list[tuple[Any, Any]]:
        wrong = []
        async with made.client() as client:
            assert (await client.get(BASE)).status_code == 200  # the operators' keys are fetched by now
            monkeypatch.setattr(socket, "getaddrinfo", noted)
            for body, expected in DOCUMENTS:
                content = json.dumps(body).encode()
                for target, headers in (("acme", {"if-match": etag}), ("acme?dry_run=true", {"if-match": etag})):
                    answer = await client.put(
                        f"{BASE}/{target}", content=content, headers={"content-type": "application/json", **headers}
                    )
                    found = pointers(answer)
                    if not found or (expected is not None and set(found) != set(expected)):
                        wrong.append((body, found))
        return wrong

    wrong = asyncio.run(attempts())
    assert wrong == []
    assert looked_up == []
    assert [version.version for version in made.stores.policies.history("acme", limit=9).items] == [1]


@pytest.mark.parametrize("data", RAW, ids=range(len(RAW)))
def test_what_is_no_strict_json_is_refused(shared: tuple[Bench, str], data: bytes) -> None:
    """Ambiguous, deep and damaged JSON never becomes a document or a patch."""
    made, etag = shared

    async def attempts() -> list[httpx.Response]:
        async with made.client() as client:
            return [
                await client.request(
                    method, f"{BASE}/acme", content=data, headers={"if-match": etag, "content-type": media}
                )
                for method, media in (("PUT", "application/json"), ("PATCH", MERGE_PATCH))
            ]

    for answer in asyncio.run(attempts()):
        # An empty patch document or an array is JSON's fault or the document's, never a change.
        assert code(answer) in ("request-invalid", "size-exceeds-limit")
    assert [version.version for version in made.stores.policies.history("acme", limit=9).items] == [1]


def test_a_body_that_is_too_long_is_not_read(shared: tuple[Bench, str]) -> None:
    """The limit is said; one byte less is judged by what it says."""
    made, etag = shared
    padded = b'{"version":1,"tenant":"acme"'

    async def attempt(size: int) -> httpx.Response:
        async with made.client() as client:
            headers = {"if-match": etag, "content-type": "application/json"}
            body = padded + b" " * (size - len(padded) - 2) + b"]}"
            return await client.put(f"{BASE}/acme", content=body, headers=headers)

    over, at = asyncio.run(attempt(262_145)), asyncio.run(attempt(262_144))
    assert (code(over), over.json()["limit"]) == ("size-exceeds-limit", 262_144)
    assert pointers(at) == [""]


@pytest.mark.parametrize("media", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "a"])
def test_a_body_of_another_type_is_refused(shared: tuple[Bench, str], media: str) -> None:
    """What a form on another site can send is no document."""
    made, etag = shared

    async def attempts() -> list[httpx.Response]:
        async with made.client() as client:
            headers = {"if-match": etag, "content-type": media}
            content = json.dumps(document()).encode()
            return [
                await client.put(f"{BASE}/acme", content=content, headers=headers),
                await client.patch(f"{BASE}/acme", content=b"{}", headers={**headers, "content-type": media}),
            ]

    assert [pointers(answer) for answer in asyncio.run(attempts())] == [["/headers/content-type"]] * 2


def test_an_issuer_that_is_allowed_is_not_fetched_when_it_is_named(private_admin: Bench, signing_key: Signer) -> None:
    """Its keys are asked for when a token of it comes, not when a document does."""

    async def attempt(issuer: str) -> int:
        async with private_admin.client() as client:
            body = document(issuers=[{"issuer": issuer, "audience": ["a"]}])
            return (await client.put(f"{BASE}/acme", json=body)).status_code

    with LocalIssuer(signing_key) as issuer:
        assert asyncio.run(attempt(issuer.url)) == 201
        assert issuer.requests == []
