"""`upload-gateway reconcile`: the ledger made to say what S3 holds, also while the gateway runs."""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.demo import DEFAULT_DATA
from gateway.cli.errors import CommandError

if TYPE_CHECKING:
    from gateway.server.comparing import TenantReconciled
    from gateway.server.deployment import Deployment

UNABLE = 2
"""The exit status where S3 or the store does not answer."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser("reconcile", help="compare what is counted with what S3 holds, and repair it")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--config", type=Path, metavar="FILE", help="the settings that the gateway serves by")
    where.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the demo's directory (default: demo-data)")
    parser.add_argument("--tenant", action="append", help="this tenant (repeatable; default: all)")
    parser.add_argument("--dry-run", action="store_true", help="say what differs, and change nothing")
    parser.add_argument("--json", action="store_true", help="say it for a program, a tenant a line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what was found; 0: all was as counted, 1: something differed, 2: it can't be said."""
    import asyncio  # noqa: PLC0415 - imported here so that the command line starts without the server's libraries

    from gateway.tenants.errors import StoreError  # noqa: PLC0415

    deployment = _demo(options.data) if options.config is None else _served(options.config)
    try:
        found = asyncio.run(_found(deployment, options))
    except (OSError, StoreError) as error:
        raise CommandError(f"The comparison can't be made: {error}.", status=UNABLE) from error
    return 1 if any(each.ledger.differences or each.orphans for each in found) else 0


def _demo(data: Path) -> "Deployment":
    from gateway.local.errors import DemoError  # noqa: PLC0415
    from gateway.local.examined import demo_deployment  # noqa: PLC0415

    try:
        return demo_deployment(data)
    except DemoError as error:
        raise CommandError(str(error), status=UNABLE) from error


def _served(config: Path) -> "Deployment":
    from gateway.serve import deployment  # noqa: PLC0415
    from gateway.settings import SettingsError, read  # noqa: PLC0415
    from gateway.storage.provider import CredentialsError  # noqa: PLC0415

    try:
        return deployment(read(config, os.environ), sweeps=False)
    except (SettingsError, CredentialsError) as error:
        raise CommandError(str(error), status=UNABLE) from error


async def _found(deployment: "Deployment", options: argparse.Namespace) -> "list[TenantReconciled]":
    from gateway.server.comparing import summary  # noqa: PLC0415
    from gateway.server.reconciling import reconciling_of  # noqa: PLC0415

    found = []
    async with reconciling_of(deployment, dry_run=options.dry_run) as reconciling:
        for tenant in options.tenant or await reconciling.tenants():
            each = await reconciling.tenant(tenant)
            found.append(each)
            print(json.dumps(asdict(each)) if options.json else f"{tenant}: {summary(each)}", flush=True)
    return found
