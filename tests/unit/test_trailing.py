"""A checksum in a trailer, beside botocore's own framing of the same bytes."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator

import pytest
from awscrt.checksums import crc64nvme
from botocore.httpchecksum import AwsChunkedWrapper
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage import trailing
from gateway.storage.upstream import BodyAbortedError


class Crc64:
    """The checksum as botocore's wrapper wants it."""

    def __init__(self) -> None:
        self.state = 0

    def update(self, data: bytes) -> None:
        self.state = crc64nvme(data, self.state)

    def b64digest(self) -> str:
        return base64.b64encode(self.state.to_bytes(8, "big")).decode()


def framed(body: bytes, places: list[int], size: int | None = None) -> tuple[bytes, trailing.Framed]:
    """What goes to S3 when the body comes cut at these places."""
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})

    async def pieces() -> AsyncIterator[bytes]:
        for start, end in zip([0, *ends], ends, strict=False):
            yield body[start:end]

    async def read() -> tuple[bytes, trailing.Framed]:
        declared = len(body) if size is None else size
        headers = (("content-length", str(declared)), ("content-type", "text/plain"))
        request = trailing.framed(headers, pieces(), declared, crc64nvme)
        return b"".join([bytes(piece) async for piece in request.body]), request

    return asyncio.run(read())


SIZES = st.sampled_from([0, 1, 4096, trailing.CHUNK - 1, trailing.CHUNK, trailing.CHUNK + 1, 200_000])


@given(size=SIZES, places=st.lists(st.integers(0, 200_000), max_size=6), seed=st.binary(min_size=1, max_size=8))
def test_the_framing_is_botocores_however_the_body_arrives(size: int, places: list[int], seed: bytes) -> None:
    """Chunks, trailer and length, byte by byte."""
    body = (seed * (size // len(seed) + 1))[:size]
    reference = AwsChunkedWrapper(
        io.BytesIO(body), checksum_cls=Crc64, checksum_name=trailing.HEADER, chunk_size=trailing.CHUNK
    )
    sent, request = framed(body, places)
    assert sent == reference.read()
    assert request.length == trailing.framed_length(size) == len(sent)
    headers = dict(request.headers)
    assert headers["content-length"] == str(len(sent))
    assert headers["x-amz-decoded-content-length"] == str(size)
    assert headers["content-encoding"] == "aws-chunked"


@pytest.mark.parametrize("declared", [0, 99, 101, 70_000])
def test_a_body_of_another_size_breaks_off(declared: int) -> None:
    """The trailer, without which S3 stores nothing, is never sent."""
    with pytest.raises(BodyAbortedError):
        framed(b"x" * 100, [50], declared)


def test_a_coding_of_the_clients_own_stays_behind_ours() -> None:
    """S3 takes `aws-chunked` off and keeps the rest."""

    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    request = trailing.framed((("content-length", "0"), ("content-encoding", "gzip")), nothing(), 0, crc64nvme)
    assert dict(request.headers)["content-encoding"] == "aws-chunked,gzip"
