"""The demo as an operator has it: a process on a free port, and a client with a token."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

COMMAND = Path(sys.executable).parent / "upload-gateway"


@dataclass(frozen=True)
class Demo:
    """A demo that is ready."""

    data: Path
    url: str

    def token(self, *arguments: str) -> str:
        """A token of the demo's issuers."""
        command = [str(COMMAND), "token", "--data", str(self.data), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def client(self, token: str) -> httpx.Client:
        """A client that sends this credential and follows redirects as curl -L does."""
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=20)


@contextmanager
def demo(data: Path) -> Iterator[Demo]:
    """The demo over this directory."""
    command = [str(COMMAND), "demo", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first = next(line for line in process.stdout if line.startswith("upload-gateway is ready at "))
            url = re.search(r"http://127\.0\.0\.1:\d+", first)
            assert url is not None
            yield Demo(data, url[0])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
