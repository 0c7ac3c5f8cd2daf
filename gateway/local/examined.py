"""The demo as `upload-gateway doctor` examines it: from what its directory says, whether it runs or not."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.cors import Cors
from gateway.doctor.subject import PrivateFile, Subject
from gateway.local import wiring
from gateway.local.demo import DEMO_FILE, ORIGINS_FILE
from gateway.local.errors import DemoError
from gateway.local.files import read_object
from gateway.local.issuer import DevelopmentIssuer
from gateway.local.s3_identities import Identities
from gateway.server.deployment import Deployment
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from presigner.sealing import KEY_BYTES

_NEEDED: Final = (DEMO_FILE, ORIGINS_FILE, "s3-keys.json", "issuer.json", "sealing.key")
"""What a demo that was once ready has left in its directory."""


def demo_subject(data: Path) -> Subject:
    """The demo of this directory for `doctor`; raises DemoError where there is none."""
    place, listens = _place(data)
    return _subject(wiring.deployment(place, sweeps=False, draining=lambda: False), place, listens)


def demo_deployment(data: Path) -> Deployment:
    """The demo of this directory for commands that work on its stores and bucket; raises DemoError."""
    return wiring.deployment(_place(data)[0], sweeps=False, draining=lambda: False)


def _place(data: Path) -> tuple[wiring.Place, tuple[str, int]]:
    """Where the demo is, and the host and port that it listens on."""
    if missing := [name for name in _NEEDED if not (data / name).is_file()]:
        raise DemoError(f"There is no demo in {data} ({', '.join(missing)} missing): start one, or name its directory.")
    said, origins = _read(data / DEMO_FILE), _read(data / ORIGINS_FILE)
    identities = Identities.keep(data / "s3-keys.json", secrets.token_hex)
    url = urlsplit(str(said["url"]))
    place = wiring.Place(
        data=data,
        endpoint=Endpoint.at(said["s3_endpoint"], said["bucket"]),
        region=said["region"],
        identities=identities,
        issuer=DevelopmentIssuer.open(data),
        limits="none",
        cors=Cors.of(origins["origins"]),
    )
    return place, (url.hostname or "", url.port or 80)


def _subject(deployment: Deployment, place: wiring.Place, listens: tuple[str, int]) -> Subject:
    data = place.data
    return Subject.of(
        deployment,
        operator=Signer(place.identities.operator, place.region),
        private_files=(
            PrivateFile(path=data / "sealing.key", what="The key that seals upload ids", size=KEY_BYTES),
            PrivateFile(path=data / "s3-keys.json", what="The credentials of the three identities"),
            PrivateFile(path=data / "gateway.sqlite", what="The store"),
            *(PrivateFile(path=path, what="A signing key of the issuer") for path in sorted(data.glob("keys/*.pem"))),
        ),
        listens=listens,
        settings=(("origins", ", ".join(sorted(deployment.cors.origins))),),
    )


def _read(path: Path) -> Mapping[str, Any]:
    return read_object(path) or {}
