"""The edge's documents: whether an edge function could believe what is published for it, and nobody else reads it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from gateway.doctor.findings import Finding, fail, ok, warn
from gateway.doctor.subject import Subject
from gateway.server.deployment import EdgeDocuments
from gateway.storage.kept import KeptConnections
from gateway.storage.sigv4 import encode_key
from gateway.storage.small import SmallObjects
from gateway.tenants.errors import StoreError
from gateway.tenants.published.contents import ROOT, tenant_name
from gateway.tenants.published.signing import Document, DocumentError, Ring, check_time, unseal
from gateway.tenants.published.source import TenantStates

MOST_TENANTS: Final = 100
"""Tenants whose documents are looked at."""

WITHIN: Final = 5.0
_MOST_SHOWN: Final = 5
_PUBLISH: Final = "See that `upload-gateway serve` runs with [edge], and what it says of the edge's documents."


async def published(subject: Subject, clock: Callable[[], float]) -> list[Finding]:
    """Everything about the documents; nothing where there is no edge."""
    place = subject.documents
    if place is None:
        return []
    try:
        async with subject.stores() as opened:
            folder = None if subject.folder is None else subject.folder()
            states = TenantStates(opened.stores.policies, opened.stores.keys, folder)
            return await asyncio.to_thread(lambda: examined(place, states, clock))
    except (StoreError, OSError) as error:
        return [fail("edge-documents", f"The edge's documents can't be compared with the store: {error}.", _PUBLISH)]


def examined(place: EdgeDocuments, states: TenantStates, clock: Callable[[], float]) -> list[Finding]:
    """The root, the public's rights, the tenants' documents against the store; may raise `StoreUnavailableError`."""
    objects = SmallObjects(endpoint=place.endpoint, signer=lambda: place.writer, clock=time.time)
    ring = Ring({**place.believed, place.pair.key_id: place.pair.public})

    def read(name: str) -> Document:
        found = objects.get(place.prefix + name, within=WITHIN)
        if found is None:
            raise DocumentError("it is not there")
        document = unseal(found.body, name, ring)
        check_time(document, clock())
        return document

    try:
        try:
            root = read(ROOT)
        except (OSError, DocumentError) as error:
            return [fail("edge-documents", f"An edge function would refuse everybody: of the root, {error}.", _PUBLISH)]
        return [_aged(root, place, clock()), _private(place), _tenants(states, read)]
    finally:
        objects.close()


def _aged(root: Document, place: EdgeDocuments, now: float) -> Finding:
    left = root.not_after - now
    if left < place.lifetime / 4:
        says = f"The edge's documents are good for {left:.0f} s more, and should have been replaced."
        return warn("edge-documents", says, _PUBLISH)
    return ok(
        "edge-documents", f"The edge's documents are signed by the settings' key, and good for {left:.0f} s more."
    )


def _private(place: EdgeDocuments) -> Finding:
    """Whether somebody without credentials is refused the root."""
    check, path = "edge-documents-private", encode_key(place.endpoint.path_for(place.prefix + ROOT))
    connections = KeptConnections(place.endpoint.origin)
    try:
        status = connections.exchange("GET", path, {"host": place.endpoint.host}, within=WITHIN).status
    except OSError as error:
        return warn(check, f"Whether anybody may read the edge's documents can't be told: {error}.", "Try again.")
    finally:
        connections.close()
    if status in {401, 403}:
        return ok(check, "Nobody reads the edge's documents without credentials.")
    says = f"S3 answered {status} to somebody without credentials who asked for the edge's documents."
    return fail(check, says, "Block public access to their bucket: they hold policies and hashes of API keys.")


def _tenants(states: TenantStates, read: Callable[[str], Document]) -> Finding:
    """Whether documents say what the store does."""
    check = "edge-documents-tenants"
    behind = list(islice(_behind(states, read), _MOST_SHOWN))
    if behind:
        return warn(check, f"The edge has another idea of {'; '.join(behind)}.", _PUBLISH)
    return ok(check, f"The edge's documents are as the store is (the first {MOST_TENANTS} tenants).")


def _behind(states: TenantStates, read: Callable[[str], Document]) -> Iterator[str]:
    for tenant, _ in islice(states.marks(), MOST_TENANTS):
        try:
            version = read(tenant_name(tenant)).content.get("policy_version")
        except (OSError, DocumentError) as error:
            yield f"{tenant}: {error}"
            continue
        if version != states.get(tenant).version:
            yield f"{tenant}: version {version} is published"
