"""The scripts that tick assumptions off, against the models: there they hold, because that is what they are."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conformance.demo import DemoProcess

ROOT = Path(__file__).resolve().parents[2]

PAGES = {"proxy": ("api-gateway", "A"), "presigner": ("verified", "P"), "edge": ("verified", "E")}
"""For each script the page that lists its assumptions, and how their ids begin."""


def test_every_assumption_holds_of_the_models(tmp_path: Path) -> None:
    """So what a script finds elsewhere is a difference of that place; each has one check for each line of its table."""
    process = DemoProcess(tmp_path, limits="aws")
    try:
        deployment = process.start()
        command = [str(Path(sys.executable).with_name("upload-gateway")), "token", "--tenant", "acme"]
        token = subprocess.check_output([*command, "--data", str(tmp_path / "state")], text=True)
        (tmp_path / "token").write_text(token)
        options = ["--url", f"http://{deployment.origin.netloc}", "--token-file", str(tmp_path / "token")]
        done = {
            script: subprocess.run(
                [sys.executable, f"infra/verify/{script}.py", *options],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            for script in PAGES
        }
    finally:
        process.stop()
    for script, (page, letter) in PAGES.items():
        assert done[script].returncode == 0, done[script].stdout + done[script].stderr
        assert re.findall(r"^ *([A-Z][0-9]+) holds: ", done[script].stdout, re.MULTILINE) == assumptions(page, letter)


def assumptions(page: str, letter: str) -> list[str]:
    """The ids of the reference's table."""
    text = (ROOT / f"docs/reference/{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^\| ({letter}[0-9]+) \|", text, re.MULTILINE)
