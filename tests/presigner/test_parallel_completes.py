"""Many who complete one upload at once, each in an instance of its own: S3 alone decides, and all are told the same."""

import asyncio
import secrets
import time

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
from presigner.bodies import CompleteRequest
from presigner.completion import Completer
from presigner.upload import Strategy, Upload, owner_of, stored_look

AT_ONCE = 20
BODY = b"all of it"


@pytest.mark.parametrize("create_only", [False, True])
def test_instances_that_complete_at_once_agree(store: EmbeddedS3, *, create_only: bool) -> None:
    """Every answer is the success or asks to come again; whoever comes again is told of the success."""
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

            async def complete() -> object:
                instance = Completer(storage=calls, register=None, clock=time.time, journal=Journal(clock=time.time))
                outcome = await instance.complete(upload, "id", who, CompleteRequest())
                return outcome.code if isinstance(outcome, Refusal) else outcome["etag"]

            first = await asyncio.gather(*(complete() for _ in range(AT_ONCE)))
            later = await complete()
            assert "-1" in str(later)
            # Who asks while another instance's call is under way may see S3 with some of the parts taken already.
            assert set(first) <= {later, "storage-unavailable", "upload-incomplete"}, set(first)
            assert later in first

    asyncio.run(go())
