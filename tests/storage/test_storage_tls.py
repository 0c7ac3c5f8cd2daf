"""S3 proves who it is before anything is sent to it: by both ways in which the gateway speaks to S3 itself."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from gateway.storage.kept import KeptConnections
from gateway.storage.upstream import Timeouts, Upstream, UpstreamError
from tests.certificates import certified

ANSWER = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'
HEAD = (("content-length", "6"), ("authorization", "secret"))


@contextmanager
def s3(certificate: Path, key: Path) -> Iterator[tuple[int, list[bytes]]]:
    """A server with this certificate that takes one connection: its port, and what it was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        with listening.accept()[0] as plain:
            plain.settimeout(30)
            try:
                with context.wrap_socket(plain, server_side=True) as secured:
                    while not b"".join(received).endswith(b"a body"):
                        received.append(secured.recv(4096))
                    secured.sendall(ANSWER)
            except OSError:
                return  # the client went away in the handshake

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve, args=(listening,))
        thread.start()
        yield listening.getsockname()[1], received
        thread.join(30)


def by_an_upload(origin: str) -> str:
    """What became of a PUT by the client that carries users' bytes."""

    async def put() -> int:
        async with Upstream(timeouts=Timeouts()) as upstream:
            return (await upstream.put_whole(f"{origin}/bucket/key", HEAD, b"a body")).status

    try:
        return "stored" if asyncio.run(put()) == 200 else "refused"
    except UpstreamError as error:
        return "perhaps" if error.sent_all else "nothing"


def by_a_small_call(origin: str) -> str:
    """The same by the client of documents and tables."""
    connections = KeptConnections(origin)
    headers = {"host": "localhost", **dict(HEAD)}
    try:
        answer = connections.exchange("PUT", "/bucket/key", headers, b"a body", within=30)
    except ssl.SSLCertVerificationError:
        return "nothing"
    connections.close()
    return "stored" if answer.status == 200 else "refused"


@pytest.mark.parametrize("sent", [by_an_upload, by_a_small_call])
@pytest.mark.parametrize(
    ("host", "trusted", "expected"),
    [("localhost", True, "stored"), ("localhost", False, "nothing"), ("127.0.0.1", True, "nothing")],
    ids=["trusted", "self-signed", "for-another-name"],
)
def test_s3_proves_its_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: Callable[[str], str],
    *,
    host: str,
    trusted: bool,
    expected: str,
) -> None:
    """A certificate that nobody trusts, or that is another host's, gets no byte: no signature, no body."""
    with certified(tmp_path, "s3") as (certificate, key), s3(certificate, key) as (port, received):
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        became = sent(f"https://{host}:{port}")

    assert (became, bool(received)) == (expected, expected == "stored")
