"""The command line: `upload-gateway COMMAND …`. One module a command; what a command runs is imported when it runs."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final, Protocol

from gateway.cli import audit, demo, doctor, edge, put, reconcile, serve, tenant, token
from gateway.cli.errors import CommandError


class Command(Protocol):
    """A command's module."""

    def add(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        """Add the command's own parser, which sets `run` as its default."""
        ...


COMMANDS: Final[Sequence[Command]] = (audit, demo, doctor, edge, put, reconcile, serve, tenant, token)


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    root = argparse.ArgumentParser(prog="upload-gateway", description="Uploads to S3 for people you do not trust.")
    commands = root.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; the exit status is returned."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except CommandError as error:
        print(f"upload-gateway: {error}", file=sys.stderr)
        return error.status
    return status
