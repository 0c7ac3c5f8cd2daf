"""`upload-gateway doctor`: looks at everything a gateway needs and says what is wrong and what to do about it."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.demo import DEFAULT_DATA
from gateway.cli.errors import CommandError

if TYPE_CHECKING:
    from gateway.doctor.subject import Subject

UNABLE = 2
"""The exit status where nothing could be examined, as where something failed."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser("doctor", help="look at everything a gateway needs, and say what is wrong")
    of = parser.add_mutually_exclusive_group()
    of.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the demo's directory (default: demo-data)")
    of.add_argument("--config", type=Path, metavar="FILE", help="the settings of `serve`, the environment over them")
    parser.add_argument("--fix", action="store_true", help="write the bucket's CORS rules, and its rule for lost parts")
    parser.add_argument("--json", action="store_true", help="say it for a program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings; 0: all is well, 1: a warning, 2: a failure."""
    import asyncio  # noqa: PLC0415 - imported here so that the command line starts without the server's libraries

    from gateway.doctor import examine  # noqa: PLC0415
    from gateway.doctor.findings import as_json, as_text, exit_status  # noqa: PLC0415

    subject = _demo(options.data) if options.config is None else _settings(options.config)
    findings = asyncio.run(examine(subject, fix=options.fix))
    print(as_json(findings) if options.json else as_text(findings))
    return exit_status(findings)


def _demo(data: Path) -> "Subject":
    from gateway.local.errors import DemoError  # noqa: PLC0415
    from gateway.local.examined import demo_subject  # noqa: PLC0415

    try:
        return demo_subject(data)
    except DemoError as error:
        raise CommandError(str(error), status=UNABLE) from error


def _settings(config: Path) -> "Subject":
    from gateway.examined import settings_subject  # noqa: PLC0415
    from gateway.settings import SettingsError, read  # noqa: PLC0415

    try:
        return settings_subject(read(config, os.environ), config)
    except SettingsError as error:
        raise CommandError(str(error), status=UNABLE) from error
    except OSError as error:
        raise CommandError(f"An identity has no credentials: {error}.", status=UNABLE) from error
