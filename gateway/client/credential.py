"""Where a token comes from: a file, a command, the environment. Never the command line, which every user can list."""

import asyncio
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.client.errors import UsageError

VARIABLE: Final = "UPLOAD_GATEWAY_TOKEN"

_COMMAND_SECONDS: Final = 120
"""A command may ask a person to log in."""

TokenSource = Callable[[], str]
"""Gives the token there is now; blocks; raises UsageError."""


def token_source(*, file: Path | None, command: str | None, environment: Mapping[str, str]) -> TokenSource:
    """The source that was named, else the environment; raises UsageError where there is none, or two."""
    if file is not None and command is not None:
        raise UsageError("--token-file and --token-command contradict each other.")
    if file is not None:
        return lambda: _from_file(file)
    if command is not None:
        return lambda: _from_command(command)
    if environment.get(VARIABLE):
        token = _checked(environment[VARIABLE], VARIABLE)
        return lambda: token
    raise UsageError(f"Who are you? Name a token with --token-file, --token-command or the variable {VARIABLE}.")


def _from_file(file: Path) -> str:
    try:
        return _checked(file.read_text("utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The token can't be read from {file}: {getattr(error, 'strerror', None) or error}.") from None


def _from_command(command: str) -> str:
    try:
        words = shlex.split(command)
        done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
            words, stdout=subprocess.PIPE, text=True, check=True, timeout=_COMMAND_SECONDS
        )
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise UsageError(f"The token command failed: {_why(error)}.") from None
    return _checked(done.stdout, "the token command")


def _why(error: Exception) -> str:
    """What went wrong, without the command's output, which may hold a token."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took more than {_COMMAND_SECONDS} s"
    return getattr(error, "strerror", None) or str(error) or "it is empty"


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"There is no token in {where}: one line of visible characters is expected.")
    return token


class Credential:
    """The token in use; `renewed` asks its source again, once for all who found out together that it is over."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: str | None = None
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """The token; raises UsageError."""
        async with self._lock:
            if self._token is None:
                self._token = await asyncio.to_thread(self._source)
            return self._token

    async def renewed(self, refused: str) -> bool:
        """Whether there is another token than the one that was refused; raises UsageError."""
        async with self._lock:
            if self._token == refused:
                self._token = await asyncio.to_thread(self._source)
            return self._token != refused
