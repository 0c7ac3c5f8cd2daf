"""`upload-gateway demo`: the whole product on this machine."""

import argparse
from pathlib import Path
from typing import Final

from gateway.cli.errors import CommandError

DEFAULT_PORT: Final = 8080
DEFAULT_DATA: Final = Path("demo-data")
MOST_WORKERS: Final = 64


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser("demo", help="run the whole product on this machine, with a real S3")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="where the gateway listens (default: 8080)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="where everything is kept (default: demo-data)")
    parser.add_argument("--limits", choices=["none", "aws"], default="none", help="hold the backends to AWS's limits")
    parser.add_argument("--strict-s3", action="store_true", help="refuse at S3 what AWS refuses and this S3 takes")
    parser.add_argument("--workers", type=_workers, default=1, metavar="N", help="processes that answer (default: 1)")
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="let pages of this origin call, beside the demo's own (https://app.example; may be repeated)",
    )
    parser.add_argument(
        "--published-edge",
        action="store_true",
        help="let the edge decide by signed documents, as in CloudFront, instead of by the gateway's own store",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until the process is told to stop; raises CommandError where it can't start."""
    from gateway.cors import Cors  # noqa: PLC0415
    from gateway.local import demo  # noqa: PLC0415
    from gateway.local.errors import DemoError  # noqa: PLC0415

    try:
        cors = Cors.of(options.origin)
    except ValueError as error:
        raise CommandError(str(error)) from error
    chosen = demo.DemoOptions(
        port=options.port,
        data=options.data,
        limits=options.limits,
        strict_s3=options.strict_s3,
        cors=cors,
        published_edge=options.published_edge,
        workers=options.workers,
    )
    try:
        return demo.run(chosen)
    except DemoError as error:
        raise CommandError(str(error)) from error


def _workers(text: str) -> int:
    """A number of processes, from 1 to 64."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise argparse.ArgumentTypeError(f"give a number from 1 to {MOST_WORKERS}")
    return int(text)
