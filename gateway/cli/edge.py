"""`upload-gateway edge-settings`: what the edge function's package must be told, from the gateway's own settings."""

import argparse
import json

from gateway.cli.configured import add_config, settings_of
from gateway.cli.errors import CommandError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = commands.add_parser("edge-settings", help="print what `make edge-package` builds into the edge function")
    add_config(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print them as JSON: public keys, where documents are, what the distribution carries; nothing secret."""
    settings = settings_of(options)

    from gateway import serve  # noqa: PLC0415 - the server's libraries, once the settings are right
    from gateway.cors import Cors  # noqa: PLC0415
    from gateway.local.edge import edge_settings  # noqa: PLC0415
    from gateway.server.carriages import Limits  # noqa: PLC0415
    from gateway.storage.provider import CredentialsError  # noqa: PLC0415

    try:
        documents = serve.documents(settings, {})
    except CredentialsError as error:
        raise CommandError(str(error)) from error
    if documents is None or settings.edge is None:
        raise CommandError("The settings have no [edge]: say there where its documents are and who signs them.")
    told = edge_settings(documents, region=settings.edge.region, limits=Limits.AWS, cors=Cors.of(settings.cors.origins))
    tokens = settings.tokens
    print(json.dumps({**told, "leeway": tokens.leeway, "max_token_lifetime": tokens.max_lifetime}, indent=2))
    return 0
