"""The upload page when nothing lives long: the long form of what `kill_resume` does."""

from pathlib import Path

import pytest

from tests.browser.kill_resume import run
from tests.browser.stage import MIB, missing

pytestmark = pytest.mark.xdist_group("browser")


@pytest.mark.long
def test_browser_and_gateway_are_killed_again_and_again(tmp_path: Path) -> None:
    """What S3 has is never sent again, and what is stored in the end is the file."""
    if reason := missing():
        pytest.skip(reason)

    assert run(tmp_path, size=256 * MIB, rounds=3, seed=7).kills == 6
