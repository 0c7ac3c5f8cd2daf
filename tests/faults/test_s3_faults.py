"""An S3 that fails on the wire: what the client is told, and what is in the bucket then."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gateway.storage.upstream import Timeouts
from tests.faults.bench import ANSWER, CARRIERS, PATIENT, STALL, Bench, Setting
from tests.faults.client import PATIENCE, Answer, sha256
from tests.faults.conftest import Run
from tests.faults.tcp import Conversation, Fault, through

SMALL = b"s" * 1_000
LARGE = bytes(range(256)) * 65_536  # 16 MiB: more than the buffers of two sockets hold

NOTHING_STORED = "nothing was stored"
PERHAPS_STORED = "may have been stored"


async def resets_at_once(talk: Conversation) -> None:
    """A connection that is taken and reset before anything is read."""
    talk.gateway.reset()


async def closes_at_once(talk: Conversation) -> None:
    """A connection that is taken and closed."""


async def resets_in_the_body(talk: Conversation) -> None:
    """Half of the body goes on to S3, then both connections are reset."""
    await (await talk.connect()).send(await talk.read_head())
    await talk.forward(talk.length // 2)
    (await talk.connect()).reset()
    talk.gateway.reset()


async def closes_in_the_body(talk: Conversation) -> None:
    """Half of the body goes on to S3, then both connections are closed."""
    await (await talk.connect()).send(await talk.read_head())
    await talk.forward(talk.length // 2)


async def takes_nothing(talk: Conversation) -> None:
    """A connection that is taken and never read: a stopped process."""
    talk.gateway.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


async def stops_in_the_body(talk: Conversation) -> None:
    """Half of the body goes on to S3, and then nothing is read any more."""
    await (await talk.connect()).send(await talk.read_head())
    await talk.forward(talk.length // 2)
    await takes_nothing(talk)


def answers_early(answer: bytes) -> Fault:
    """An answer to the head alone; then the connection closes over the unread body."""

    async def fault(talk: Conversation) -> None:
        await talk.read_head()
        await talk.gateway.send(answer)
        await talk.gone()

    return fault


def answers(answer: bytes, *, reset: bool = False) -> Fault:
    """An answer to the whole request, none of which S3 ever saw; then the end, or a reset."""

    async def fault(talk: Conversation) -> None:
        await talk.read_head()
        await talk.gateway.reader.readexactly(talk.length)
        await talk.gateway.send(answer)
        if reset:
            talk.gateway.reset()

    return fault


def hangs_after(answer: bytes) -> Fault:
    """The beginning of an answer to the whole request, and then nothing, on a connection that stays."""

    async def fault(talk: Conversation) -> None:
        await talk.read_head()
        await talk.gateway.reader.readexactly(talk.length)
        await talk.gateway.send(answer)
        await talk.gone()

    return fault


async def dribbles(talk: Conversation) -> None:
    """An answer that never ends and never stops."""
    await talk.read_head()
    await talk.gateway.reader.readexactly(talk.length)
    await talk.gateway.send(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: 1000000\r\n\r\n')
    while not talk.gateway.writer.transport.is_closing():
        await talk.gateway.send(b".")
        await asyncio.sleep(0.01)


async def resets_after_storing(talk: Conversation) -> None:
    """S3 stored the object; its answer is lost in a reset."""
    await talk.forward_request()
    await talk.read_answer()
    talk.gateway.reset()


async def fails_after_storing(talk: Conversation) -> None:
    """S3 stored the object; what stands between says that it failed."""
    await talk.forward_request()
    await talk.read_answer()
    await talk.gateway.send(error(500, "InternalError"))


def error(status: int, code: str) -> bytes:
    """S3's own error answer."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>m</Message></Error>'.encode()
    head = f"HTTP/1.1 {status} S3\r\ncontent-type: application/xml\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fault, a body that meets it, and what the client is told; `s3_says` is what a viewer of the edge sees then."""

    fault: Fault
    told: str
    body: bytes = SMALL
    timeouts: Timeouts = PATIENT
    s3_says: int | None = None


GARBAGE = bytes(range(1, 256)) * 4

CASES = {
    "resets-at-once": Case(fault=resets_at_once, told=NOTHING_STORED, body=LARGE),
    "closes-at-once": Case(fault=closes_at_once, told=NOTHING_STORED, body=LARGE),
    "resets-in-the-body": Case(fault=resets_in_the_body, told=NOTHING_STORED, body=LARGE),
    "closes-in-the-body": Case(fault=closes_in_the_body, told=NOTHING_STORED, body=LARGE),
    "takes-nothing": Case(fault=takes_nothing, told=NOTHING_STORED, body=LARGE, timeouts=STALL),
    "stops-in-the-body": Case(fault=stops_in_the_body, told=NOTHING_STORED, body=LARGE, timeouts=STALL),
    "stopped-and-the-body-is-small": Case(fault=takes_nothing, told=PERHAPS_STORED, timeouts=ANSWER),
    "success-before-the-body": Case(
        fault=answers_early(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: 0\r\n\r\n'),
        told=NOTHING_STORED,
        body=LARGE,
    ),
    "slow-down-before-the-body": Case(
        fault=answers_early(error(503, "SlowDown")), told=NOTHING_STORED, body=LARGE, s3_says=503
    ),
    "half-an-answer-before-the-body": Case(
        fault=answers_early(b"HTTP/1.1 503 Slow Down\r\ncontent-length: 500\r\n\r\n<Err"),
        told="stored",  # as much as the gateway had sent by then
        body=LARGE,
        timeouts=ANSWER,
    ),
    "slow-down": Case(fault=answers(error(503, "SlowDown")), told=NOTHING_STORED, s3_says=503),
    "service-unavailable": Case(fault=answers(error(503, "ServiceUnavailable")), told=NOTHING_STORED, s3_says=503),
    "internal-error": Case(fault=answers(error(500, "InternalError")), told=PERHAPS_STORED, s3_says=500),
    "a-503-that-is-not-s3's": Case(
        fault=answers(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"), told=PERHAPS_STORED, s3_says=503
    ),
    "a-200-that-is-not-s3's": Case(
        fault=answers(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlogin"), told=PERHAPS_STORED, s3_says=200
    ),
    "closes-after-the-body": Case(fault=answers(b""), told=PERHAPS_STORED),
    "resets-after-the-body": Case(fault=answers(b"", reset=True), told=PERHAPS_STORED),
    "no-answer": Case(fault=hangs_after(b""), told=PERHAPS_STORED, timeouts=ANSWER),
    "garbage": Case(fault=answers(GARBAGE), told=PERHAPS_STORED),
    "garbage-for-a-length": Case(
        fault=answers(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: many\r\n\r\n'), told=PERHAPS_STORED
    ),
    "a-head-without-end": Case(fault=answers(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000), told=PERHAPS_STORED),
    "chunks-that-are-none": Case(
        fault=answers(b'HTTP/1.1 200 OK\r\netag: "x"\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
        told=PERHAPS_STORED,
    ),
    "another-protocol": Case(fault=answers(b"SSH-2.0-OpenSSH_9.6\r\n"), told=PERHAPS_STORED),
    "half-a-head": Case(fault=answers(b'HTTP/1.1 200 OK\r\netag: "x'), told=PERHAPS_STORED),
    "half-a-body": Case(
        fault=answers(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: 100\r\n\r\nhalf'), told=PERHAPS_STORED
    ),
    "half-a-head-and-silence": Case(
        fault=hangs_after(b"HTTP/1.1 200 OK\r\netag:"), told=PERHAPS_STORED, timeouts=ANSWER
    ),
    "half-a-body-and-silence": Case(
        fault=hangs_after(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: 9\r\n\r\nhalf'),
        told=PERHAPS_STORED,
        timeouts=ANSWER,
    ),
    "only-continue": Case(fault=hangs_after(b"HTTP/1.1 100 Continue\r\n\r\n"), told=PERHAPS_STORED, timeouts=ANSWER),
    "an-endless-answer": Case(fault=dribbles, told=PERHAPS_STORED, timeouts=ANSWER),
    "resets-after-storing": Case(fault=resets_after_storing, told=PERHAPS_STORED),
    "fails-after-storing": Case(fault=fails_after_storing, told=PERHAPS_STORED, s3_says=500),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("backend", CARRIERS)
def test_s3_fails_and_the_client_is_told_the_truth(run: Run, backend: str, case: Case) -> None:
    """Nothing was stored, or nobody knows: never a success that S3 did not give, never half an object."""

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = case.fault
        if case.told is PERHAPS_STORED:
            bench.perhaps[bench.key("name")] = case.body
        if backend == "edge" and case.s3_says is not None:
            answer = await bench.put(backend, "name", case.body)
            bench.stored.pop(bench.key("name"), None)
            assert answer is not None
            assert answer.status == case.s3_says
            return
        answer = await bench.put(backend, "name", case.body)
        assert answer is not None
        assert (answer.status, answer.code) == (503, "storage-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert case.told in answer.problem["detail"]

    run(scenario, Setting(timeouts=case.timeouts))


@pytest.mark.parametrize("backend", CARRIERS)
def test_a_closed_port_of_s3_stores_nothing(run: Run, backend: str) -> None:
    """S3 is not there: for an empty body as for a large one, nothing can have been stored."""

    async def scenario(bench: Bench) -> None:
        async with bench.faults.closed():
            for name, body in (("empty", b""), ("small", SMALL), ("large", LARGE)):
                answer = await bench.put(backend, name, body)
                assert answer is not None
                assert (answer.status, answer.code) == (503, "storage-unavailable")
                assert NOTHING_STORED in answer.problem["detail"]

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
@pytest.mark.parametrize("body", [b"", SMALL], ids=["empty", "small"])
def test_a_request_is_never_sent_twice(run: Run, body: bytes, backend: str) -> None:
    """A kept connection that breaks under the next request is told to the client, and nothing is sent again."""
    heads: list[bytes] = []

    async def serves_one(talk: Conversation) -> None:
        heads.append(await talk.read_head())
        await (await talk.connect()).send(heads[-1])
        await talk.forward(talk.length)
        await talk.gateway.send(await talk.read_answer())
        heads.append(await talk.read_head())
        talk.gateway.reset()

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = serves_one
        bench.perhaps[bench.key("second")] = body
        first, second = await bench.put(backend, "first", body), await bench.put(backend, "second", body)
        assert first is not None
        assert first.status == 200
        assert second is not None
        assert (second.status, second.code) == (503, "storage-unavailable")
        assert len(heads) == 2

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
def test_an_upload_does_not_wait_behind_others_without_end(run: Run, backend: str) -> None:
    """No connection is free: it is told to come again, and the one that has the connection goes on."""
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def waits(talk: Conversation) -> None:
        await talk.forward_request()
        taken.set()
        await go_on.wait()
        await through(talk)

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = waits
        first = asyncio.ensure_future(bench.put(backend, "first", SMALL))
        await asyncio.wait_for(taken.wait(), PATIENCE)
        second = await bench.put(backend, "second", SMALL)
        go_on.set()
        served = await first
        assert served is not None
        assert served.status == 200
        assert second is not None
        assert (second.status, second.code) == (503, "storage-unavailable")
        assert NOTHING_STORED in second.problem["detail"]

    run(scenario, Setting(timeouts=Timeouts(connect=0.3, stall=PATIENCE, answer=PATIENCE), connections=1))


@pytest.mark.parametrize("fault", [resets_in_the_body, takes_nothing, dribbles, resets_after_storing])
def test_many_uploads_that_fail_at_once_leave_nothing(run: Run, fault: Fault) -> None:
    """A whole crowd meets the fault; each is answered, and the crowd after it is served."""
    body = LARGE[: 3 << 20]

    async def crowd(bench: Bench, name: str) -> list[Answer | None]:
        puts = [bench.put(CARRIERS[number % 2], f"{name}-{number}", body) for number in range(12)]
        return await asyncio.gather(*puts)

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = fault
        bench.perhaps |= {bench.key(f"failed-{number}"): body for number in range(12)}
        for answer in await crowd(bench, "failed"):
            assert answer is not None
            assert (answer.status, answer.code) == (503, "storage-unavailable")
        bench.faults.fault = through
        for answer in await crowd(bench, "served"):
            assert answer is not None
            assert answer.status == 200

    run(scenario, Setting(timeouts=Timeouts(connect=PATIENCE, stall=2.0, answer=2.0)))


@pytest.mark.parametrize("late", [False, True], ids=["with-the-first", "later"])
@pytest.mark.parametrize("body", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("backend", CARRIERS)
def test_an_answer_that_nobody_asked_for_is_nobodys_answer(run: Run, backend: str, body: bytes, late: bool) -> None:
    """A second 200 on a kept connection, at once or while it is idle, is not taken for the next upload's."""
    extra = b'HTTP/1.1 200 OK\r\netag: "stray"\r\ncontent-length: 0\r\n\r\n'
    answered, idle = asyncio.Event(), asyncio.Event()

    async def strays(talk: Conversation) -> None:
        await talk.forward_request()
        answer = await talk.read_answer()
        await talk.gateway.send(answer if late else answer + extra)
        await answered.wait()
        if late:
            await talk.gateway.send(extra)
        idle.set()
        await talk.gone()

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = strays
        first = await bench.put(backend, "first", SMALL)
        assert first is not None
        assert first.status == 200
        bench.faults.fault = through
        answered.set()
        await idle.wait()
        await asyncio.sleep(0.01)  # let the gateway read the stray before it sends again, as it would in life
        second = await bench.put(backend, "second", body)
        assert second is not None
        assert second.headers.get("etag") != '"stray"'
        if second.status != 200:
            assert second.code == "storage-unavailable"
            bench.perhaps[bench.key("second")] = body

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
def test_a_lost_confirmation_is_mended_by_sending_again(run: Run, backend: str) -> None:
    """The same upload again gives the same object; where it may only be created, the second says that it is there."""

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = resets_after_storing
        for name, headers in (("again", {}), ("once", {"if-none-match": "*"})):
            lost = await bench.put(backend, name, SMALL, **headers)
            assert lost is not None
            assert lost.code == "storage-unavailable"
        bench.faults.fault = through
        again = await bench.put(backend, "again", SMALL)
        once = await bench.put(backend, "once", SMALL, **{"if-none-match": "*"})
        assert again is not None
        assert again.status == 200
        assert once is not None
        assert once.status == 412
        bench.stored[bench.key("once")] = SMALL

    run(scenario)


@pytest.mark.parametrize("backend", CARRIERS)
def test_an_s3_that_is_slow_but_takes_bytes_is_no_fault(run: Run, backend: str) -> None:
    """The whole takes longer than the stall, no piece of it does; the checksum holds."""

    async def slices(talk: Conversation) -> None:
        await (await talk.connect()).send(await talk.read_head())
        for _ in range(0, talk.length, 65_536):
            await talk.forward(min(65_536, talk.length))
            await asyncio.sleep(0.004)
        await through(talk)

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = slices
        answer = await bench.put(backend, "slow", LARGE, **sha256(LARGE))
        assert answer is not None
        assert answer.status == 200

    run(scenario, Setting(timeouts=Timeouts(connect=PATIENCE, stall=0.5, answer=PATIENCE)))


@pytest.mark.parametrize("backend", CARRIERS)
def test_an_answer_in_pieces_is_an_answer(run: Run, backend: str) -> None:
    """S3's error is read to its end, however it is cut."""

    async def slices(talk: Conversation) -> None:
        await talk.read_head()
        await talk.gateway.reader.readexactly(talk.length)
        for byte in error(412, "PreconditionFailed").replace(b"412 S3", b"400 S3"):
            await talk.gateway.send(bytes([byte]))
            await asyncio.sleep(0)

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = slices
        answer = await bench.put(backend, "sliced", SMALL)
        assert answer is not None
        if backend == "proxy":
            assert answer.code == "object-exists"
        else:
            assert b"<Code>PreconditionFailed</Code>" in answer.body

    run(scenario)


Declare = Callable[[bytes], dict[str, str]]

CHECKSUMS: dict[str, Declare] = {
    "sha256": sha256,
    "md5": lambda body: {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()},
    "repr-digest": lambda body: {
        "repr-digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:",
    },
}


async def flips(talk: Conversation) -> None:
    """One bit in the middle of the body is another when it reaches S3."""
    await (await talk.connect()).send(await talk.read_head())
    await talk.forward(talk.length // 2)
    await talk.forward(1, lambda data: bytes([data[0] ^ 0x10]))
    await talk.forward(talk.length - talk.length // 2 - 1)
    await through(talk)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_bit_that_flips_is_seen_without_a_checksum_of_the_clients(run: Run, body: bytes) -> None:
    """The proxy tells S3 one of its own, and nothing is stored; it is not the client's fault."""

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = flips
        answer = await bench.put("proxy", "flipped", body)
        assert answer is not None
        assert (answer.status, answer.code) == (503, "storage-unavailable")

    run(scenario)


@pytest.mark.parametrize("checksum", CHECKSUMS.values(), ids=CHECKSUMS)
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("backend", CARRIERS)
def test_a_bit_that_flips_on_the_way_is_a_checksum_mismatch(
    run: Run, backend: str, body: bytes, checksum: Declare
) -> None:
    """S3 holds the bytes against the declared checksum, and stores none of them."""

    async def scenario(bench: Bench) -> None:
        bench.faults.fault = flips
        answer: Answer | None = await bench.put(backend, "flipped", body, **checksum(body))
        assert answer is not None
        assert answer.status == 400
        if backend == "proxy":
            assert answer.code == "checksum-mismatch"
        else:
            assert b"Digest</Code>" in answer.body

    run(scenario)
