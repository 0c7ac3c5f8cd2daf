"""`upload-gateway doctor`: looks at everything a gateway needs and says what is wrong and what to do about it."""

import argparse
from pathlib import Path

from gateway.cli.demo import DEFAULT_DATA
from gateway.cli.errors import CommandError

UNABLE = 2
"""The exit status where nothing could be examined, as where something failed."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser("doctor", help="look at everything a gateway needs, and say what is wrong")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the demo's directory (default: demo-data)")
    parser.add_argument("--fix", action="store_true", help="write the bucket's CORS rules, and its rule for lost parts")
    parser.add_argument("--json", action="store_true", help="say it for a program")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings; 0: all is well, 1: a warning, 2: a failure."""
    import asyncio  # noqa: PLC0415 - imported here so that the command line starts without the server's libraries

    from gateway.doctor import examine  # noqa: PLC0415
    from gateway.doctor.findings import as_json, as_text, exit_status  # noqa: PLC0415
    from gateway.local.errors import DemoError  # noqa: PLC0415
    from gateway.local.examined import demo_subject  # noqa: PLC0415

    try:
        subject = demo_subject(options.data)
    except DemoError as error:
        raise CommandError(str(error), status=UNABLE) from error
    findings = asyncio.run(examine(subject, fix=options.fix))
    print(as_json(findings) if options.json else as_text(findings))
    return exit_status(findings)
