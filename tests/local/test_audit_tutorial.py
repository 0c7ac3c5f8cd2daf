"""The page about the audit, run as it stands: each block's output is what the page says."""

import os
import re
import subprocess
from pathlib import Path

from gateway import journal
from tests.admin.demo import COMMAND, demo

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "audit.md"
MARK = "=== the next block ==="


def blocks() -> list[tuple[str, str]]:
    """Each shell block and what it prints."""
    return re.findall(r"^```sh\n(.*?)^```\n+^```text\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_every_block_has_its_output() -> None:
    """Nothing on the page is shown that is not run."""
    assert len(blocks()) == PAGE.read_text().count("```sh") == PAGE.read_text().count("```text")


def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    """A refusal is found by its request's id, the chain is whole, and a cut end shows."""
    with demo(tmp_path / "demo-data") as running:
        script = f"\necho '{MARK}'\n".join(block for block, _ in blocks())
        script = script.replace("http://127.0.0.1:8080", running.url).replace(".venv/bin/upload-gateway", str(COMMAND))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "TOKEN": running.token("--tenant", "acme")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.stderr == ""
    printed = [part.strip("\n") for part in done.stdout.split(MARK)]
    assert printed == [output.strip("\n") for _, output in blocks()]


def test_every_action_is_on_the_page() -> None:
    """And every outcome that a line can have."""
    actions = {value for name, value in vars(journal).items() if name.isupper() and isinstance(value, str)}
    assert {"upload", "upload.plan", "upload.credentials"} <= actions
    assert {action for action in actions if f"`{action}`" not in PAGE.read_text()} == set()
