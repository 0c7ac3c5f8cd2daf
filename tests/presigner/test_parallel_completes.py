"""Many who complete one upload at once, each in an instance of its own: one has the turn, and all are told the same."""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.allowance import Caller
from gateway.journal import Journal
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.model import Policy, Principal, TenantId
from gateway.policy.problems import Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.multipart import Multipart
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.stores import open_sqlite
from presigner.bodies import CompleteRequest
from presigner.completion import Completer
from presigner.idempotency import Replays
from presigner.upload import Strategy, Upload, owner_of, stored_look

AT_ONCE = 20
BODY = b"all of it"


@pytest.mark.parametrize("create_only", [False, True])
def test_instances_that_complete_at_once_agree(store: EmbeddedS3, tmp_path: Path, *, create_only: bool) -> None:
    """One of them completes, and every answer is the success."""
    key = f"acme/at-once-{create_only}"
    who = Caller(
        principal=Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset()),
        policy=Policy(tenant=TenantId("acme")),
        request_id="r",
    )

    async def go() -> None:
        async with Upstream(timeouts=Timeouts()) as upstream:
            endpoint = Endpoint.at(store.endpoint, store.bucket)
            completer = Signer(store.identities.completer, store.region)
            calls = Multipart(upstream=upstream, endpoint=endpoint, signer=completer, clock=time.time)
            upload = Upload(
                id=secrets.token_hex(16),
                strategy=Strategy.MULTIPART,
                tenant="acme",
                owner=owner_of("i", "s"),
                key=key,
                name=key.removeprefix("acme/"),
                least=len(BODY),
                size=len(BODY),
                part_size=5_242_880,
                upload_id=await calls.create(key, ()),
                algorithm="crc64nvme",
                checksum="",
                create_only=create_only,
                look=stored_look({}, like="-"),
                created=0,
                ends=2**40,
            )
            query = (("partNumber", "1"), ("uploadId", upload.upload_id))
            url = completer.presign(
                "PUT", endpoint.origin, endpoint.path_for(key), expires=60, now=time.time(), query=query
            )
            await upstream.ask("PUT", url, (("content-length", str(len(BODY))),), body=BODY, most=65_536)

            turns = open_sqlite(tmp_path / "gateway.sqlite").idempotency

            async def at_once(call: Callable[[], Any]) -> Any:
                return call()

            async def complete() -> object:
                replays = Replays(store=turns, aside=at_once, clock=time.time, new_token=lambda: secrets.token_hex(8))
                instance = Completer(
                    storage=calls, register=None, replays=replays, clock=time.time, journal=Journal(clock=time.time)
                )
                outcome = await instance.complete(upload, "id", who, CompleteRequest())
                return outcome.code if isinstance(outcome, Refusal) else outcome["etag"]

            first = await asyncio.gather(*(complete() for _ in range(AT_ONCE)))
            later = await complete()
            assert "-1" in str(later)
            assert set(first) == {later}

    asyncio.run(go())
