"""The admin API over DynamoDB, which has no transaction around a change: no update is lost there either."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.identity.testing import Signer
from gateway.tenants.audit import Head, verify
from tests.admin.bench import BASE, MERGE_PATCH, Bench, bench, created, document
from tests.stores import local_dynamodb
from tests.stores.places import DynamoPlace

pytestmark = pytest.mark.xdist_group("dynamodb")


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory, signing_key: Signer) -> Iterator[Bench]:
    """The admin API over DynamoDB Local; skips where there can be none."""
    if told := local_dynamodb.why_not():
        pytest.skip(told)
    with local_dynamodb.serving() as endpoint:
        place = DynamoPlace(endpoint, f"admin-{uuid.uuid4().hex}")
        place.table().create()
        with bench(tmp_path_factory.mktemp("dynamo"), signing_key, distributed=place.open()) as made:
            yield made


def test_no_update_is_lost_over_dynamodb(distributed: Bench) -> None:
    """Thirty writers of one tenant: every accepted change is in the history and in the audit, once."""

    async def writer(client: httpx.AsyncClient, number: int) -> None:
        while True:
            etag = (await client.get(f"{BASE}/acme")).headers["etag"]
            answer = await client.patch(
                f"{BASE}/acme",
                json={"quota": {"objects": number}},
                headers={"if-match": etag, "content-type": MERGE_PATCH, "x-change-reason": f"writer {number}"},
            )
            if answer.status_code == 200:
                return
            assert answer.status_code == 412

    async def storm() -> list[dict[str, Any]]:
        async with distributed.client() as client:
            await created(client, document())
            turns = [asyncio.gather(*(writer(client, 10 * turn + number) for number in range(10))) for turn in range(3)]
            await asyncio.gather(*turns)
            versions: list[dict[str, Any]] = (await client.get(f"{BASE}/acme/history")).json()["versions"]
            return versions

    versions = asyncio.run(storm())
    lines = list(distributed.stores.audit.lines())

    assert [version["version"] for version in versions] == list(range(31, 0, -1))
    assert {version["reason"] for version in versions[:-1]} == {f"writer {number}" for number in range(30)}
    assert isinstance(verify(lines), Head)
    assert len(lines) == 31


def test_a_life_over_dynamodb(distributed: Bench) -> None:
    """Created, keyed, evaluated, rolled back, deleted and made again, as over SQLite."""

    async def life() -> list[Any]:
        async with distributed.client() as client:
            etag = await created(client, document("globex"))
            await client.post(f"{BASE}/globex/keys", json={"name": "k", "scopes": ["files:write"]})
            question = {"backend": "proxy", "name": "a.png", "size": 1, "content_type": "image/png"}
            claims = {"sub": "a", "scope": "files:write"}
            asked = await client.post(f"{BASE}/globex/evaluate", json={**question, "claims": claims})
            patch = {"if-match": etag, "content-type": MERGE_PATCH}
            second = await client.patch(f"{BASE}/globex", content='{"status": "suspended"}', headers=patch)
            back = await client.post(
                f"{BASE}/globex/rollback", json={"version": 1}, headers={"if-match": second.headers["etag"]}
            )
            ended = await client.delete(f"{BASE}/globex", headers={"if-match": back.headers["etag"]})
            await created(client, document("globex"))
            keys = (await client.get(f"{BASE}/globex/keys")).json()["keys"]
            usage = (await client.get(f"{BASE}/globex/usage")).json()["bytes"]
            return [asked.json()["decision"], back.json()["status"], ended.status_code, keys, usage]

    assert asyncio.run(life()) == ["grant", "active", 204, [], 0]
