"""A child process that never outlives us: started in its own session, ended in order, killed when we die.

Its own session keeps the terminal's Ctrl-C from it, so that the parent decides in which order things stop.
"""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.local.errors import DemoError
from gateway.local.files import explain
from gateway.server.lifeline import tied

_TAIL_BYTES: Final = 16_384


class Child:
    """One process, its log (truncated at every start) and its end.

    On Linux the kernel kills it as soon as the *thread* that started it ends (`lifeline`): start it
    from the main thread or from one that lives as long. Elsewhere only `stop` ends it.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path) -> None:
        try:
            with log.open("wb") as output:
                log.chmod(0o600)
                self._process = subprocess.Popen(  # noqa: S603 - a fixed program with our own arguments
                    command,
                    env=dict(environment),
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    umask=0o077,
                    preexec_fn=tied(signal.SIGKILL),  # noqa: PLW1509 - it only makes two system calls
                )
        except OSError as error:
            raise explain(log.parent, error) from error
        self._log = log

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def stop(self, grace: float) -> None:
        """Ask it to end (SIGTERM), wait `grace` seconds, then end it (SIGKILL); harmless when it has ended."""
        if not self.alive:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_lines(self) -> list[str]:
        """The last lines of its log, without the empty ones and without goroutine dumps."""
        try:
            text = self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return []
        lines = [line.strip() for line in text.partition("\ngoroutine ")[0].splitlines()]
        return [line for line in lines if line]

    def death(self, name: str) -> DemoError:
        """The sentence for a child that ended by itself: its last words, or that the disk is full."""
        lines = self.log_lines()
        if any("no space left on device" in line or "disk quota exceeded" in line for line in lines):
            return DemoError(f"The disk of {self._log.parent} is full: {name} could not start.")
        last = lines[-1] if lines else "it said nothing"
        return DemoError(f"{name} ended with status {self._process.poll()}: {last} (see {self._log}).")
