"""The operator's tutorial, run as it stands: each block's output is what the page says."""

import os
import re
import subprocess
import time
from pathlib import Path

from gateway.identity.testing import LocalIssuer, Signer
from tests.admin.demo import COMMAND, Demo, demo

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "tenants.md"
MARK = "=== the next block ==="
_INHERITED = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


def blocks() -> list[tuple[str, str]]:
    """Each shell block and what it prints."""
    pattern = r"^```sh\n(.*?)^```\n+^```text\n(.*?)^```"
    return re.findall(pattern, PAGE.read_text(), re.DOTALL | re.MULTILINE)


def script(demo: Demo) -> str:
    """All blocks as one session; only the port and the directories are ours."""
    text = f"\necho '{MARK}'\n".join(block for block, _ in blocks())
    text = text.replace("http://127.0.0.1:8080", demo.url)
    return text.replace("upload-gateway token", f"upload-gateway token --data {demo.data}")


def test_every_block_has_its_output() -> None:
    """Nothing on the page is shown that is not run."""
    assert len(blocks()) == PAGE.read_text().count("```sh") == PAGE.read_text().count("```text")


def test_the_tutorial_does_what_it_says(tmp_path: Path, signing_key: Signer) -> None:
    """An operator adds a tenant with its own issuer, limits it, finds out why, mends it and goes back."""
    now = int(time.time())
    with demo(tmp_path / "data") as running, LocalIssuer(signing_key) as issuer:
        claims = {"iss": issuer.url, "aud": "upload-gateway", "sub": "milton", "scope": "files:write"}
        token = signing_key.token({**claims, "iat": now, "exp": now + 600})
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv" / "bin").symlink_to(COMMAND.parent)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script(running)],
            cwd=tmp_path,
            env={**_INHERITED, "ISSUER": issuer.url, "TOKEN": token},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stdout + done.stderr
    printed = [part.strip("\n") for part in done.stdout.split(MARK)]
    assert printed == [output.strip("\n") for _, output in blocks()]
