"""The operator's tutorial, run as it stands: each block's output is what the page says."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.identity.testing import LocalIssuer, Signer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "tenants.md"
COMMAND = Path(sys.executable).parent / "upload-gateway"
MARK = "=== the next block ==="


def blocks() -> list[tuple[str, str]]:
    """Each shell block and what it prints."""
    pattern = r"^```sh\n(.*?)^```\n+^```text\n(.*?)^```"
    return re.findall(pattern, PAGE.read_text(), re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Terminal:
    """A directory to work in and a running demo."""

    place: Path
    data: Path
    url: str

    def script(self) -> str:
        """All blocks as one session; only the port and the directories are ours."""
        text = f"\necho '{MARK}'\n".join(block for block, _ in blocks())
        text = text.replace("http://127.0.0.1:8080", self.url)
        return text.replace(".venv/bin/upload-gateway token", f"{COMMAND} token --data {self.data}")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The demo, ready."""
    data = tmp_path / "data"
    with subprocess.Popen(
        [COMMAND, "demo", "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            first = next(line for line in process.stdout if line.startswith("upload-gateway is ready at "))
            url = re.search(r"http://127\.0\.0\.1:\d+", first)
            assert url is not None
            yield Terminal(tmp_path, data, url[0])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def test_every_block_has_its_output() -> None:
    """Nothing on the page is shown that is not run."""
    assert len(blocks()) == PAGE.read_text().count("```sh") == PAGE.read_text().count("```text")


def test_the_tutorial_does_what_it_says(terminal: Terminal, signing_key: Signer) -> None:
    """An operator adds a tenant with its own issuer, limits it, finds out why, mends it and goes back."""
    now = int(time.time())
    with LocalIssuer(signing_key) as issuer:
        claims = {"iss": issuer.url, "aud": "upload-gateway", "sub": "milton", "scope": "files:write"}
        token = signing_key.token({**claims, "iat": now, "exp": now + 600})
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", terminal.script()],
            cwd=terminal.place,
            env={"PATH": os.environ["PATH"], "ISSUER": issuer.url, "TOKEN": token},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    printed = [part.strip("\n") for part in done.stdout.split(MARK)]
    assert printed == [output.strip("\n") for _, output in blocks()]
