"""The client's commands stand on the `client` extra alone: no library of the server is needed on a user's machine."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from gateway.cli import main

sys.exit(main(sys.argv[1:]))
"""
SERVERS = {
    "aiohttp", "boto3", "botocore", "cryptography", "fastapi", "filetype", "httptools", "jwt", "mangum", "multidict",
    "pydantic", "starlette", "uvloop", "yarl",
}  # fmt: skip


@pytest.mark.parametrize("arguments", [["put", "--patience", "1", __file__, "http://127.0.0.1:9"], ["tenant", "list"]])
def test_the_servers_libraries_are_not_needed(tmp_path: Path, arguments: list[str]) -> None:
    """It goes as far as asking a gateway, which is not there."""
    command = [sys.executable, "-c", WITHOUT.format(missing=SERVERS), *arguments, "--token-command", "echo t"]
    where = {"UPLOAD_GATEWAY_URL": "http://127.0.0.1:9", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}

    done = subprocess.run(command, env=where, capture_output=True, text=True, check=False)

    assert (done.returncode, "does not answer" in done.stderr) == (3, True), done.stderr
