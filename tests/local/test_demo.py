"""The demo as a stranger starts it: what it says when it can't, and that it leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import children

COMMAND = Path(sys.executable).parent / "upload-gateway"


def refused(*arguments: str) -> str:
    """What a demo that can't start says; its exit status is 1."""
    done = subprocess.run([COMMAND, "demo", *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1, done
    return done.stderr


@contextmanager
def running(data: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo on any free port, ready."""
    with subprocess.Popen(
        [COMMAND, "demo", "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("curl "):
                break
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds; one that waits for its parent's notice counts as ended."""
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}:
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    data = tmp_path_factory.mktemp("demo") / "data"
    with running(data) as process:
        yield data, process


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    """Nothing is started, and the person reads what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("--port", str(taken.getsockname()[1]), "--data", str(tmp_path))

    assert said.count("\n") == 1
    assert "choose another with --port" in said


def test_a_directory_in_use_is_one_sentence_and_stays_unharmed(demo: tuple[Path, subprocess.Popen[str]]) -> None:
    """A second demo on the same directory is refused, and the first one's description stays."""
    data, _ = demo

    said = refused("--port", "0", "--data", str(data))

    assert "Another demo is running" in said
    assert (data / "demo.json").exists()


def test_a_directory_that_can_not_be_made_is_one_sentence() -> None:
    """No traceback, whatever the file system says."""
    assert refused("--port", "0", "--data", "/proc/nowhere").count("\n") == 1


def test_what_scripts_read_is_private_and_complete(demo: tuple[Path, subprocess.Popen[str]]) -> None:
    """`demo.json` has the contract's members, and only its owner can read it."""
    data, _ = demo
    described = json.loads((data / "demo.json").read_text())

    assert set(described) == {
        *("url", "s3_endpoint", "bucket", "region", "access_key", "secret_key"),
        *("issuer", "jwks_uri", "audience", "tenant_claim", "scope_claim", "signing_keys", "admin"),
    }
    assert all((data / key["pem"]).is_file() for key in described["signing_keys"] + described["admin"]["signing_keys"])
    assert (data / "demo.json").stat().st_mode & 0o777 == 0o600
    assert urllib.request.urlopen(f"{described['url']}/readyz", timeout=10).status == 200


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_every_child_ends_with_the_demo(tmp_path: Path, ending: signal.Signals) -> None:
    """Ctrl-C, a service manager's stop and even SIGKILL leave no process behind."""
    with running(tmp_path / "data") as process:
        started = children(process.pid)
        os.kill(process.pid, ending)
        process.wait(timeout=30)

    assert started
    assert all(gone(pid) for pid in started)


def test_objects_are_found_again_by_the_next_start(tmp_path: Path) -> None:
    """What one start stored, a second one on the same directory refuses to overwrite for a creating client."""
    statuses = []
    for _ in range(2):
        with running(tmp_path / "data"):
            token = subprocess.run(
                [COMMAND, "token", "--data", tmp_path / "data", "--tenant", "acme"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            url = json.loads((tmp_path / "data" / "demo.json").read_text())["url"]
            statuses.append(_put(f"{url}/proxy/kept.txt", token))

    assert statuses == [200, 412]


def _put(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain", "If-None-Match": "*"}
    request = urllib.request.Request(url, b"kept", headers, method="PUT")
    try:
        return int(urllib.request.urlopen(request, timeout=10).status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
