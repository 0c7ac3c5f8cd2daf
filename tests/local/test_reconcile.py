"""The reconciler against a real S3: what came and went by other ways is counted, while uploads go on."""

import asyncio
import json
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.examined import demo_deployment
from gateway.local.s3_identities import Identities
from gateway.server.reconciling import reconciling_of, sweep_ledger
from gateway.storage.calls import S3Calls
from gateway.storage.endpoint import Endpoint
from gateway.storage.listing import Listed, Listing
from gateway.storage.multipart import Multipart
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Answer, Timeouts, Upstream
from gateway.tenants.stores import open_sqlite
from tests.admin.demo import COMMAND, Demo, demo

Result = TypeVar("Result")

NAMES = ["plain", "a b+c&d=e%2F?", "emoji-\U0001f600", "deep/er/x", "deep/er-x", "tab\there", "quote\"'<>"]


class Operator:
    """Somebody with the operator's credentials, past the gateway."""

    def __init__(self, endpoint: Endpoint, identities: Identities, region: str) -> None:
        self.endpoint, self.region = endpoint, region
        self.signer = Signer(identities.operator, region)

    @asynccontextmanager
    async def calls(self) -> AsyncIterator[S3Calls]:
        async with Upstream(timeouts=Timeouts()) as upstream:
            yield S3Calls(upstream=upstream, endpoint=self.endpoint, signer=self.signer, clock=time.time)

    def run(self, work: Callable[[S3Calls], Awaitable[Result]]) -> Result:
        async def go() -> Result:
            async with self.calls() as calls:
                return await work(calls)

        return asyncio.run(go())

    def put(self, *keys: str, size: int = 3) -> None:
        async def put(calls: S3Calls) -> None:
            for key in keys:
                assert (await calls.ask("PUT", key, body=bytes(size))).status == 200

        self.run(put)

    def delete(self, *keys: str) -> None:
        async def delete(calls: S3Calls) -> None:
            for key in keys:
                assert (await calls.ask("DELETE", key)).status == 204

        self.run(delete)

    def begin(self, key: str) -> str:
        """A multipart upload that no list knows."""

        async def begin() -> str:
            async with Upstream(timeouts=Timeouts()) as upstream:
                calls = Multipart(upstream=upstream, endpoint=self.endpoint, signer=self.signer, clock=time.time)
                return await calls.create(key, ())

        return asyncio.run(begin())


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An empty bucket."""
    with EmbeddedS3(tmp_path_factory.mktemp("s3")) as store:
        yield Operator(Endpoint.at(f"http://{store.host}:{store.port}", store.bucket), store.identities, store.region)


def test_every_page_is_listed_and_every_name_is_itself(bucket: Operator) -> None:
    """Objects of one prefix alone, whatever is in their names."""
    keys = {f"acme/{name}" for name in NAMES}
    bucket.put(*keys, "acme-2/x", "globex/y", "zeta/z")

    async def listed(calls: S3Calls) -> tuple[list[int], set[Listed], tuple[str, ...]]:
        listing = Listing(calls, page=3)
        pages = [page async for page in listing.objects("acme/")]
        return [len(page) for page in pages], {each for page in pages for each in page}, await listing.prefixes()

    sizes, found, prefixes = bucket.run(listed)
    assert found == {Listed(key, 3) for key in keys}
    assert max(sizes) <= 3
    assert sorted(prefixes) == ["acme", "acme-2", "globex", "zeta"]


def test_unfinished_uploads_are_listed(bucket: Operator) -> None:
    """With S3's id and when they began."""
    ids = {bucket.begin(f"many/{number} +") for number in range(5)}
    bucket.begin("other/1")

    async def listed(calls: S3Calls) -> Any:
        return await Listing(calls).unfinished("many/")

    found = bucket.run(listed)
    assert {each.upload_id for each in found} == ids
    assert sorted(each.key for each in found) == [f"many/{number} +" for number in range(5)]
    assert all(abs(each.began - time.time()) < 60 for each in found)


def test_more_unfinished_uploads_than_a_page_are_listed() -> None:
    """Behind the last one, as S3 has it; the embedded S3 goes on elsewhere, so these answers are written here."""
    asked: list[dict[str, str]] = []

    class Scripted:
        async def ask(self, _method: str, _key: None, query: tuple[tuple[str, str], ...]) -> Answer:
            asked.append(dict(query))
            at = len(asked)
            upload = f"<Upload><Key>k {at}</Key><UploadId>u{at}</UploadId>"
            upload += "<Initiated>2026-11-23T12:00:00.000Z</Initiated></Upload>"
            body = f"<R><IsTruncated>{str(at < 3).lower()}</IsTruncated>{upload}</R>"
            return Answer(status=200, headers={}, body=body.encode())

    found = asyncio.run(Listing(cast("S3Calls", Scripted())).unfinished("k"))
    assert [(each.key, each.upload_id) for each in found] == [(f"k {at}", f"u{at}") for at in (1, 2, 3)]
    markers = [(each.get("key-marker"), each.get("upload-id-marker")) for each in asked]
    assert markers == [(None, None), ("k 1", "u1"), ("k 2", "u2")]


def reconcile(running: Demo, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status of the command, and what it says."""
    command = [str(COMMAND), "reconcile", "--data", str(running.data), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("reconcile")) as started:
        yield started


def operator(running: Demo) -> Operator:
    said = json.loads((running.data / "demo.json").read_text())
    identities = Identities.keep(running.data / "s3-keys.json", lambda _: "")
    return Operator(Endpoint.at(said["s3_endpoint"], said["bucket"]), identities, said["region"])


def test_what_happened_past_the_gateway_is_counted(running: Demo) -> None:
    """Objects that came, changed and went, and uploads that nobody lists; a second look finds nothing to repair."""
    s3, usage = operator(running), open_sqlite(running.data / "gateway.sqlite").ledger.usage
    with running.client(running.token("--tenant", "acme")) as client:
        for name in ("kept", "grown", "gone"):
            assert client.put(f"/proxy/{name}", content=b"12345", headers={"content-type": "text/plain"}).is_success
        plan = client.post("/uploads", json={"name": "p", "size": 200_000_000, "content_type": "text/plain"}).json()
    s3.put(*(f"acme/{name}" for name in NAMES))
    s3.put("acme/grown", size=50)
    s3.delete("acme/gone")
    orphan = s3.begin("acme/orphan")

    dry, said = reconcile(running, "--tenant", "acme", "--dry-run")
    before = usage("acme")
    status, repaired = reconcile(running)
    again, nothing = reconcile(running, "--tenant", "acme")

    assert plan["strategy"] == "multipart"
    assert (dry, status, again) == (1, 1, 1)  # the upload that nobody lists is young, and still there
    assert (before.bytes, before.objects) == (15, 3)
    acme = next(each for each in repaired if each["ledger"]["tenant"] == "acme")
    found = {each["key"]: (each["counted"], each["held"]) for each in acme["ledger"]["differences"]}
    assert found == {
        **{f"acme/{name}": (None, 3) for name in NAMES},
        "acme/grown": (5, 50),
        "acme/gone": (5, None),
    }
    assert {each["key"] for each in said[0]["ledger"]["differences"]} == set(found)
    assert nothing[0]["ledger"]["differences"] == []
    assert [each["upload_id"] for each in acme["orphans"]] == [orphan]
    assert (usage("acme").bytes, usage("acme").objects) == (5 + 50 + 3 * len(NAMES), 2 + len(NAMES))
    assert {"acme", "globex"} <= {each["ledger"]["tenant"] for each in repaired}


def test_uploads_go_on_meanwhile(running: Demo) -> None:
    """Overwritten again and again while the ledger is compared: equal to S3 afterwards."""
    s3, stores = operator(running), open_sqlite(running.data / "gateway.sqlite")
    stop = threading.Event()

    def upload(number: int, token: str) -> None:
        with running.client(token) as client:
            count = 0
            while not stop.is_set():
                count += 1
                body = bytes(1 + (count * 7 + number) % 90)
                way = ("proxy", "edge")[count % 2]
                headers = {"content-type": "application/octet-stream"}
                client.put(f"/{way}/busy-{(count + number) % 6}", content=body, headers=headers)

    token = running.token("--tenant", "acme")
    threads = [threading.Thread(target=upload, args=(number, token)) for number in range(3)]
    for thread in threads:
        thread.start()
    for round_ in range(2):
        s3.put(f"acme/past-{round_}")
        reconcile(running, "--tenant", "acme")
    stop.set()
    for thread in threads:
        thread.join()
    reconcile(running, "--tenant", "acme")

    async def held(calls: S3Calls) -> dict[str, int]:
        return {each.key: each.size async for page in Listing(calls).objects("acme/") for each in page}

    in_s3, rows = s3.run(held), stores.ledger.objects("acme", limit=100).items
    assert {row.key: row.bytes for row in rows} == in_s3
    usage = stores.ledger.usage("acme")
    assert (usage.bytes, usage.objects) == (sum(in_s3.values()), len(in_s3))


def test_where_there_is_no_demo_the_command_says_so(tmp_path: Path) -> None:
    """With the exit status of what could not be done."""
    done = subprocess.run([COMMAND, "reconcile", "--data", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("upload-gateway: There is no demo in ")


def test_a_gateway_compares_by_itself(running: Demo) -> None:
    """Every tenant in its turn, and the stores are tidied; what S3 does not answer about waits."""
    operator(running).put("acme/by-itself")
    deployment = demo_deployment(running.data)

    async def go() -> None:
        async with reconciling_of(deployment) as reconciling:
            seen = reconciling.opened.stores.ledger.seen
            sweeping = asyncio.ensure_future(sweep_ledger(reconciling, first=0, every=3600))
            async with asyncio.timeout(30):
                while not seen("acme", ["acme/by-itself"]):  # noqa: ASYNC110 - the sweep's own work is waited for
                    await asyncio.sleep(0.01)
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

    asyncio.run(go())
