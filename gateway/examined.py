"""A deployment of `upload-gateway serve` as `upload-gateway doctor` examines it: from its settings, running or not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway import serve
from gateway.doctor.subject import PrivateFile, Subject
from gateway.server.tls import TlsFiles
from gateway.settings import Settings
from gateway.settings.model import SqliteStore

_ALL_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def settings_subject(settings: Settings, config: Path) -> Subject:
    """What these settings describe; raises OSError where an identity has no credentials."""
    made = serve.deployment(settings, sweeps=False)
    listen, tls = settings.listen, settings.tls
    place = (_ALL_ADDRESSES.get(listen.host, listen.host), listen.port)
    return Subject.of(
        made,
        operator=made.operator,
        private_files=tuple(_private(settings, config)),
        tls=None if tls is None else TlsFiles(certificate=tls.certificate, key=tls.key),
        listens=place if listen.unix is None and listen.port else None,
        settings=tuple(_said("", settings.model_dump(mode="json", exclude_unset=True))),
    )


def _private(settings: Settings, config: Path) -> Iterator[PrivateFile]:
    yield PrivateFile(path=config, what="The settings")
    if isinstance(settings.store, SqliteStore) and settings.store.path.exists():
        yield PrivateFile(path=settings.store.path, what="The store")
    if settings.tls is not None:
        yield PrivateFile(path=settings.tls.key, what="The key of the certificate")


def _said(above: str, members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every setting that was made, by its whole name; secrets are stars already."""
    for name, value in members.items():
        if isinstance(value, Mapping):
            yield from _said(f"{above}{name}.", value)
        else:
            yield f"{above}{name}", str(value)
