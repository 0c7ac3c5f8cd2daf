"""What is counted, and how Prometheus reads it."""

import asyncio
import json
import re
import threading

import pytest

from gateway.asgi.metered import Metered, problem_code
from gateway.asgi.wire import Message, Receive, Scope, Send
from gateway.metrics import Metrics, exposition
from gateway.metrics.board import metrics_seats, vacated
from gateway.metrics.families import FAMILIES, Kind
from gateway.policy.problems import Code, Refusal


def samples(metrics: Metrics) -> dict[str, float]:
    """What is scraped, by name and labels; every line must be a comment of the format or a sample."""
    found: dict[str, float] = {}
    for line in exposition(metrics.seats).decode().splitlines():
        if line.startswith("# "):
            assert re.fullmatch(r"# (?:HELP [a-z0-9_]+ .+|TYPE [a-z0-9_]+ (?:counter|gauge|histogram))", line)
            continue
        sample = re.fullmatch(r"(\S+) (\S+)", line)
        assert sample is not None, line
        assert re.fullmatch(r"[a-z0-9_]+(?:\{[a-z]+=\"[^\"]*\"(?:,[a-z]+=\"[^\"]*\")*\})?", sample[1]), line
        assert sample[1] not in found
        found[sample[1]] = float(sample[2])
    return found


def test_every_family_is_told_even_before_anything_happened() -> None:
    """With what it means and of what kind it is; names end as Prometheus wants them to."""
    text = exposition(metrics_seats(2)).decode()

    for family in FAMILIES:
        assert f"# TYPE {family.full_name} {family.kind}" in text
        assert (family.kind is Kind.COUNTER) == family.name.endswith("_total")


def test_workers_are_scraped_as_one() -> None:
    """Counters and gauges of all workers are added up, the lag is the worst of them."""
    seats = metrics_seats(3)
    for number in range(3):
        worker = Metrics(seats, number)
        worker.policy.add("answered", amount=number + 1)
        worker.connections.add(amount=10)
        worker.lag.set(number / 10)

    found = samples(Metrics(seats, 0))

    assert found['upload_gateway_policy_reads_total{result="answered"}'] == 6
    assert found["upload_gateway_connections"] == 20  # the one who began anew in the first seat has none
    assert found["upload_gateway_event_loop_lag_seconds"] == 0.2


def test_what_a_dead_worker_counted_stays_and_what_it_had_goes() -> None:
    """A counter never falls, and no connection outlives its process."""
    seats = metrics_seats(2)
    worker = Metrics(seats, 1)
    worker.starts.add()
    worker.connections.add(amount=7)

    vacated(seats, 1)

    found = samples(Metrics(seats, 0))
    assert (found["upload_gateway_worker_starts_total"], found["upload_gateway_connections"]) == (1, 0)


def test_a_histogram_is_cumulative() -> None:
    """A bucket holds all that is not above its bound; the last holds everything."""
    metrics = Metrics()
    for seconds in (0.0004, 0.001, 0.0011, 99.0):
        metrics.s3_seconds.observe(seconds, "PUT")

    found = samples(metrics)

    buckets = {name: value for name, value in found.items() if "s3_answer_seconds_bucket" in name}
    assert list(buckets.values()) == sorted(buckets.values())
    assert buckets['upload_gateway_s3_answer_seconds_bucket{method="PUT",le="0.001"}'] == 2
    assert buckets['upload_gateway_s3_answer_seconds_bucket{method="PUT",le="+Inf"}'] == 4
    assert found['upload_gateway_s3_answer_seconds_count{method="PUT"}'] == 4
    assert found['upload_gateway_s3_answer_seconds_sum{method="PUT"}'] == pytest.approx(99.0025)


def test_no_request_can_add_a_series() -> None:
    """What a label does not list is counted as other, however many there are."""
    metrics = Metrics()
    for number in range(600, 999):
        metrics.requests.begin("proxy")
        metrics.requests.end("proxy", str(number), 0.1)
        metrics.decisions.add(f"tenant-{number}", "granted", f"code-{number}")

    counted = {name: value for name, value in samples(metrics).items() if value == 399}

    assert 'upload_gateway_requests_total{resource="proxy",status="other"}' in counted
    assert 'upload_gateway_decisions_total{action="other",outcome="granted",code="other"}' in counted


def test_threads_lose_nothing() -> None:
    """The edge's functions and the stores count beside the event loop."""
    metrics = Metrics()

    def count() -> None:
        for _ in range(5_000):
            metrics.policy.add("answered")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert samples(metrics)['upload_gateway_policy_reads_total{result="answered"}'] == 20_000


def through(path: bytes, sent: list[Message], *, received: tuple[bytes, ...] = ()) -> dict[str, float]:
    """What is counted of one request whose application reads all and answers so; without an answer it fails."""
    metrics, bodies = Metrics(), iter(received)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in received:
            await receive()
        if not sent:
            raise RuntimeError
        for message in sent:
            await send(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": next(bodies), "more_body": True}

    async def send(_message: Message) -> None:
        assert samples(metrics)[f'upload_gateway_requests_under_way{{resource="{RESOURCE[path]}"}}'] == 1

    async def run() -> None:
        try:
            await Metered(application, metrics)({"type": "http", "raw_path": path}, receive, send)
        except RuntimeError:
            assert not sent

    asyncio.run(run())
    return samples(metrics)


RESOURCE = {b"/proxy/a/b.txt": "proxy", b"/uploads": "uploads", b"/%70roxy/x": "other"}


def answers(status: int, body: bytes = b"") -> list[Message]:
    """The messages of an answer."""
    return [{"type": "http.response.start", "status": status}, {"type": "http.response.body", "body": body}]


def test_a_request_is_counted_as_its_client_saw_it() -> None:
    """By resource and status, with the bytes of its body and its time."""
    found = through(b"/proxy/a/b.txt", answers(200), received=(b"abc", b"de"))

    assert found['upload_gateway_requests_total{resource="proxy",status="200"}'] == 1
    assert found['upload_gateway_received_bytes_total{resource="proxy"}'] == 5
    assert found['upload_gateway_request_seconds_count{resource="proxy"}'] == 1
    assert found['upload_gateway_requests_under_way{resource="proxy"}'] == 0


def test_a_problem_is_counted_by_its_code() -> None:
    """As it stands in the body."""
    refusal = Refusal(code=Code.QUOTA_EXCEEDED, detail="no")
    body = json.dumps(refusal.body("id")).encode()

    found = through(b"/uploads", answers(429, body))

    assert found['upload_gateway_problems_total{resource="uploads",code="quota-exceeded"}'] == 1


def test_a_defect_is_counted_as_the_500_that_it_becomes() -> None:
    """Also under a path that only looks like another's."""
    assert through(b"/%70roxy/x", [])['upload_gateway_requests_total{resource="other",status="500"}'] == 1


BODIES = [
    (b'{"type": "urn:upload-gateway:problem:name-invalid", "title": "x"}', "name-invalid"),
    (b'{"type":"urn:upload-gateway:problem:internal"}', "internal"),
    (b"<Error><Code>AccessDenied</Code></Error>", None),
    (b"urn:upload-gateway:problem:" + b"x" * 999, None),
    (b"", None),
]


@pytest.mark.parametrize(("body", "code"), BODIES)
def test_a_code_is_read_from_a_problem_alone(body: bytes, code: str | None) -> None:
    """Whatever else an answer holds is no code."""
    assert problem_code(body) == code
