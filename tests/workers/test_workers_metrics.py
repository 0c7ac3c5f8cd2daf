"""Figures of several workers in one scrape, and who may read them."""

import os
import re
import signal

import httpx

from tests.workers.running import Gateway, Ground, serving, until
from tests.workers.test_workers_serve import put

PLACE = re.compile(r"Operations answer at (\S+)\.")


def scraped(url: str, **headers: str) -> dict[str, float]:
    """The samples of a scrape."""
    answer = httpx.get(f"{url}/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    lines = (line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def apart(gateway: Gateway) -> str:
    """Where the listener apart is."""
    return next(found[1] for line in gateway.lines if (found := PLACE.search(line)))


def test_whoever_watches_sees_all_workers(ground: Ground) -> None:
    """Whichever worker answers, it tells of both; what one counted outlives it; clients find no metrics and no docs."""
    environment = ground.environment(
        WORKERS="2", OPERATIONS__PORT="0", OPERATIONS__METRICS="apart", OPERATIONS__DOCS="off"
    )
    stored = 'upload_gateway_requests_total{resource="proxy",status="200"}'
    with serving(environment) as gateway:
        watched, first = apart(gateway), set(gateway.workers)
        assert [put(gateway, ground.token(), f"{number}.txt") for number in range(8)] == [200] * 8
        assert {scraped(watched)[stored] for _ in range(6)} == {8}
        until(lambda: scraped(watched)["upload_gateway_workers"] == 2, what="both are seen")
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(gateway.workers) == 2 and not first & set(gateway.workers), what="two new workers")
        until(lambda: scraped(watched)["upload_gateway_worker_starts_total"] == 4, what="they have begun")
        after = scraped(watched)
        paths = ("/metrics", "/docs", "/openapi.json")
        clients = [httpx.get(gateway.url + path).status_code for path in paths]
        elsewhere = [httpx.get(watched + path).status_code for path in ("/healthz", "/docs", "/uploads", "/")]

    assert after[stored] == 8
    assert after['upload_gateway_s3_requests_total{method="PUT",answer="2xx"}'] == 8
    assert (clients, elsewhere) == ([404] * 3, [200, 404, 404, 404])


def test_operators_read_the_metrics_by_their_token(ground: Ground) -> None:
    """By default, and nobody else does."""
    with serving(ground.environment()) as gateway:
        place = f"{gateway.url}/metrics"
        asked = {
            who: httpx.get(place, headers=headers).status_code
            for who, headers in (
                ("nobody", {}),
                ("a tenant", {"authorization": f"Bearer {ground.token()}"}),
                ("an operator", {"authorization": f"Bearer {ground.token(admin=True)}"}),
            )
        }

    assert asked == {"nobody": 401, "a tenant": 401, "an operator": 200}
