"""`upload-gateway put FILE… URL`: files to S3 through a gateway, resumed by running the same command again."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.cli.errors import CommandError

if TYPE_CHECKING:
    from gateway.client.progress import Bars, Lines
    from gateway.client.session import Outcome, Settings
    from gateway.client.source import Stream
    from gateway.client.walk import Item

STORED: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
INCOMPLETE: Final = 3
FAILED: Final = 4
INTERRUPTED: Final = 130
TERMINATED: Final = 143

_EPILOG: Final = """\
URL is the gateway, and after /uploads/ the beginning of the names (with a slash at its end) or one file's whole name:
  upload-gateway put film.mp4 photos/ https://gw.example.com/
  upload-gateway put a.png b.png https://gw.example.com/uploads/holiday/
  upload-gateway put film.mp4 https://gw.example.com/uploads/2026/final.mp4
  pg_dump shop | upload-gateway put - https://gw.example.com/ --name shop.sql

exit status: 0 all is stored, 1 something was refused, 2 the command can't be meant, 3 not all is stored and the same
command goes on where it stopped, 4 a file can't be read or changed meanwhile, 130 interrupted, 143 terminated (both go
on like 3). Of several the first of 3, 1, 4 is told.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "put",
        help="send files to S3 through a gateway; run it again to go on",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, a directory, or - for standard input")
    parser.add_argument("url", metavar="URL", help="the gateway, or a place of names in it")
    add_token(parser)
    _add_wishes(parser)
    _add_manner(parser)
    parser.set_defaults(run=run)


def add_token(parser: argparse.ArgumentParser) -> None:
    """Add where the token comes from."""
    who = parser.add_argument_group("who", "a token is never an argument, which every user of a machine can list")
    who.add_argument("--token-file", type=Path, metavar="FILE", help="a file that holds the token")
    who.add_argument("--token-command", metavar="COMMAND", help="a command that prints it; asked again when it is over")
    who.add_argument("--insecure", action="store_true", help="send the token over plain HTTP to another machine")


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    wishes = parser.add_argument_group("what is stored")
    wishes.add_argument("--name", help="the name of the one file, after what the URL says (needed for a stream)")
    wishes.add_argument("--type", metavar="TYPE", help="the media type of all files (default: by each one's extension)")
    wishes.add_argument("--metadata", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    over = wishes.add_mutually_exclusive_group()
    over.add_argument("--overwrite", action="store_true", default=None, help="demand to overwrite what is there")
    over.add_argument("--create-only", action="store_false", dest="overwrite", help="never overwrite what is there")


def _add_manner(parser: argparse.ArgumentParser) -> None:
    manner = parser.add_argument_group("how")
    manner.add_argument("--parallel", type=_count, default=4, metavar="N", help="transfers at a time (default: 4)")
    manner.add_argument(
        "--parts-from", type=size_in_bytes, default=104_857_600, metavar="SIZE", help="sent in parts (default: 100MiB)"
    )
    manner.add_argument("--part-size", type=size_in_bytes, metavar="SIZE", help="of files in parts, such as 16MiB")
    manner.add_argument(
        "--part-checksums",
        action="store_true",
        help="have S3 verify each part as it arrives, not the whole at the end alone; reads every part twice",
    )
    manner.add_argument("--anew", action="store_true", help="do not go on with what was begun before")
    manner.add_argument(
        "--patience", type=_count, default=300, metavar="SECONDS", help="how long a call is tried again (default: 300)"
    )
    manner.add_argument(
        "--spool-limit",
        type=size_in_bytes,
        default=10 * 2**30,
        metavar="SIZE",
        help="the most of a stream (default: 10GiB)",
    )
    shown = manner.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="say nothing but what failed")
    shown.add_argument("--json", action="store_true", help="print a JSON object a file")


def run(options: argparse.Namespace) -> int:
    """Send the files; raises CommandError with status 2 for what can't be meant."""
    import asyncio  # noqa: PLC0415

    from gateway.client.errors import UsageError  # noqa: PLC0415

    try:
        return _run(options)
    except UsageError as error:
        raise CommandError(str(error), status=USAGE) from None
    except KeyboardInterrupt:
        return _stopped(INTERRUPTED)
    except asyncio.CancelledError:
        return _stopped(TERMINATED)


def _run(options: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415

    from gateway.client import session  # noqa: PLC0415
    from gateway.client.address import target  # noqa: PLC0415
    from gateway.client.credential import token_source  # noqa: PLC0415
    from gateway.client.walk import found  # noqa: PLC0415

    place = target(options.url, insecure=options.insecure)
    files = found(options.files, place, name=options.name)
    source = token_source(file=options.token_file, command=options.token_command, environment=os.environ)
    settings = _settings(options, place.gateway)
    with _reporter(options, files.items) as reporter, _stdin() as stdin:
        for each in files.skipped:
            reporter.told(f"Left out: {each}")
        outcomes = asyncio.run(_until_terminated(session.run(files.items, settings, source, reporter, stdin)))
    return _status(outcomes)


def _stdin() -> "AbstractContextManager[Stream]":
    """Standard input without a buffer; an empty one where a program was started without it."""
    try:
        return open(0, "rb", buffering=0, closefd=False)
    except OSError:
        return io.BytesIO()


async def _until_terminated(
    sending: "Coroutine[object, object, tuple[Outcome, ...]]",
) -> "tuple[Outcome, ...]":
    """SIGTERM ends it as Ctrl-C does: what was sent is kept."""
    import asyncio  # noqa: PLC0415

    task = asyncio.ensure_future(sending)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _stopped(status: int) -> int:
    print("Stopped. What was sent is kept: run the same command again to go on.", file=sys.stderr)
    return status


def _settings(options: argparse.Namespace, gateway: str) -> "Settings":
    from gateway.client.journal import state_folder  # noqa: PLC0415
    from gateway.client.session import Settings  # noqa: PLC0415
    from gateway.client.upload import Wishes  # noqa: PLC0415

    wishes = Wishes(
        content_type=options.type,
        metadata=dict(map(_pair, options.metadata)),
        overwrite=options.overwrite,
        part_size=options.part_size,
        parts_from=options.parts_from,
        anew=options.anew,
    )
    return Settings(
        gateway=gateway,
        state=state_folder(os.environ),
        wishes=wishes,
        parallel=options.parallel,
        patience=options.patience,
        part_checksums=options.part_checksums,
        spool_limit=options.spool_limit,
        insecure=options.insecure,
    )


def _reporter(options: argparse.Namespace, items: "Sequence[Item]") -> "AbstractContextManager[Bars | Lines]":
    """Bars for a person at a terminal, else lines."""
    from gateway.client.progress import Bars, JsonLines, Lines  # noqa: PLC0415

    if options.json:
        return nullcontext(JsonLines(quiet=options.quiet))
    if options.quiet or not sys.stderr.isatty():
        return nullcontext(Lines(quiet=options.quiet))
    total = sum(item.path.stat().st_size for item in items if item.path is not None and item.path.is_file())
    return Bars(total=total, files=len(items))


def _status(outcomes: "Sequence[Outcome]") -> int:
    states = {str(outcome.state) for outcome in outcomes}
    by_state = {"incomplete": INCOMPLETE, "refused": REFUSED, "failed": FAILED}
    return next((status for state, status in by_state.items() if state in states), STORED)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise CommandError(f"--metadata is KEY=VALUE, not {text!r}.", status=USAGE)
    return key.lower(), value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError("a whole number from 1")
    return int(text)


_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BINARY: Final = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


def size_in_bytes(text: str) -> int:
    """A size such as 16777216, 16MiB or 10GB; raises argparse's error for what is none."""
    digits = text.rstrip("KMGTibBkmgt")
    unit = {**_UNITS, **_BINARY}.get(text[len(digits) :].lower())
    if unit is None or not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise argparse.ArgumentTypeError("bytes, such as 16777216, 16MiB or 10GB")
    return int(digits) * unit
