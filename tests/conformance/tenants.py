"""The tenants that the suite brings along, as documents of the contract's section 3, each for one thing it says.

`acme` and `globex` are every deployment's; these are put in force where a deployment takes more.
"""

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any, Final

from tests.conformance.deployment import BACKENDS
from tests.conformance.issuers import AUDIENCE, CLIENT, TenantIssuers

Document = dict[str, Any]

PREFERENCE: Final = ("edge", "presigned", "proxy")
"""The default preference, and that of the contract's two tenants."""

ORDERS: Final[Mapping[str, tuple[str, ...]]] = {
    f"via-{'-'.join(order)}": order for length in (1, 2, 3) for order in permutations(BACKENDS, length)
}
"""Tenant to its preference: every order of every set of backends."""

ONCE: Final[Mapping[str, tuple[str, ...]]] = {
    "once-presigned": ("presigned",),
    "once-presigned-proxy": ("presigned", "proxy"),
    "once-presigned-edge-proxy": ("presigned", "edge", "proxy"),
}
"""The same, for tenants that never overwrite."""

PATTERN: Final = r"[0-9a-f]{8}/(report|invoice)-\d{4}\.(txt|csv)"
METADATA_LIMIT: Final = 32
SMALLEST: Final = 10
LARGEST: Final = 20
DEPTH: Final = 3


def _document(tenant: str, **members: Any) -> Document:
    """A tenant that takes anything and overwrites, but for `members`."""
    return {"version": 1, "tenant": tenant, "types": {"*/*": []}, "overwrite": True, **members}


def _plain() -> Iterator[Document]:
    """Those that need nothing but themselves."""
    for family, overwrite in ((ORDERS, True), (ONCE, False)):
        for tenant, order in family.items():
            yield _document(tenant, backends=list(order), overwrite=overwrite, metadata={"keys": ["*"]})
    yield _document("held", status="suspended")
    yield _document("scoped", scopes=["uploads:create", "files:put"])
    yield _document("dated", key="{tenant}/{year}/{month}/{day}/{name}")
    yield _document("minted", key="{tenant}/{uuid}/{name}")
    yield _document("numbered", key="{tenant}/{uuid}")
    yield _document("personal", key="{tenant}/{subject}/in/{name}")
    yield _document("sized", size={"min": SMALLEST, "max": LARGEST})
    yield _document("summed", checksum="required")
    yield _document("shallow", names={"max_depth": DEPTH, "deny_extensions": [".zip", ".PS1"]})
    yield _document("patterned", names={"pattern": PATTERN})
    yield _document("labelled", metadata={"keys": ["author", "title"], "max_bytes": METADATA_LIMIT})
    yield _document("headed", object_headers=["content-disposition", "content-encoding", "content-language", "expires"])
    yield _document("disposed", object_headers=["content-disposition"])
    yield _document("brief", url_lifetime=60)
    yield _document("lasting", url_lifetime=3600)
    yield _document("narrowed", types={"image/*": [], "image/png": [".png"], "*/*": [".bin"]})
    yield _document("widened", types={"text/*": [".txt"], "text/csv": [], "application/json": [".json"]})


def _with_issuers(issuers: TenantIssuers) -> Iterator[Document]:
    """Those that believe an issuer of their own."""
    bound = {"issuer": issuers.url("bound"), "jwks_uri": issuers.jwks_uri("bound"), "audience": [AUDIENCE]}
    pooled = {"issuer": issuers.url("pooled"), "jwks_uri": issuers.jwks_uri("pooled"), "audience": [AUDIENCE]}
    pool = {"issuer": issuers.url("pool"), "jwks_uri": issuers.jwks_uri("pool"), "kind": "cognito"}
    yield _document("bound", issuers=[bound])
    yield _document("umbra-a", issuers=[{**pooled, "tenant_claim": "org"}])
    yield _document("umbra-b", issuers=[{**pooled, "tenant_claim": "org"}])
    yield _document("pool", issuers=[{**pool, "client_ids": [CLIENT]}])


def documents(issuers: TenantIssuers) -> tuple[Document, ...]:
    """All of them, with the addresses of their issuers."""
    return (*_plain(), *_with_issuers(issuers))


def preference(tenant: str) -> tuple[str, ...]:
    """The backends that the tenant may use, preferred first."""
    return {**ORDERS, **ONCE}.get(tenant, PREFERENCE)
