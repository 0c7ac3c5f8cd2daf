"""Issuers that are down, slow or wrong, cold and warm."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.identity import testing
from gateway.identity.jwks import JwksTimes
from gateway.identity.testing import LocalIssuer
from tests.faults.bench import CARRIERS, Bench, Setting
from tests.faults.client import PATIENCE
from tests.faults.conftest import Run

SMALL = b"s" * 1_000
KEYS = "/.well-known/jwks.json"
BACKENDS = (*CARRIERS, "presigned")

WRONG = {
    "500": testing.Answer(b"", 500),
    "404": testing.Answer(b"", 404),
    "a-redirect": testing.Answer(b"", 302, [("location", "http://127.0.0.1:9/")]),
    "a-page": testing.Answer(b"<html>Log in</html>"),
    "no-keys": testing.Answer(b'{"keys": 7}'),
    "too-large": testing.Answer(b'{"keys": [' + b" " * 2_000_000 + b"]}"),
}


@contextmanager
def silent(issuer: LocalIssuer) -> Iterator[None]:
    """The issuer takes requests and answers none of them meanwhile."""
    released = threading.Event()
    answer = issuer.answer

    def wait(path: str) -> testing.Answer:
        released.wait(PATIENCE)
        return answer(path)

    issuer.answer = wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        issuer.answer = answer  # type: ignore[method-assign]
        released.set()


async def recovered(bench: Bench) -> None:
    """Wait until the issuer may be asked again, as `Retry-After` says."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await bench.put("proxy", "recovered", SMALL)
            assert answer is not None
            if answer.status == 200:
                return
            assert answer.code == "identity-unavailable"
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_cold_issuer_that_fails_is_unavailable(run: Run, wrong: testing.Answer) -> None:
    """Nobody can say who calls: 503 with a time to come again, on every backend, and S3 hears nothing."""

    async def scenario(bench: Bench) -> None:
        good, bench.issuer.answers[KEYS] = bench.issuer.answers[KEYS], wrong
        for backend in BACKENDS:
            answer = await bench.put(backend, "cold", SMALL)
            assert answer is not None
            assert (answer.status, answer.code) == (503, "identity-unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert bench.faults.accepted == 0
        bench.issuer.answers[KEYS] = good
        await recovered(bench)

    run(scenario)


def test_a_slow_issuer_keeps_only_its_own_callers_waiting(run: Run) -> None:
    """Its callers are answered by the deadline; those of another issuer are served meanwhile."""

    async def scenario(bench: Bench) -> None:
        others = bench.token(iss=bench.other_issuer.url)
        with silent(bench.issuer):
            waiting = [asyncio.ensure_future(bench.put(backend, "slow", SMALL)) for backend in BACKENDS]
            for backend in CARRIERS:
                served = await bench.put(backend, "served", SMALL, token=others)
                assert served is not None
                assert served.status == 200
            for answer in await asyncio.gather(*waiting):
                assert answer is not None
                assert (answer.status, answer.code) == (503, "identity-unavailable")
        await recovered(bench)

    run(scenario, Setting(jwks=JwksTimes(deadline=0.5)))


def test_a_client_that_leaves_while_its_issuer_is_slow_leaves_nothing(run: Run) -> None:
    """The fetch ends by its deadline whether somebody waits or not."""

    async def scenario(bench: Bench) -> None:
        with silent(bench.issuer):
            for backend in BACKENDS:
                async with bench.client() as client:
                    await client.head(bench.target(backend, "left"), bench.headers(len(SMALL)))
                    await bench.until(lambda: bool(bench.server.connections))
                    client.side.reset()
            await bench.until(lambda: bench.server.connections == 0)
        await recovered(bench)

    run(scenario, Setting(jwks=JwksTimes(deadline=0.5)))


def test_a_warm_issuer_that_is_down_is_believed_for_a_while(run: Run) -> None:
    """Keys outlive their age by an hour while they can't be fetched, and no longer: then it fails closed."""

    async def scenario(bench: Bench) -> None:
        token = bench.token(exp=int(time.time()) + 86_400)
        warm = await bench.put("proxy", "warm", SMALL, token=token)
        assert warm is not None
        assert warm.status == 200
        good, bench.issuer.answers[KEYS] = bench.issuer.answers[KEYS], testing.Answer(b"", 500)
        bench.clock.wrong_by = 600.0  # past max_age, and within the 15 minutes that S3 allows a signature
        for backend in CARRIERS:
            stale = await bench.put(backend, "stale", SMALL, token=token)
            assert stale is not None
            assert stale.status == 200
        bench.clock.wrong_by = 4_000.0
        asked = bench.faults.accepted
        for backend in BACKENDS:
            over = await bench.put(backend, "over", SMALL, token=token)
            assert over is not None
            assert (over.status, over.code) == (503, "identity-unavailable")
        assert bench.faults.accepted == asked
        bench.issuer.answers[KEYS] = good
        bench.clock.wrong_by = 0.0
        await recovered(bench)

    run(scenario)
