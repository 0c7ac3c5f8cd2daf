"""A clock that is wrong, and a process that has no descriptor left."""

import asyncio
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.bench import CARRIERS, Bench
from tests.faults.conftest import Run

SMALL = b"s" * 1_000
BACKENDS = (*CARRIERS, "presigned")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iat": 600, "exp": 1_200}, "token-invalid"),
        ({"nbf": 600}, "token-invalid"),
        ({"iat": -1_200, "exp": -600}, "token-expired"),
        ({"exp": -1}, "token-expired"),
        ({"exp": 40 * 86_400}, "token-invalid"),
    ],
    ids=["issued-in-the-future", "not-yet", "expired", "expired-just-now", "lives-too-long"],
)
def test_a_token_of_another_time_is_refused(run: Run, claims: dict[str, int], code: str) -> None:
    """An issuer or a client whose clock is wrong: 401, and S3 hears nothing."""

    async def scenario(bench: Bench) -> None:
        moments: dict[str, Any] = {name: int(time.time()) + seconds for name, seconds in claims.items()}
        token = bench.token(**moments)
        for backend in BACKENDS:
            answer = await bench.put(backend, "another-time", SMALL, token=token)
            assert answer is not None
            assert (answer.status, answer.code) == (401, code)
        assert bench.faults.accepted == 0

    run(scenario)


@pytest.mark.parametrize(("wrong_by", "code"), [(-600.0, "token-invalid"), (3_600.0, "token-expired")])
def test_a_gateway_whose_clock_is_wrong_believes_no_token(run: Run, wrong_by: float, code: str) -> None:
    """It refuses good tokens rather than accept bad ones, and is itself again when its clock is."""

    async def scenario(bench: Bench) -> None:
        bench.clock.wrong_by = wrong_by
        for backend in BACKENDS:
            answer = await bench.put(backend, "wrong-clock", SMALL)
            assert answer is not None
            assert (answer.status, answer.code) == (401, code)

    run(scenario)


@pytest.mark.parametrize("wrong_by", [-1_200.0, 1_200.0], ids=["behind", "ahead"])
def test_a_gateway_whose_signatures_are_of_another_time_stores_nothing(
    run: Run, wrong_by: float, caplog: pytest.LogCaptureFixture
) -> None:
    """S3 takes 15 minutes of difference: a client is told to come again, the operator S3's reason."""

    async def scenario(bench: Bench) -> None:
        token = bench.token(iat=int(time.time()) - 2_400, exp=int(time.time()) + 2_400)
        bench.clock.wrong_by = wrong_by
        proxy = await bench.put("proxy", "skewed", SMALL, token=token)
        assert proxy is not None
        assert (proxy.status, proxy.code) == (503, "storage-unavailable")
        assert "nothing was stored" in proxy.problem["detail"]
        edge = await bench.put("edge", "skewed", SMALL, token=token)
        assert edge is not None
        assert edge.status == 403
        assert b"<Code>RequestTimeTooSkewed</Code>" in edge.body

    run(scenario)
    assert "403 RequestTimeTooSkewed" in caplog.text


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process can open nothing meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    taken: list[int] = []
    try:
        while True:
            try:
                taken.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("backend", CARRIERS)
def test_a_gateway_without_descriptors_refuses_and_recovers(run: Run, backend: str) -> None:
    """No connection to S3 can be made: 503; a new client is turned away; with descriptors again, all is well."""

    async def scenario(bench: Bench) -> None:
        refused = await bench.put(backend, "keys", SMALL, **{"x-amz-acl": "private"})  # fetches the issuer's keys
        assert refused is not None
        assert refused.code == "header-not-allowed"
        assert bench.faults.accepted == 0
        with socket.socket() as late:
            late.setblocking(False)
            async with bench.client() as client:
                await bench.until(lambda: bench.server.connections == 1)
                with no_descriptor_left():
                    await client.head(bench.target(backend, "full"), bench.headers(len(SMALL)))
                    await client.side.send(SMALL)
                    answer = await client.answer()
                    late.connect_ex(("127.0.0.1", bench.server.port))
                    await asyncio.sleep(0)
                assert answer is not None
                assert (answer.status, answer.code) == (503, "storage-unavailable")
                assert "nothing was stored" in answer.problem["detail"]

    run(scenario)
