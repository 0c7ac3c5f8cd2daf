"""`upload-gateway serve`: the gateway in production, as its settings say."""

import argparse
import os

from gateway.cli.configured import add_config, settings_of
from gateway.cli.errors import CommandError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser("serve", help="run the gateway as a service, by its settings")
    add_config(parser)
    parser.add_argument("--check", action="store_true", help="say whether the settings can be used, and end")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until the process is told to stop; raises CommandError where it can't start."""
    settings = settings_of(options)

    from gateway import serve  # noqa: PLC0415 - the server's libraries, once the settings are right

    try:
        if options.check:
            serve.examine(settings)
            print("The settings can be used.")
            return 0
        return serve.run(settings, notify=os.environ.get("NOTIFY_SOCKET"))
    except serve.ServeError as error:
        raise CommandError(str(error)) from error
