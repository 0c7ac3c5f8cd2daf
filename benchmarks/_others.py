"""The servers that benchmarks compare with: programs that print their port and serve until they are ended."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._harness import Demo

HERE = Path(__file__).parent / "others"
MISSING = f"npm's packages are not there (`npm ci --ignore-scripts` in benchmarks/{HERE.name}), so its row is left out."


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A server that runs: its process and its port."""

    pid: int
    port: int


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Other]:
    """The program, from the line that says its port to its end."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                if line.strip().isdigit():
                    yield Other(pid=process.pid, port=int(line))
                    return
            raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def node(program: str, demo: Demo, place: Path, **more: str) -> Iterator[Other | None]:
    """A program of `others` in Node, on the demo's bucket, with `more` in its environment; None where it can't run."""
    found = shutil.which("node")
    if found is None or not (HERE / "node_modules").is_dir():
        yield None
        return
    environment = {
        "S3_KEY": demo.credentials.access_key,
        "S3_SECRET": demo.credentials.secret_key,
        "S3_BUCKET": demo.endpoint.bucket,
        "S3_REGION": demo.region,
        "S3_ENDPOINT": demo.endpoint.origin,
        "PLACE": str(place),
        "NODE_ENV": "production",
        "TMPDIR": str(place),
        **more,
    }
    with serving([found, str(HERE / program)], environment, place / f"{program}.log") as other:
        yield other


@contextmanager
def floor(place: Path) -> Iterator[Other]:
    """FastAPI alone."""
    with serving([sys.executable, "-m", "benchmarks._floor"], {}, place / "floor.log") as other:
        yield other


@contextmanager
def verifier(demo: Demo, log: Path) -> Iterator[Other]:
    """What nginx asks about a token."""
    said = json.loads((demo.data / "demo.json").read_text())
    issuer = [said["issuer"], said["jwks_uri"], said["audience"]]
    with serving([sys.executable, "-m", "benchmarks._verifier", *issuer], {}, log) as other:
        yield other
