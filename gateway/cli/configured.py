"""What commands share that are told the gateway's settings: the option, and reading them."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.errors import CommandError

if TYPE_CHECKING:
    from gateway.settings import Settings


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config FILE`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the settings (TOML); UPLOAD_GATEWAY_… variables win over it"
    )


def settings_of(options: argparse.Namespace) -> "Settings":
    """The settings of `--config` and the environment; raises CommandError with the sentence that says what is wrong."""
    from gateway.settings import SettingsError, read  # noqa: PLC0415

    try:
        return read(options.config, os.environ)
    except SettingsError as error:
        raise CommandError(str(error)) from error
