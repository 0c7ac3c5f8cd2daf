"""The strict front before a real S3: signatures still verify, bytes come through, refusals are S3's own."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.strict_s3 import serve_strict_front
from gateway.storage.sigv4 import Signer

NAME = "acme/ä b+c%41'😀.bin"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with EmbeddedS3(Path(tmp_path_factory.mktemp("strict"))) as server:
        yield server
        server.stop(0)


async def ask(port: int, request: bytes, body: bytes = b"") -> bytes:
    """Send bytes, then read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request + body)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    return answer


def presigned(s3: EmbeddedS3, method: str, port: int) -> str:
    """The target of a URL for the front's own host and port."""
    origin = f"http://localhost:{port}"
    signer = Signer(s3.identities.completer, s3.region)
    return signer.presign(method, origin, f"/{s3.bucket}/{NAME}", expires=60, now=time.time()).removeprefix(origin)


def test_bytes_and_signatures_come_through(s3: EmbeddedS3) -> None:
    """A presigned PUT and GET of three mebibytes under a difficult name pass the front unchanged."""

    async def scenario() -> tuple[bytes, bytes]:
        assert s3.port is not None
        front = await serve_strict_front("127.0.0.1", s3.port)
        host = f"Host: localhost:{front.port}\r\n"
        put = f"PUT {presigned(s3, 'PUT', front.port)} HTTP/1.1\r\n{host}Content-Length: 3145728\r\n\r\n"
        stored = await ask(front.port, put.encode(), bytes(range(256)) * 12288)
        got = await ask(front.port, f"GET {presigned(s3, 'GET', front.port)} HTTP/1.1\r\n{host}\r\n".encode())
        await front.close()
        return stored, got

    stored, got = asyncio.run(scenario())
    assert stored.startswith(b"HTTP/1.1 200")
    assert got.partition(b"\r\n\r\n")[2] == bytes(range(256)) * 12288


def test_a_token_beside_a_signature_is_refused(s3: EmbeddedS3) -> None:
    """What SeaweedFS takes and AWS does not, with S3's XML and without the token in it."""

    async def scenario() -> bytes:
        assert s3.port is not None
        front = await serve_strict_front("127.0.0.1", s3.port)
        target = presigned(s3, "PUT", front.port)
        head = f"PUT {target} HTTP/1.1\r\nHost: localhost:{front.port}\r\nContent-Length: 1\r\n"
        answer = await ask(front.port, f"{head}Authorization: Bearer secret\r\n\r\n".encode(), b"x")
        await front.close()
        return answer

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"<Code>InvalidArgument</Code>" in answer
    assert b"secret" not in answer


def test_an_absent_upstream_is_503() -> None:
    """Where the S3 is gone the front says so, as S3 would."""

    async def scenario() -> bytes:
        front = await serve_strict_front("127.0.0.1", 1)
        answer = await ask(front.port, b"OPTIONS /uploads/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await front.close()
        return answer

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 503")
