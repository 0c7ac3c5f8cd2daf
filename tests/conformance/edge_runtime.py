"""The packaged edge function as CloudFront would run it: the zip, Lambda's runtime, CloudFront's model before it."""

import asyncio
import http.client
import json
import os
import signal
import socket
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
SECONDS: Final = 5
_INVOKE: Final = "/2015-03-31/functions/function/invocations"
_READY_WITHIN: Final = 30.0


class NoRuntimeError(Exception):
    """The emulator can't be had here."""


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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Sandbox:
    """One sandbox of the function: 128 MB, five seconds, one event at a time, and only the reserved variables."""

    package: Path
    folder: Path
    credentials: Credentials
    port: int = field(default_factory=free_port)
    log: Path = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "edge-runtime.log"

    def start(self) -> None:
        """Unpack the zip where Lambda would, and start the runtime."""
        task, place = self.folder / "task", emulator()
        with zipfile.ZipFile(self.package) as archive:
            archive.extractall(task)
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
        command = [str(place / "aws-lambda-rie"), "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        command += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
        command += [sys.executable, "-s", "-m", "awslambdaric", "edge_auth.lambda_function.lambda_handler"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=task, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._await()

    def __call__(self, event: Any, context: object) -> Any:
        """What the function answers."""
        del context
        body = json.dumps(event).encode()
        with self._lock:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self._connection.request("POST", _INVOKE, body)
                return json.loads(self._connection.getresponse().read())
            except BaseException:
                self._connection.close()
                self._connection = None
                raise

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
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def _await(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise NoRuntimeError(f"the runtime did not listen: {self.log.read_text()[-500:]}")


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
