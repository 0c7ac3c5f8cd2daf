"""Log lines that a client's words stand in: they can't look like another line, or do something to a terminal."""

import json
import logging

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.server.logs import JsonLines


@given(st.text())
@example("a\r\nERROR forged")
@example("\x1b[2J\x9b31m")
@example("\u2028\u0085\u2029")
@example("\ud800")
@example("x" * 1_000_000)
def test_whatever_is_logged_is_one_line_of_json(said: str) -> None:
    """Line breaks of every kind, escape sequences, half a character, a million of them."""
    record = logging.LogRecord("gateway", logging.WARNING, __file__, 1, "refused: %s", (said,), None)
    line = JsonLines().format(record)

    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"refused: {said}"
