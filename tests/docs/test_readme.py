"""Every command the README shows is run, in order, as a new user would; only the port and the directory are ours."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

pytestmark = pytest.mark.xdist_group("readme")


def blocks() -> list[str]:
    """The shell blocks of the README, in order."""
    return re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


class Readme:
    """A stranger's terminal: runs the README's blocks against the demo that its first block starts."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = 0
        self.data = place / "demo-data"

    def adapt(self, block: str) -> str:
        command = block.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{self.port}")
        command = command.replace("upload-gateway token", f"upload-gateway token --data {self.data}")
        return command.replace(".venv/bin/", f"{ROOT}/.venv/bin/")

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Readme, str]]:
    """The demo as the README's first command starts it, and what it printed when it was ready."""
    terminal = Readme(tmp_path_factory.mktemp("readme"))
    assert blocks()[0] == "make demo\n"
    command = ["make", "--silent", "demo", f"PORT={terminal.port}", f"DATA={terminal.data}"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "MAKEFLAGS": ""},
    ) as process:
        assert process.stdout is not None
        printed = ""
        for line in process.stdout:
            printed += line
            if "/edge/hello.txt" in line:
                break
        said = re.search(r"http://127\.0\.0\.1:(\d+)", printed)
        assert said is not None
        terminal.port = int(said[1])
        yield terminal, printed
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=20)


def test_the_printed_line_works_when_pasted(readme: tuple[Readme, str]) -> None:
    """The demo prints a curl line a backend, and pasting it stores an object."""
    terminal, printed = readme
    lines = [line for line in printed.splitlines() if line.startswith("curl ")]

    assert [terminal.run(f"{line} -s -o /dev/null -w '%{{http_code}}'") for line in lines] == ["200"] * 3


def test_the_first_upload_is_stored(readme: tuple[Readme, str]) -> None:
    """The README's first upload answers 200."""
    terminal, _ = readme

    assert terminal.run(terminal.adapt(blocks()[1])).endswith("200\n")


def test_the_refusal_is_the_problem_it_promises(readme: tuple[Readme, str]) -> None:
    """The README's refusal is the problem that the text names."""
    terminal, _ = readme
    terminal.run(terminal.adapt(blocks()[1]))

    problem = json.loads(terminal.run(terminal.adapt(blocks()[2])))

    assert problem["type"] == "urn:upload-gateway:problem:type-not-allowed"
    assert problem["type"] in README.read_text()


def test_the_plan_can_be_carried_out(readme: tuple[Readme, str]) -> None:
    """The README's plan is a request that S3 takes, exactly as it says."""
    terminal, _ = readme

    plan = json.loads(terminal.run(terminal.adapt(blocks()[3])))

    request = urllib.request.Request(plan["url"], b"hello", plan["headers"], method=plan["method"])
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_nothing_is_shown_that_is_not_run() -> None:
    """Each shell block of the README has its test here."""
    assert [block.split()[0] for block in blocks()] == [
        "make",
        "printf",
        "TOKEN=$(.venv/bin/upload-gateway",
        "TOKEN=$(.venv/bin/upload-gateway",
        "make",
    ]
