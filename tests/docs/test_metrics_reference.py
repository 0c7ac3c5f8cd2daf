"""What the documentation says of the metrics is so."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from gateway.metrics.families import FAMILIES, Kind
from gateway.metrics.reference import page
from gateway.settings.model import Operations

DOCS = Path(__file__).parents[2] / "docs"
WATCH = (DOCS / "how-to" / "watch.md").read_text(encoding="utf-8")
SELECTED = re.compile(r"(upload_gateway_[a-z0-9_]+)(?:\{([^}]*)\})?")


def blocks(language: str) -> list[str]:
    """What the how-to shows in a language."""
    return re.findall(rf"```{language}\n(.*?)```", WATCH, flags=re.DOTALL)


def test_the_reference_is_the_tables() -> None:
    """Remake it with `python -m gateway.metrics.reference > docs/reference/metrics.md`."""
    assert (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8") == page()


def test_the_settings_of_the_how_to_are_taken() -> None:
    """As they are shown."""
    (shown,) = blocks("toml")

    assert Operations.model_validate(tomllib.loads(shown)["operations"]).port == 9464


def rules() -> list[dict[str, Any]]:
    """The alerts that the how-to shows."""
    documents = [yaml.safe_load(block) for block in blocks("yaml")]
    return [rule for document in documents for group in document.get("groups", ()) for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    """Its metrics exist, and so do their labels and the labels' values."""
    known = {family.full_name: family for family in FAMILIES}
    histograms = {f"{name}_bucket": family for name, family in known.items() if family.kind is Kind.HISTOGRAM}
    selected = SELECTED.findall(rule["expr"])

    assert selected
    for name, matchers in selected:
        labels = {**known, **histograms}[name].labels
        for label, pattern in re.findall(r'([a-z]+)=~?"([^"]*)"', matchers):
            assert any(re.fullmatch(pattern, value) for value in labels[label])
