"""The wheel: whoever installs it has the pages, and none of what they are made from."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed; apt-get install npm")
def test_a_wheel_carries_the_built_pages(tmp_path: Path) -> None:
    """Built from a clean copy of the sources, by the same hook as everywhere."""
    copy = tmp_path / "source"
    ignored = shutil.ignore_patterns("node_modules", "dist", ".venv", ".git", "__pycache__", "demo-data")
    shutil.copytree(ROOT, copy, ignore=ignored)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=copy, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        web = {name.removeprefix("gateway/web/") for name in wheel.namelist() if name.startswith("gateway/web/")}
    assert {"dist/upload.html", "dist/console.html", "dist/docs.html"} <= web
    assert not {name for name in web if not name.startswith("dist/")}
