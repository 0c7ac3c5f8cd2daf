"""The calls of a multipart upload, on a real S3."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from hashlib import md5

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.storage.calls import document
from gateway.storage.endpoint import Endpoint
from gateway.storage.multipart import Multipart, S3Error, UploadedPart, one_each
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Answer, Timeouts, Upstream

KEY = 'acme/a b+é & "quoted"/x.txt'
FIRST, LAST = b"a" * 5_242_880, b"tail"


def run(store: EmbeddedS3, scenario: Callable[[Multipart, Callable[..., Awaitable[str]]], Awaitable[None]]) -> None:
    """Run a scenario with the calls and a way to send a part."""

    async def go() -> None:
        endpoint = Endpoint.at(store.endpoint, store.bucket)
        async with Upstream(timeouts=Timeouts()) as upstream:
            signer = Signer(store.identities.signer, store.region)
            calls = Multipart(
                upstream=upstream,
                endpoint=endpoint,
                signer=Signer(store.identities.completer, store.region),
                clock=time.time,
            )

            async def send(key: str, upload: str, number: int, body: bytes) -> str:
                query = (("partNumber", str(number)), ("uploadId", upload))
                url = signer.presign(
                    "PUT", endpoint.origin, endpoint.path_for(key), expires=60, now=time.time(), query=query
                )
                headers = (("content-length", str(len(body))),)
                return (await upstream.ask("PUT", url, headers, body=body, most=65_536)).headers["etag"]

            await scenario(calls, send)

    asyncio.run(go())


def test_an_upload_from_create_to_the_object(store: EmbeddedS3) -> None:
    """Created, listed, completed, looked at; then nothing of the upload is left."""

    async def scenario(calls: Multipart, send: Callable[..., Awaitable[str]]) -> None:
        assert await calls.look(KEY) is None
        upload = await calls.create(KEY, (("content-type", "text/plain"), ("x-amz-meta-a", "b")))
        assert [found for found, _ in await calls.unfinished(KEY)] == [upload]
        assert await calls.unfinished(KEY[:-1]) == ()
        await send(KEY, upload, 2, LAST)
        await send(KEY, upload, 1, FIRST)
        parts = await calls.parts(KEY, upload)
        assert parts == (
            UploadedPart(number=1, size=len(FIRST), etag=f'"{md5(FIRST).hexdigest()}"'),
            UploadedPart(number=2, size=len(LAST), etag=f'"{md5(LAST).hexdigest()}"'),
        )
        etag = await calls.complete(KEY, upload, parts, (("if-none-match", "*"),))
        stored = await calls.look(KEY)
        assert stored is not None
        assert (stored.size, stored.etag) == (len(FIRST + LAST), etag)
        assert (stored.headers["content-type"], stored.headers["x-amz-meta-a"]) == ("text/plain", "b")
        assert await calls.parts(KEY, upload) is None

    run(store, scenario)


def test_an_abort_leaves_nothing_and_may_be_repeated(store: EmbeddedS3) -> None:
    """Aborted twice, and the second is no error."""

    async def scenario(calls: Multipart, send: Callable[..., Awaitable[str]]) -> None:
        upload = await calls.create("acme/aborted", ())
        await send("acme/aborted", upload, 1, LAST)
        await calls.abort("acme/aborted", upload)
        await calls.abort("acme/aborted", upload)
        assert await calls.parts("acme/aborted", upload) is None
        assert await calls.unfinished("acme/aborted") == ()

    run(store, scenario)


def test_what_s3_refuses_is_an_error_with_its_code(store: EmbeddedS3) -> None:
    """A part that is not there, by S3's own code."""

    async def scenario(calls: Multipart, send: Callable[..., Awaitable[str]]) -> None:
        upload = await calls.create("acme/missing", ())
        await send("acme/missing", upload, 1, LAST)
        with pytest.raises(S3Error) as refused:
            await calls.complete("acme/missing", upload, (UploadedPart(number=2, size=4, etag='"00"'),), ())
        assert (refused.value.status, refused.value.code) == (400, "InvalidPart")

    run(store, scenario)


@pytest.mark.parametrize(
    "body", [b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>", b"", b"<a/><b/>", b"\xff\xfe<", b"text"]
)
def test_an_answer_that_is_no_plain_xml_is_refused(body: bytes) -> None:
    """Never expanded, never raised past as anything but an OSError."""
    with pytest.raises(OSError, match="S3's answer"):
        document(Answer(status=200, headers={}, body=body))


TWICE = (("a", "10"), ("b", "12"), ("c", "11"))


@pytest.mark.parametrize(
    ("taken", "named", "left"),
    [
        (TWICE, {}, ["b"]),
        (TWICE, {1: "c"}, ["c"]),
        (TWICE, {1: "of no part"}, ["b"]),
        ((*TWICE, ("d", "12")), {}, ["b", "d"]),
        ((*TWICE, ("d", "12")), {1: "d"}, ["d"]),
    ],
)
def test_one_part_a_number_is_left(taken: tuple[tuple[str, str], ...], named: dict[int, str], left: list[str]) -> None:
    """The one that is named, else the last; both where nobody knows."""
    parts = [UploadedPart(number=1, size=1, etag=f'"{etag}"', modified=second) for etag, second in taken]
    other = UploadedPart(number=2, size=1, etag='"z"')

    assert [part.etag.strip('"') for part in one_each([*parts, other], named)] == [*left, "z"]
