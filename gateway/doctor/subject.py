"""What is examined: a gateway's parts, none of which need work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.cors import NO_PAGES, Cors
from gateway.policy.model import IssuerRule
from gateway.server.deployment import Deployment, EdgeDocuments
from gateway.server.opened import OpenStoresFor
from gateway.server.tls import TlsFiles
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.tenants.folder import TenantFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateFile:
    """A file that nobody but its owner may read; `size` is its exact length in bytes, where there is one."""

    path: Path
    what: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A gateway, running or not.

    Without an `operator` the bucket's settings are not looked at. `listens` is the host and port it listens on or will.
    `settings` are the names of settings with their values, to be read back to whoever made them; no secrets.
    `documents` are those of the edge, where there is one.
    """

    endpoint: Endpoint
    signer: Signer
    completer: Signer
    operator: Signer | None
    stores: OpenStoresFor
    tenant_issuers: Sequence[IssuerRule]
    operator_issuers: Sequence[IssuerRule]
    folder: Callable[[], TenantFolder] | None = None
    allow_private_issuers: bool = False
    cors: Cors = NO_PAGES
    private_files: Sequence[PrivateFile] = ()
    tls: TlsFiles | None = None
    listens: tuple[str, int] | None = None
    settings: Sequence[tuple[str, str]] = ()
    documents: EdgeDocuments | None = None

    @classmethod
    def of(
        cls,
        deployment: Deployment,
        *,
        operator: Signer | None,
        private_files: Sequence[PrivateFile],
        listens: tuple[str, int] | None,
        tls: TlsFiles | None = None,
        settings: Sequence[tuple[str, str]] = (),
    ) -> Self:
        """A deployment as it is examined, with what is known of it beside what is deployed."""
        return cls(
            endpoint=deployment.endpoint,
            signer=deployment.signer,
            completer=deployment.completer,
            operator=operator,
            stores=deployment.stores,
            tenant_issuers=deployment.tenant_issuers,
            operator_issuers=deployment.operator_issuers,
            folder=deployment.folder,
            allow_private_issuers=deployment.allow_private_issuers,
            cors=deployment.cors,
            private_files=private_files,
            tls=tls,
            listens=listens,
            settings=settings,
            documents=deployment.documents,
        )
