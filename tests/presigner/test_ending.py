"""Uploads whose time is over: S3 forgets their parts, also what a crash left, and nothing else ends."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gateway.journal import Journal
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.storage.endpoint import Endpoint
from gateway.storage.multipart import Multipart
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.stores import open_sqlite
from presigner.ending import end_expired
from presigner.register import ABORTED, CREATING, OPEN, REMOTE, Register
from presigner.sealing import Sealer
from presigner.upload import Strategy, Upload, owner_of

Result = TypeVar("Result")


async def at_once(call: Callable[[], Result]) -> Result:
    """An `Aside` that waits for nobody."""
    return call()


class Situation:
    """A list of uploads, a real S3, and a clock that the test moves."""

    def __init__(self, calls: Multipart, place: Path) -> None:
        self.now = time.time()
        self.calls = calls
        self.sealer = Sealer([bytes(32)], secrets.token_bytes)
        stores = open_sqlite(place / "gateway.sqlite")
        self.register = Register(uploads=stores.uploads, ledger=stores.ledger, aside=at_once, clock=lambda: self.now)

    async def begun(self, key: str, *, state: str = OPEN, life: int = 3600) -> Upload:
        """A multipart upload in S3 and, in this state, on the list."""
        upload = Upload(
            id=secrets.token_hex(16),
            strategy=Strategy.MULTIPART,
            tenant="acme",
            owner=owner_of("https://issuer", "ann"),
            key=key,
            name=key.rpartition("/")[2],
            least=10,
            size=10,
            part_size=5_242_880,
            upload_id=await self.calls.create(key, ()),
            algorithm="crc64nvme",
            checksum="",
            create_only=False,
            look="-",
            created=int(self.now),
            ends=int(self.now) + life,
        )
        kept = replace(upload, upload_id="") if state in {CREATING, REMOTE} else upload
        await self.register.record(kept, kept.sealed(self.sealer), state)
        return upload

    async def end(self) -> int:
        """One run."""
        return await end_expired(self.register, self.calls, self.sealer, Journal(clock=time.time))

    async def is_open(self, upload: Upload) -> bool:
        """Whether S3 still has the upload."""
        return await self.calls.parts(upload.key, upload.upload_id) is not None


def run(store: EmbeddedS3, place: Path, scenario: Callable[[Situation], Awaitable[None]]) -> None:
    """Run a scenario."""

    async def go() -> None:
        async with Upstream(timeouts=Timeouts()) as upstream:
            signer = Signer(store.identities.completer, store.region)
            endpoint = Endpoint.at(store.endpoint, store.bucket)
            calls = Multipart(upstream=upstream, endpoint=endpoint, signer=signer, clock=time.time)
            await scenario(Situation(calls, place))

    asyncio.run(go())


def test_what_is_over_ends_and_nothing_else(store: EmbeddedS3, tmp_path: Path) -> None:
    """Open and given up ones in time; a second run finds nothing to do."""

    async def scenario(situation: Situation) -> None:
        over = [await situation.begun(f"acme/over-{state}", state=state) for state in (OPEN, ABORTED)]
        going = await situation.begun("acme/going", life=7200)
        assert await situation.end() == 0

        situation.now += 3601
        ended = [await situation.end() for _ in range(2)]

        assert ended == [2, 0]
        assert [await situation.is_open(upload) for upload in (*over, going)] == [False, False, True]

    run(store, tmp_path, scenario)


def test_what_a_crash_left_is_found_by_its_key_and_time(store: EmbeddedS3, tmp_path: Path) -> None:
    """S3 had made the upload and the list never learnt its id; an upload of the same key at another time goes on."""

    async def scenario(situation: Situation) -> None:
        left = await situation.begun("acme/same", state=CREATING)
        situation.now -= 1800  # S3's clock is the machine's: this row is of half an hour before its upload
        await situation.begun("acme/earlier", state=CREATING, life=600)
        other = await situation.begun("acme/earlier", life=9000)

        situation.now += 1800 + 3601
        assert await situation.end() == 2

        assert not await situation.is_open(left)
        assert await situation.is_open(other)

    run(store, tmp_path, scenario)


def test_what_a_client_began_at_s3_itself_ends_too(store: EmbeddedS3, tmp_path: Path) -> None:
    """As late as it may begin; what began later is another upload's."""

    async def scenario(situation: Situation) -> None:
        situation.now -= 3500  # S3's clock is the machine's: the URL was given out that long before
        begun = await situation.begun("acme/remote", state=REMOTE, life=600)
        situation.now -= 500
        other = await situation.begun("acme/later", state=REMOTE, life=600)

        situation.now += 4000 + 601
        assert await situation.end() == 2

        assert [await situation.is_open(upload) for upload in (begun, other)] == [False, True]

    run(store, tmp_path, scenario)


def test_a_list_sealed_with_a_lost_key_is_swept_by_keys(store: EmbeddedS3, tmp_path: Path) -> None:
    """The id can't be read any more; what began when the row was written ends all the same."""

    async def scenario(situation: Situation) -> None:
        upload = await situation.begun("acme/lost")
        situation.sealer = Sealer([b"k" * 32], secrets.token_bytes)
        situation.now += 3601

        assert await situation.end() == 1
        assert not await situation.is_open(upload)

    run(store, tmp_path, scenario)
