"""No event, of whatever shape, makes the function raise, answer 5xx, or send a request outside of a tenant's prefix."""

import logging
import multiprocessing
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.published.edge_events import check, events, run

EVENTS = int(os.environ.get("EDGE_EVENTS", "1000000"))
AT_ONCE = 20_000


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event=events())
@example(event=None)
@example(event={"Records": []})
@example(event={"Records": [{"cf": {"request": {}}}]})
@example(event=[])
def test_whatever_comes_the_answer_is_one_that_cloudfront_takes(event: Any) -> None:
    """The short form."""
    logging.disable(logging.CRITICAL)
    try:
        check(event)
    finally:
        logging.disable(logging.NOTSET)


def test_an_event_that_is_none_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """And a problem, with no stack in either."""
    from tests.published.edge import Edge

    result = Edge().handler({"Records": [{"cf": {"config": {"requestId": "id-9"}}}]}, None)

    assert result["status"] == "400"
    assert "request-invalid" in result["body"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Traceback" not in caplog.text


@pytest.mark.long
def test_a_million_events() -> None:
    """The long form, on all processors; `EDGE_EVENTS` says how many."""
    chunks = range(0, EVENTS, AT_ONCE)
    with multiprocessing.get_context("spawn").Pool() as pool:
        seen = pool.starmap(run, [(min(AT_ONCE, EVENTS - start), 7919 + start) for start in chunks], chunksize=1)

    assert sum(seen) >= EVENTS * 0.9
