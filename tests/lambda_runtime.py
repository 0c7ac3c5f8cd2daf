"""A packaged function under Lambda's runtime on this machine: its zip, the interface emulator, the runtime's client.

The emulator serves one sandbox: a process that imports the handler and answers one event at a time. It has no IAM, no
limit on memory and no SnapStart. The runtime's Python is the one that runs this, so that it is there wherever the suite
runs, unless a caller brings another.
"""

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.local import ports
from tests.processes import children

ROOT: Final = Path(__file__).parents[1]
RUNTIME: Final = f"{sys.version_info.major}.{sys.version_info.minor}"

_INVOKE: Final = "/2015-03-31/functions/function/invocations"
_READY_WITHIN: Final = 90.0
_PATIENCE: Final = 60.0


class NoRuntimeError(Exception):
    """The emulator can't be had here."""


class EmulatorError(Exception):
    """The emulator itself answered, and not the function; the message is what it said."""


def scripted(*command: str, **environment: str) -> str:
    """What one of the project's scripts prints; raises NoRuntimeError with the end of what it complains of."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode:
        raise NoRuntimeError(f"{command[0]} failed: {done.stderr[-500:]}")
    return done.stdout


def emulator(runtime: str = RUNTIME) -> Path:
    """The folder of the runtime's emulator and client."""
    scripted("scripts/edge-runtime", "--runtime", runtime)
    return ROOT / "build" / "edge-runtime" / runtime


class FunctionError(Exception):
    """The function failed at its start; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function as a template has it: its zip or folder, its handler, megabytes, seconds and variables.

    `seconds` is deployed less: here a loaded machine must not end a case. `python` runs it, and is of `runtime`.
    """

    package: Path
    handler: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    memory: int = 512
    seconds: int = 30
    region: str = "us-east-1"
    runtime: str = RUNTIME
    python: str = sys.executable


@dataclass(slots=True)
class Sandbox:
    """One sandbox of a function. `is_answer` tells the function's answers from whatever else listens on a port."""

    function: Function
    folder: Path
    is_answer: Callable[[Any], bool] = lambda answer: isinstance(answer, dict)
    port: int = field(default=0, init=False)
    log: Path = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _connection: http.client.HTTPConnection | None = field(default=None, init=False)
    crashes: int = field(default=0, init=False)
    """How often the runtime's process died of a signal and its event was asked of the next one."""

    def __post_init__(self) -> None:
        self.log = self.folder / "runtime.log"

    def unpack(self) -> None:
        """Put the package where Lambda would."""
        if self.function.package.is_dir():
            (self.folder / "task").symlink_to(self.function.package)
            return
        with zipfile.ZipFile(self.function.package) as archive:
            archive.extractall(self.folder / "task")

    def start(self, event: Any) -> None:
        """Start the runtime; returns once the function has answered `event`.

        The emulator starts the runtime at the first event and counts that start among the function's seconds, so on a
        loaded machine it may end the first tries. On ports that somebody took in between it ends itself, and gets
        others. Raises FunctionError where the function itself fails.
        """
        if not (self.folder / "task").is_dir():
            self.unpack()
        place, deadline = emulator(self.function.runtime), time.monotonic() + _READY_WITHIN
        while not self._answers(event, deadline):
            if time.monotonic() > deadline:
                raise NoRuntimeError(f"the runtime did not answer: {self.log.read_text()[-2000:]}")
            self.stop()
            self.launch(place)

    def __call__(self, event: Any, context: object = None) -> Any:
        """What the function answers; raises `EmulatorError` for what only the emulator says.

        Where the runtime's process dies of a signal, the emulator starts another one, as Lambda does, and the event is
        asked once more: of the runtime's client, which is native, this has been seen once in thousands of events. It
        is counted in `crashes`, for whoever holds that to a bound.
        """
        del context
        answer = self._asked(event)
        if not _died_of_a_signal(answer):
            return answer
        self.crashes += 1
        answer = self._asked(event)
        if _died_of_a_signal(answer):
            raise EmulatorError(f"the runtime died twice of one event: {self.log.read_text()[-2000:]}")
        return answer

    def _asked(self, event: Any) -> Any:
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

    def processor_seconds(self) -> float:
        """Seconds of the processor that the runtime's process has used (proc(5), stat: utime and stime)."""
        assert self._process is not None
        ticks = 0
        for pid in children(self._process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

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

    def launch(self, place: Path) -> None:
        """Start the emulator that is in `place`, which starts the runtime at the first event."""
        function = self.function
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(place),
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.seconds),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONFAULTHANDLER": "1",
            **function.variables,
        }
        self.port, own = ports.choose(2, secrets.randbelow)
        command = [str(place / "aws-lambda-rie"), "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}"]
        command += ["--runtime-api-address", f"127.0.0.1:{own}"]
        command += [function.python, "-s", "-S", "-m", "awslambdaric", function.handler]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder / "task", env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self, event: Any, deadline: float) -> bool:
        """Whether the function answered; False as soon as there is no emulator that could, or the time is over."""
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            try:
                answer = self(event)
            except (OSError, http.client.HTTPException, EmulatorError):
                time.sleep(0.05)
                continue
            if self.is_answer(answer):
                return True
            if isinstance(answer, dict) and "stackTrace" in answer:
                raise FunctionError(json.dumps(answer))
            # Whoever else listens on the port now answers something else, and the emulator is about to end.
            time.sleep(0.05)
        return False


def _died_of_a_signal(answer: Any) -> bool:
    """Whether this is the emulator's word for a process that ended by a signal, which no function can say."""
    return (
        isinstance(answer, dict)
        and answer.get("errorType") == "Runtime.ExitError"
        and "signal:" in str(answer.get("errorMessage"))
    )
