"""The packaged edge function as CloudFront would run it: the zip, Lambda's runtime, CloudFront's model before it."""

import asyncio
import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.local import ports
from gateway.local.cloudfront import Distribution, OriginRequestPolicy
from gateway.server.carriages import Limits, edge_headers
from gateway.server.composition import request_id
from gateway.server.http1 import Server
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Timeouts, Upstream
from tests.processes import children

ROOT: Final = Path(__file__).parents[2]
RUNTIME: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The runtime's Python is this one, so that it is there wherever the suite runs."""

MEMORY: Final = 128
SECONDS: Final = 30
"""Deployed it is 5. Here a loaded machine must end no case; that the function keeps inside its five is tested apart."""
_INVOKE: Final = "/2015-03-31/functions/function/invocations"
_READY_WITHIN: Final = 60.0
_PATIENCE: Final = 60.0


class NoRuntimeError(Exception):
    """The emulator can't be had here."""


class EmulatorError(Exception):
    """The emulator itself answered, and not the function; the message is what it said."""


def build(settings: Mapping[str, Any], folder: Path) -> Path:
    """The package, built as `make edge-package` does, for the Python that runs this."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "edge.json"
    told.write_text(json.dumps(settings))
    package = folder / "edge.zip"
    command = [sys.executable, "scripts/edge-package", "--settings", str(told), "--output", str(package)]
    _scripted([*command, "--runtime", RUNTIME, "--python", sys.executable])
    return package


def emulator() -> Path:
    """The folder of the runtime's emulator and client."""
    _scripted([sys.executable, "scripts/edge-runtime", "--runtime", RUNTIME])
    return ROOT / "build" / "edge-runtime" / RUNTIME


def _scripted(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoRuntimeError(f"{command[1]} failed: {done.stderr[-500:]}")


@dataclass(slots=True)
class Sandbox:
    """One sandbox of the function: 128 MB, one event at a time, and only the reserved variables."""

    package: Path
    folder: Path
    credentials: Credentials
    port: int = field(default=0, init=False)
    log: Path = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "edge-runtime.log"

    def start(self) -> None:
        """Unpack the zip where Lambda would, and start the runtime; returns once the function has answered an event.

        The emulator starts the runtime at the first event and counts that start among the function's seconds, so on a
        loaded machine it may end the first tries. On ports that somebody took in between it ends, and gets others.
        """
        with zipfile.ZipFile(self.package) as archive:
            archive.extractall(self.folder / "task")
        place, deadline = emulator(), time.monotonic() + _READY_WITHIN
        while not self._answers(deadline):
            if time.monotonic() > deadline:
                raise NoRuntimeError(f"the runtime did not answer: {self.log.read_text()[-500:]}")
            self.stop()
            self._launch(place)

    def __call__(self, event: Any, context: object) -> Any:
        """What the function answers; raises `EmulatorError` for what only the emulator says."""
        del context
        body = json.dumps(event).encode()
        with self._lock:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
            try:
                self._connection.request("POST", _INVOKE, body)
                answer = self._connection.getresponse()
                text = answer.read()
            except BaseException:
                self._connection.close()
                self._connection = None
                raise
        try:
            return json.loads(text)
        except ValueError as error:
            raise EmulatorError(f"the emulator answered {answer.status} {text[:500]!r}") from error

    def peak_memory(self) -> int:
        """Bytes that the runtime's process had in memory at most (VmHWM)."""
        assert self._process is not None
        lines = (
            line for pid in children(self._process.pid) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        return max(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    def stop(self) -> None:
        """End the runtime and what it started."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def _launch(self, place: Path) -> None:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(place),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(SECONDS),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.port, own = ports.choose(2, secrets.randbelow)
        command = [str(place / "aws-lambda-rie"), "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        command += ["--runtime-api-address", f"127.0.0.1:{own}"]
        command += [sys.executable, "-s", "-m", "awslambdaric", "edge_auth.lambda_function.lambda_handler"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder / "task", env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self, deadline: float) -> bool:
        """Whether the function answered; False as soon as there is no emulator that could, or the time is over."""
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            try:
                answer = self({}, None)
            except (OSError, http.client.HTTPException, EmulatorError):
                time.sleep(0.05)
                continue
            # Whoever else listens on the port now answers something else, and the emulator is about to end.
            if isinstance(answer, dict) and isinstance(answer.get("status"), str):
                return True
            time.sleep(0.05)
        return False


class CloudFront:
    """CloudFront's model around a sandbox, as a server on loopback."""

    def __init__(self, sandbox: Sandbox, *, origin: Endpoint, access_control: Signer) -> None:
        self._sandbox = sandbox
        self._origin = origin
        self._access_control = access_control
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stack = AsyncExitStack()
        self.port = 0

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)

    def stop(self) -> None:
        """Stop listening."""
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _open(self) -> None:
        upstream = await self._stack.enter_async_context(Upstream(timeouts=Timeouts()))
        distribution = Distribution(
            handler=self._sandbox,
            origin=self._origin,
            access_control=self._access_control,
            upstream=upstream,
            clock=time.time,
            request_ids=request_id,
            request_policy=OriginRequestPolicy(headers=edge_headers(Limits.AWS)),
        )
        server = Server(distribution)
        self._stack.push_async_callback(server.stop)
        await server.start()
        self.port = server.port
