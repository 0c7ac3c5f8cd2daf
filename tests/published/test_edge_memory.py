"""A sandbox has 128 MB: what it keeps of many tenants' documents is bounded, and the newest can be used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_auth.documents import MOST_BYTES
from tests.published.edge import Edge, acme

ROOT = Path(__file__).parents[2]
MOST = 80 * 1_048_576


@pytest.mark.parametrize("tenants", [2_500, pytest.param(10_000, marks=pytest.mark.long)])
def test_many_tenants_stay_within_the_function_s_memory(tenants: int) -> None:
    """The short form visits more than are kept."""
    command = [sys.executable, str(ROOT / "benchmarks/edge_memory.py"), "--tenants", str(tenants)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)

    assert found["verdicts"] == {"granted": tenants}
    assert found["peak"] < MOST


def test_a_document_larger_than_all_that_is_kept_can_be_used() -> None:
    """It is alone then, and fetched again when another was needed."""
    edge = Edge()
    edge.publish()
    edge.put("tenants/acme", {**acme(), "filler": "x" * MOST_BYTES}, version=2)

    assert [edge.ask()[0] for _ in range(2)] == [200, 200]
