"""The admin API's reference names every call that there is, and no other."""

import re
from pathlib import Path

from gateway.tenants.evaluation import NAMES
from tests.admin.bench import Bench

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "admin-api.md"


def test_every_call_is_in_the_reference(admin: Bench) -> None:
    """Method and path, as OpenAPI has them."""
    told = set(re.findall(r"^\| `([A-Z]+) (/[^`?]*)", PAGE.read_text(), re.MULTILINE))
    calls = {(method.upper(), path) for path, methods in admin.api.openapi()["paths"].items() for method in methods}

    assert told == calls


def test_the_rules_of_an_evaluation_are_named_in_order() -> None:
    """As `evaluate` answers them."""
    sentence = PAGE.read_text().split("`rules`: ")[1].split(", each `passed`")[0]

    assert re.findall(r"[a-z]+", re.sub(r"\b(then|and)\b", "", sentence)) == list(NAMES)
