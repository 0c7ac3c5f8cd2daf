"""Clients that go away, or send other than they declared."""

import asyncio

import pytest

from gateway.server.http1 import HttpLimits
from tests.faults.bench import CARRIERS, Bench, Setting
from tests.faults.client import PATIENCE, sha256
from tests.faults.conftest import Run
from tests.faults.tcp import Conversation, through

SMALL = b"s" * 1_000
LARGE = bytes(range(256)) * 12_288  # 3 MiB: more than the buffers on the way hold

ENDS = {"reset": True, "close": False}


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("sent", [0.0, 0.5, 0.999], ids=["after-the-head", "half-way", "just-before-the-end"])
@pytest.mark.parametrize("reset", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("backend", CARRIERS)
def test_a_client_that_goes_away_in_its_body_leaves_nothing(
    run: Run, backend: str, reset: bool, sent: float, body: bytes
) -> None:
    """However it goes, S3 gets no end of the body and stores no object."""

    async def scenario(bench: Bench) -> None:
        async with bench.client() as client:
            await client.head(bench.target(backend, "cut"), bench.headers(len(body), **sha256(body)))
            sending = asyncio.ensure_future(client.side.send(body[: int(len(body) * sent)]))
            # What was held back to tell the type goes on only when there is enough of it.
            await bench.until(lambda: bench.server.connections == 1)
            await sending
            if reset:
                client.side.reset()
            else:
                await client.close()
            await bench.until(lambda: bench.server.connections == 0)

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
@pytest.mark.parametrize("reset", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("head", [b"", b"PUT /pro"], ids=["no-byte", "half-a-head"])
def test_a_client_that_goes_away_before_its_head_is_nobody(run: Run, head: bytes, reset: bool, backend: str) -> None:
    """S3 hears nothing of it."""

    async def scenario(bench: Bench) -> None:
        async with bench.client() as client:
            await client.side.send(head)
            await bench.until(lambda: bench.server.connections == 1)
            if reset:
                client.side.reset()
            else:
                await client.close()
            await bench.until(lambda: bench.server.connections == 0)
        assert bench.faults.accepted == 0

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
@pytest.mark.parametrize("reset", ENDS.values(), ids=ENDS)
def test_a_client_that_goes_away_before_its_answer_has_stored_all_or_nothing(
    run: Run, reset: bool, backend: str
) -> None:
    """All bytes arrived: what is in the bucket then is the whole object."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def waits(talk: Conversation) -> None:
        await talk.forward_request()
        arrived.set()
        await gone.wait()
        await through(talk)

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = waits
        bench.perhaps[bench.key("whole")] = LARGE
        async with bench.client() as client:
            await client.head(bench.target(backend, "whole"), bench.headers(len(LARGE)))
            await client.side.send(LARGE)
            await asyncio.wait_for(arrived.wait(), PATIENCE)
            if reset:
                client.side.reset()
            else:
                await client.close()
            gone.set()
            await bench.until(lambda: bench.server.connections == 0)

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
def test_a_body_longer_than_declared_is_the_declared_one_and_a_request_that_is_none(run: Run, backend: str) -> None:
    """Exactly `Content-Length` bytes are the body; what follows is refused as the request that it is not."""

    async def scenario(bench: Bench) -> None:
        async with bench.client() as client:
            await client.head(bench.target(backend, "exact"), bench.headers(len(SMALL)))
            await client.side.send(SMALL + b"and more that nobody declared\r\n\r\n")
            first, second = await client.answer(), await client.answer()
        assert first is not None
        assert first.status == 200
        assert second is not None
        assert second.code == "request-invalid"
        bench.stored[bench.key("exact")] = SMALL

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
@pytest.mark.parametrize("sent", [0, 600, 700_000], ids=["nothing", "a-little", "much"])
def test_a_body_that_stops_is_a_timeout(run: Run, sent: int, backend: str) -> None:
    """A client that stays and sends no more is told so, and S3 stores nothing."""

    async def scenario(bench: Bench) -> None:
        async with bench.client() as client:
            await client.head(bench.target(backend, "short"), bench.headers(len(LARGE)))
            await client.side.send(LARGE[:sent])
            answer = await client.answer()
        assert answer is not None
        assert (answer.status, answer.code) == (408, "request-timeout")

    run(scenario, Setting(limits=HttpLimits(body_idle=0.3)))


@pytest.mark.parametrize("backend", CARRIERS)
def test_a_client_that_half_closes_in_its_body_has_broken_off(run: Run, backend: str) -> None:
    """An end of the stream is no end of the body."""

    async def scenario(bench: Bench) -> None:
        async with bench.client() as client:
            await client.head(bench.target(backend, "half"), bench.headers(len(LARGE)))
            await client.side.send(LARGE[: len(LARGE) // 2])
            client.side.writer.write_eof()
            answer = await client.answer()
        assert answer is None or answer.status == 400

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
def test_an_existing_object_survives_a_client_that_goes_away(run: Run, backend: str) -> None:
    """An overwrite that breaks off overwrites nothing."""

    async def scenario(bench: Bench) -> None:
        first = await bench.put(backend, "kept", SMALL)
        assert first is not None
        assert first.status == 200
        async with bench.client() as client:
            await client.head(bench.target(backend, "kept"), bench.headers(len(LARGE)))
            await client.side.send(LARGE[: len(LARGE) // 2])
            client.side.reset()
            await bench.until(lambda: bench.server.connections == 0)

    run(scenario)
