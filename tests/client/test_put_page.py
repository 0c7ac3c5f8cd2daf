"""The page on `put`, run as it stands: each block prints what the page says."""

import os
import re
import subprocess
from pathlib import Path

from tests.client.room import COMMAND, Terminal

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "put.md"
MARK = "=== the next block ==="


def blocks() -> list[tuple[str, str]]:
    """Each shell block and what it prints."""
    return re.findall(r"^```sh\n(.*?)^```\n+^```text\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_page_does_what_it_says(terminal: Terminal) -> None:
    """Only the port and the directories are ours."""
    text = f"\necho '{MARK}'\n".join(block for block, _ in blocks())
    text = text.replace("http://127.0.0.1:8080", terminal.room.url)
    text = text.replace("upload-gateway token", f"upload-gateway token --data {terminal.room.data}")
    (terminal.place / ".venv").mkdir()
    (terminal.place / ".venv" / "bin").symlink_to(COMMAND.parent)
    environment = {**terminal.environment, "PATH": os.environ["PATH"], "UPLOAD_GATEWAY_TOKEN": ""}

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=terminal.place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert [part.strip("\n") for part in done.stdout.split(MARK)] == [said.strip("\n") for _, said in blocks()]
    assert len(blocks()) == PAGE.read_text().count("```sh") == PAGE.read_text().count("```text")
