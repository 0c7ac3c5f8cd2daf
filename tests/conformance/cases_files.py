"""Backends that a tenant may use, and `/files`, which takes the first of them that can carry a request."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.conformance import checksums, samples
from tests.conformance.case import Case, Forced, Pairs, Stored, refused
from tests.conformance.cases_content import REDIRECT_DIGEST
from tests.conformance.differences import API_GATEWAY_BODY
from tests.conformance.tenants import ONCE, ORDERS

TEXT: Final = ("Content-Type", "text/plain")
CREATE: Final = ("If-None-Match", "*")
DIGEST: Final = checksums.digest_field(samples.TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A request that some backends can't carry; what they can't is said in `differences.py`, not here."""

    label: str
    raw_name: str = "{u}/a.txt"
    name: str = "{u}/a.txt"
    headers: Pairs = ()
    metadata: Pairs = ()


LOADS: Final = (
    Load(label="plain"),
    Load(label="a-digest", headers=(DIGEST,)),
    Load(label="a-name-with-a-space", raw_name="{u}/a%20b.txt", name="{u}/a b.txt"),
    Load(label="metadata", headers=(("x-amz-meta-author", "Ann"),), metadata=(("author", "Ann"),)),
    Load(label="listed-metadata", headers=(("x-amz-meta-title", "T"),), metadata=(("title", "T"),)),
    Load(label="a-digest-and-a-space", raw_name="{u}/a%20b.txt", name="{u}/a b.txt", headers=(DIGEST,)),
    Load(label="a-digest-and-metadata", headers=(DIGEST, ("x-amz-meta-author", "A")), metadata=(("author", "A"),)),
)
"""Everything can carry the first; under AWS's limits nothing can carry the last."""


def files_cases() -> Iterator[Case]:
    """Every order of every set of backends against every load; sizes; create-only."""
    for tenant in ORDERS:
        for load in LOADS:
            yield Case(
                id=f"files-{tenant}-{load.label}",
                rows=("H12",),
                tenant=tenant,
                raw_name=load.raw_name,
                headers=(TEXT, *load.headers),
                expect=Stored(name=load.name, metadata=load.metadata),
                forced=(REDIRECT_DIGEST,) if DIGEST in load.headers else (),
            )
    required = Forced(row="redirect-adds-nothing", expect=refused("precondition-required"))
    for tenant in ONCE:
        stored = Stored(name="{u}/a.txt")
        yield Case(id=f"files-{tenant}-unasked", rows=("S11",), tenant=tenant, expect=stored, forced=(required,))
        yield Case(id=f"files-{tenant}-asked", rows=("S11",), tenant=tenant, headers=(TEXT, CREATE), expect=stored)
    yield from _sizes()


def _sizes() -> Iterator[Case]:
    """Around API Gateway's limit, through tenants that prefer the proxy; and what no backend can carry."""
    for tenant, sizes in (
        ("via-proxy-edge", (API_GATEWAY_BODY - 1, API_GATEWAY_BODY, API_GATEWAY_BODY + 1)),
        ("via-proxy-presigned", (API_GATEWAY_BODY + 1,)),
        ("via-proxy", (API_GATEWAY_BODY + 1,)),
    ):
        for size in sizes:
            yield Case(
                id=f"files-{tenant}-{size}-bytes",
                rows=("F08", "H06"),
                tenant=tenant,
                headers=(("Content-Type", "application/octet-stream"),),
                body=bytes(size),
                backends=("files",),
                expect=Stored(name="{u}/a.txt"),
            )
    for tenant in ("via-edge", "via-proxy", "via-presigned-edge-proxy", "via-proxy-presigned-edge"):
        yield Case(
            id=f"files-{tenant}-more-than-a-put",
            rows=("F08", "H06"),
            tenant=tenant,
            length="5368709121",
            head_only=True,
            expect=refused("size-exceeds-limit", advice="/uploads"),
        )
