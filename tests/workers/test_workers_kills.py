"""The short form of `python -m tests.workers.quota_rounds`, and the long one."""

from pathlib import Path

import pytest

from tests.workers.quota_rounds import VICTIMS, WANTED, run


@pytest.mark.parametrize("rounds", [len(VICTIMS), pytest.param(100, marks=pytest.mark.long)])
def test_a_quota_holds_over_every_kill(tmp_path: Path, rounds: int) -> None:
    """A worker or everything is killed under load: never more than the quota, and the ledger is what S3 has."""
    done = run(tmp_path, rounds=rounds, seed=2_026)

    assert done.killed.total() == rounds
    assert done.outcomes.total() == rounds * WANTED
