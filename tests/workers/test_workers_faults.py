"""S3's and clients' faults before `upload-gateway serve` in production: TLS, two workers, trailing checksums.

`tests/faults` has every fault against one process; here the worst of each kind meet both workers, and what is counted
afterwards is what the kernel and the gateway's own metrics have of them.
"""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.certificates import certified
from tests.faults.bench import bucket_of
from tests.faults.tcp import Fault, FaultProxy, through
from tests.faults.test_s3_faults import (
    GARBAGE,
    answers,
    answers_early,
    closes_in_the_body,
    error,
    flips,
    resets_after_storing,
    resets_at_once,
    resets_in_the_body,
)
from tests.workers.running import Gateway, Ground, serving, until
from tests.workers.test_workers_metrics import apart, scraped

LARGE = bytes(range(256)) * 16_384  # 4 MiB: more than the buffers on the way hold
TYPE = "application/octet-stream"

FAULTS: dict[str, tuple[Fault, bool]] = {
    "resets at once": (resets_at_once, False),
    "resets in the body": (resets_in_the_body, False),
    "closes in the body": (closes_in_the_body, False),
    "slow down, before the body": (answers_early(error(503, "SlowDown")), False),
    "internal error": (answers(error(500, "InternalError")), True),
    "garbage": (answers(GARBAGE), True),
    "closes after the body": (answers(b""), True),
    "stored, and reset": (resets_after_storing, True),
    "a bit flips": (flips, False),
}
"""What S3 does, and whether the whole object may be there afterwards; the client is told 503 each time."""


@contextmanager
def failing(s3_port: int) -> Iterator[FaultProxy]:
    """A fault proxy on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = FaultProxy(s3_port)
    asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(30)
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def become(s3: FaultProxy, fault: Fault) -> None:
    """From now on S3 does so, on connections that were kept from before, too: those are closed."""
    s3.fault = fault
    asyncio.run_coroutine_threadsafe(s3.drop(), s3.loop).result(30)


class Caller:
    """Clients over TLS, each upload on a connection of its own, so that both workers have their share."""

    def __init__(self, gateway: Gateway, trusting: ssl.SSLContext, token: str) -> None:
        self._port, self._trusting = gateway.port, trusting
        self._headers = {"authorization": f"Bearer {token}", "content-type": TYPE, "connection": "close"}

    def put(self, name: str, body: bytes) -> int:
        """The status of an upload."""
        connection = HTTPSConnection("localhost", self._port, timeout=60, context=self._trusting)
        try:
            connection.request("PUT", f"/proxy/{name}", body, self._headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def vanish(self, name: str, sent: int) -> None:
        """Leave with a reset when so many bytes are sent; -1: in the middle of the handshake."""
        plain = socket.create_connection(("localhost", self._port), timeout=60)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        if sent < 0:
            plain.sendall(b"\x16\x03\x01\x02\x00")
            plain.close()
            return
        secured = self._trusting.wrap_socket(plain, server_hostname="localhost")
        lines = [f"PUT /proxy/{name} HTTP/1.1", "host: localhost", f"content-length: {len(LARGE)}"]
        lines += [f"{key}: {value}" for key, value in self._headers.items()]
        with suppress(OSError):
            secured.sendall("\r\n".join([*lines, "", ""]).encode() + LARGE[:sent])
        secured.close()


def held(gateway: Gateway) -> list[int]:
    """How many descriptors each worker has."""
    return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in gateway.workers]


def calm(watched: str) -> bool:
    """Whether the gateway says that nothing is under way."""
    found = scraped(watched)
    under_way = sum(value for name, value in found.items() if "requests_under_way" in name)
    # The scrape itself is under way; its listener's connections are not the clients'.
    return (found["upload_gateway_connections"], found["upload_gateway_uploads_under_way"], under_way) == (0, 0, 1)


@pytest.fixture
def environment(ground: Ground) -> Iterator[Callable[[int], dict[str, str]]]:
    """Settings with TLS and two workers, for an S3 on a port."""
    with certified(ground.folder, "gateway") as (certificate, key):
        yield lambda port: ground.environment(
            TLS__CERTIFICATE=str(certificate),
            TLS__KEY=str(key),
            WORKERS="2",
            OPERATIONS__PORT="0",
            OPERATIONS__METRICS="apart",
            S3__ENDPOINT=f"http://127.0.0.1:{port}",
            S3__INTEGRITY="all",
        )


def test_faults_before_two_workers_over_tls_leave_nothing(
    ground: Ground, environment: Callable[[int], dict[str, str]]
) -> None:
    """Each is told as it must be, no partial object is ever there, and no connection, descriptor or upload is left."""
    bucket = bucket_of(ground.store)
    trusting = ssl.create_default_context(cafile=str(ground.folder / "certificate.pem"))
    with failing(ground.store.port or 0) as s3, serving(environment(s3.port)) as gateway:
        watched, caller = apart(gateway), Caller(gateway, trusting, ground.token())
        assert [caller.put(f"warm-{number}", LARGE) for number in range(6)] == [200] * 6
        until(lambda: calm(watched), what="the first uploads are over")
        before = sum(held(gateway))
        told: dict[str, set[int]] = {}
        perhaps: set[str] = set()
        for number, (name, (fault, may_be_there)) in enumerate(FAULTS.items()):
            told[name] = set()
            for again in range(3):
                become(s3, fault)
                told[name].add(caller.put(f"fault-{number}-{again}", LARGE))
                perhaps |= {f"acme/fault-{number}-{again}"} if may_be_there else set()
        become(s3, through)
        for number, sent in enumerate((-1, 0, 1_000, len(LARGE) // 2, len(LARGE) - 1)):
            caller.vanish(f"gone-{number}", sent)
        after = [caller.put(f"after-{number}", LARGE) for number in range(6)]
        until(lambda: calm(watched), what="nothing is under way")
        # A worker keeps one connection to S3 for each that was used at once.
        until(lambda: sum(held(gateway)) <= before + 2 * len(gateway.workers), what="no descriptor is left")
        served = scraped(watched)

    there = bucket.sizes("acme/")
    assert told == {name: {503} for name in FAULTS}
    assert after == [200] * 6
    assert {key for key in there if "fault" in key} <= perhaps
    assert not [key for key in there if "gone" in key]
    assert {size for key, size in there.items() if key.startswith("acme/after")} == {len(LARGE)}
    assert {there[key] for key in perhaps & there.keys()} <= {len(LARGE)}
    assert served["upload_gateway_worker_starts_total"] == 2
