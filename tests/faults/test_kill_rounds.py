"""The short form of `python -m tests.faults.kill_rounds`."""

from pathlib import Path

from tests.faults.kill_rounds import run


def test_what_was_confirmed_outlives_every_kill(tmp_path: Path) -> None:
    """The gateway, its S3, both, and an end in order, under load: every 200 was true, and nothing is partial."""
    done = run(tmp_path, rounds=4, seed=2_026)

    assert done.ledger.confirmed > 0
