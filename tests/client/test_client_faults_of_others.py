"""What the client does when gateway and S3 misbehave: scripted servers on real sockets, and no clock but ours."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.client.api import Gateway
from gateway.client.bucket import Bucket, Piece, Put
from gateway.client.checksums import encoded, updated
from gateway.client.credential import Credential
from gateway.client.errors import ClientError, RefusedError, UnavailableError
from gateway.client.patience import Patience
from gateway.client.problem import Problem
from gateway.client.source import opened
from gateway.client.transport import Transport
from gateway.client.urls import PartUrls
from tests.client.scripted import RESET, Scripted, answer, problem

Result = TypeVar("Result")
BODY = random.Random(5).randbytes(3_000_000)
CRC = encoded(updated(BODY))
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DATE = format_datetime(NOW, usegmt=True)


@dataclass(slots=True)
class Time:
    """A clock that only sleeping moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, limit: float = 60) -> Patience:
        """With pauses as long as they get."""
        return Patience(limit=limit, clock=lambda: self.now, chance=lambda: 1.0, sleep=self.sleep)


def with_gateway(
    answers: list[bytes], call: Callable[[Gateway], Awaitable[Result]], *, tokens: tuple[str, ...] = ("t",), **time: Any
) -> tuple[Result | ClientError, Scripted, Time]:
    """What a call comes to, what the gateway was asked, and how long was waited."""
    clock = Time()
    left = list(tokens)

    async def run() -> tuple[Result | ClientError, Scripted, Time]:
        async with Scripted(answers) as server, Transport(insecure=False) as transport:
            credential = Credential(lambda: left.pop(0) if len(left) > 1 else left[0])
            gateway = Gateway(
                base=server.url,
                transport=transport,
                credential=credential,
                patience=clock.patience(**time),
                told=lambda _: None,
            )
            try:
                return await call(gateway), server, clock
            except ClientError as error:
                return error, server, clock

    return asyncio.run(run())


async def complete(gateway: Gateway) -> Any:
    """Any call."""
    return await gateway.complete("i", {})


@pytest.mark.parametrize(
    ("first", "pauses"),
    [
        ([problem(503, "storage-unavailable", retry_after="7")], [7.5]),
        ([problem(429, "rate-limited", retry_after="1"), answer(502)], [1.5, 1.0]),
        ([answer(504), answer(500), answer(408)], [0.5, 1.0, 2.0]),
        ([RESET, RESET], [0.5, 1.0]),
        ([problem(409, "idempotency-conflict", retry_after="1")], [1.5]),
    ],
)
def test_what_passes_is_waited_out(first: list[bytes], pauses: list[float]) -> None:
    """With growing pauses, and for as long as the gateway says."""
    outcome, _, time = with_gateway([*first, answer(200, {"key": "k"})], complete)

    assert (outcome, time.slept) == ({"key": "k"}, pauses)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (problem(409, "upload-incomplete"), "upload-incomplete"),
        (problem(429, "quota-exceeded"), "quota-exceeded"),
        (problem(429, "quota-exceeded", retry_after="900"), "quota-exceeded"),
        (problem(401, "token-expired"), "token-expired"),
        (answer(400, b"<html>"), ""),
    ],
)
def test_what_does_not_pass_is_refused_at_once(said: bytes, code: str) -> None:
    """Also what would be waited for longer than there is patience."""
    outcome, server, time = with_gateway([said], complete)

    assert isinstance(outcome, RefusedError)
    assert (outcome.problem.code, len(server.heads), time.slept) == (code, 1, [])


def test_patience_has_an_end() -> None:
    """Then what was said last is the sentence."""
    outcome, server, time = with_gateway([problem(503, "storage-unavailable")], complete, limit=10)

    assert isinstance(outcome, UnavailableError)
    assert str(outcome) == "It is storage-unavailable."
    assert sum(time.slept) <= 10
    assert len(server.heads) > 3


def test_a_redirect_is_not_followed() -> None:
    """The token stays with the one that the user named, and the sentence says so."""
    outcome, server, _ = with_gateway([answer(307, location="http://127.0.0.1:9/elsewhere")], complete)

    assert isinstance(outcome, RefusedError)
    assert "http://127.0.0.1:9/elsewhere" in str(outcome)
    assert len(server.heads) == 1


@pytest.mark.parametrize("body", [b"<html>Log in to our network</html>", b"[]", b"{", b"\xff"])
def test_an_answer_of_somebody_else_is_told(body: bytes) -> None:
    """Such as the page of a network that wants a login."""
    outcome, _, _ = with_gateway([answer(200, body)], lambda gateway: gateway.detail("i"))

    assert isinstance(outcome, UnavailableError)
    assert "not as a gateway does" in str(outcome)


def test_a_token_that_is_over_is_asked_for_again() -> None:
    """Once for a call, and never in a circle."""
    expired = problem(401, "token-expired")

    good, asked, _ = with_gateway([expired, answer(200, {})], complete, tokens=("old", "new"))
    bad, again, _ = with_gateway([expired], complete, tokens=tuple("abcdefgh"))

    assert good == {}
    assert [head.lower().partition("authorization: bearer ")[2].split("\r")[0] for head in asked.heads] == [
        "old",
        "new",
    ]
    assert isinstance(bad, RefusedError)
    assert len(again.heads) == 3


def signed(*numbers: int, seconds: int) -> bytes:
    """Fresh URLs, good for some seconds by the gateway's clock."""
    ends = (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [{"number": number, "size": 1, "url": f"https://s3/{number}", "headers": {}} for number in numbers]
    return answer(200, {"parts": parts, "expires_at": ends}, date=DATE)


def test_urls_are_fresh_when_they_are_begun_with() -> None:
    """By the gateway's clock, however wrong ours is; in batches, and again after they were dropped."""

    async def use(gateway: Gateway) -> list[str]:
        urls = PartUrls(gateway=gateway, upload_id="i", left=frozenset({1, 2, 3}))
        got = [(await urls.get(number, None))[0] for number in (1, 2)]
        urls.drop()
        return [*got, (await urls.get(2, None))[0], (await urls.get(3, None))[0], (await urls.get(3, None))[0]]

    answers = [signed(1, 2, 3, seconds=900), signed(2, 3, seconds=0), signed(3, seconds=900)]
    outcome, server, _ = with_gateway(answers, use)

    assert outcome == ["https://s3/1", "https://s3/2", "https://s3/2", "https://s3/3", "https://s3/3"]
    assert server.bodies == [b'{"numbers":[1,2,3]}', b'{"numbers":[2,3]}', b'{"numbers":[3]}']


def test_a_parts_checksum_is_asked_for_alone() -> None:
    """It is in the signature of that URL."""
    _, server, _ = with_gateway(
        [signed(2, seconds=900)],
        lambda gateway: PartUrls(gateway=gateway, upload_id="i", left=frozenset({1, 2})).get(2, "c"),
    )

    assert server.bodies == [b'{"numbers":[2],"checksums":{"2":"c"}}']


def put(said: bytes, path: Path, *, insecure: bool = False, url: str = "") -> tuple[Put | Problem, int, list[bytes]]:
    """One attempt: what came of it, how many bytes count as sent, and what S3 got."""
    counted: list[int] = []

    async def run() -> tuple[Put | Problem, int, list[bytes]]:
        async with Scripted([said]) as server, Transport(insecure=insecure) as transport:
            source = opened(path, "it")
            bucket = Bucket(transport=transport, parallel=1)
            piece = Piece(source=source, start=0, length=len(BODY))
            try:
                outcome = await bucket.put(url or server.url, {"x-amz-a": "b"}, piece, counted.append)
            finally:
                source.close()
            return outcome, sum(counted), server.bodies

    return asyncio.run(run())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of three chunks."""
    path = tmp_path / "a.bin"
    path.write_bytes(BODY)
    return path


@pytest.mark.parametrize("headers", [{}, {"x_amz_checksum_crc64nvme": CRC}])
def test_what_s3_takes_has_its_etag_and_our_sum(file: Path, headers: dict[str, str]) -> None:
    """Computed while it was read; S3's own is compared where it says one."""
    outcome, counted, (got,) = put(answer(200, b"", etag='"e"', **headers), file)

    assert outcome == Put(etag="e", crc=updated(BODY))
    assert (counted, got == BODY) == (len(BODY), True)


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (answer(200, b"", etag='"e"', x_amz_checksum_crc64nvme="AAAAAAAAAAA="), 400, "BadDigest"),
        (answer(403, b"<Error><Code>AccessDenied</Code><Message>late</Message></Error>"), 403, "AccessDenied"),
        (answer(503, b"<Error><Code>SlowDown</Code></Error>"), 503, "SlowDown"),
        (answer(307, location="https://elsewhere.example.com/"), 307, ""),
        (RESET, 0, ""),
    ],
)
def test_what_s3_does_not_take_counts_as_not_sent(file: Path, said: bytes, status: int, code: str) -> None:
    """And is a problem, never an exception."""
    outcome, counted, _ = put(said, file)

    assert isinstance(outcome, Problem)
    assert (outcome.status, outcome.code, counted) == (status, code, 0)


def test_bytes_never_go_in_the_clear_to_another_machine(file: Path) -> None:
    """Though the gateway's own URL was safe; nothing is sent."""
    with pytest.raises(RefusedError, match="plain HTTP"):
        put(answer(200), file, url="http://192.0.2.1/bucket/key?X-Amz-Signature=secret")


def test_a_url_is_never_told_with_its_signature(file: Path) -> None:
    """What cannot be reached is named by its host alone."""
    outcome, _, _ = put(answer(200), file, url="http://127.0.0.1:9/bucket/key?X-Amz-Signature=secret")

    assert isinstance(outcome, Problem)
    assert "secret" not in outcome.sentence
    assert "127.0.0.1:9" in outcome.sentence
