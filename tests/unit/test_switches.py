"""Where the operations answer."""

import pytest

from gateway.asgi.switches import Exposure, Switches

OPEN, OPERATORS, APART, OFF = Exposure.OPEN, Exposure.OPERATORS, Exposure.APART, Exposure.OFF

PATHS = {
    "/metrics": {OPEN: "both", OPERATORS: "both", APART: "apart", OFF: "nowhere"},
    "/docs": {OPEN: "both", APART: "apart", OFF: "nowhere"},
    "/openapi.json": {OPEN: "both", APART: "apart", OFF: "nowhere"},
    "/assets/docs-1.js": {OPEN: "both", APART: "both", OFF: "clients"},
    "/healthz": dict.fromkeys((OPEN, APART, OFF), "both"),
    "/readyz": dict.fromkeys((OPEN, APART, OFF), "both"),
    "/proxy/a": dict.fromkeys((OPEN, APART, OFF), "clients"),
    "/admin/tenants": dict.fromkeys((OPEN, APART, OFF), "clients"),
    "/uploads": dict.fromkeys((OPEN, APART, OFF), "clients"),
    "/": dict.fromkeys((OPEN, APART, OFF), "clients"),
}
"""Path to where it answers, by how it is exposed."""


@pytest.mark.parametrize(
    ("path", "exposure", "where"),
    [(path, exposure, where) for path, by in PATHS.items() for exposure, where in by.items()],
)
def test_who_finds_what_where(path: str, exposure: Exposure, where: str) -> None:
    """Clients, whoever watches, both or nobody; what is not the operations' is never apart."""
    switches = Switches(docs=OPEN if exposure is OPERATORS else exposure, metrics=exposure)

    answers = (switches.answers(path.encode(), apart=False), switches.answers(path.encode(), apart=True))

    assert (
        answers
        == {
            "both": (True, True),
            "clients": (True, False),
            "apart": (False, True),
            "nowhere": (False, False),
        }[where]
    )
