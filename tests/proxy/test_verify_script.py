"""The script that ticks the assumptions off, against the model: there they hold, because that is what they are."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conformance.demo import DemoProcess

ROOT = Path(__file__).resolve().parents[2]


def test_every_assumption_holds_of_the_model(tmp_path: Path) -> None:
    """So what the script finds elsewhere is a difference of that place."""
    process = DemoProcess(tmp_path, limits="aws")
    try:
        deployment = process.start()
        command = [str(Path(sys.executable).with_name("upload-gateway")), "token", "--tenant", "acme"]
        token = subprocess.check_output([*command, "--data", str(tmp_path / "state")], text=True)
        (tmp_path / "token").write_text(token)
        url = f"http://{deployment.origin.netloc}"
        script = [sys.executable, "infra/verify/proxy.py", "--url", url, "--token-file", str(tmp_path / "token")]
        done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        process.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" holds: ") == len(assumptions())


def assumptions() -> list[str]:
    """The ids of the reference's table."""
    page = (ROOT / "docs/reference/api-gateway.md").read_text(encoding="utf-8")
    return re.findall(r"^\| (A[0-9]+) \|", page, re.MULTILINE)
