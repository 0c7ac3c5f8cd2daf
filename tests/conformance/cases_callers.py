"""Credentials, preconditions, and the order in which two faults at once are said."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from tests.conformance import checksums, samples
from tests.conformance.case import Case, Forced, Pairs, RefusedByS3, Stored, refused, typed
from tests.conformance.cases_content import CREATE, globex
from tests.conformance.credentials import (
    ACCEPTED,
    EXPIRED,
    INVALID,
    MISSING,
    SCOPE_MISSING,
    TENANT_UNKNOWN,
    TWO_AT_ONCE,
)

ROWS_OF: Final = {
    "alg-not": ("T03", "CVE-2026-48523 PyJWT 2.9-2.12.1"),
    "alg-pss": ("T03", "CVE-2026-48523 PyJWT 2.9-2.12.1"),
    "alg-none": ("T01", "T02", "CVE-2022-29217 PyJWT<2.4", "CVE-2024-48916 Ceph RGW"),
    "alg-": ("T01", "T02"),
    "hmac-": (
        "T02",
        "CVE-2022-29217 PyJWT<2.4",
        "CVE-2026-48526 PyJWT<2.13",
        "CVE-2026-33322 MinIO OIDC",
        "CVE-2024-33663/33664 python-jose",
    ),
    "audience": ("T08",),
    "other-audience": ("T08",),
    "no-audience": ("T08",),
    "issuer": ("T09", "CVE-2024-53861 PyJWT 2.10.0"),
    "other-issuer": ("T09", "ALBeast 2024 (CVE-2024-8901, -10125)"),
    "no-issuer": ("T09",),
    "no-expiry": ("T07",),
    "expir": ("T07",),
    "life": ("T07",),
    "issued": ("T07",),
    "not-before": ("T07",),
    "unknown-crit": ("T06", "CVE-2026-32597 PyJWT<2.12", "CVE-2025-59420, 2025-61920, 2026-27962 Authlib"),
    "empty-crit": ("T06",),
    "jku": ("T05",),
    "x5u": ("T05",),
    "foreign-key-embedded": ("T01", "T05", "CVE-2025-59420, 2025-61920, 2026-27962 Authlib"),
    "foreign": ("T01",),
    "five-parts": ("T20",),
    "longer": ("T20", "CVE-2026-48525 PyJWT 2.8-2.12.1"),
    "duplicate": ("T15",),
    "appended": ("T14",),
    "respelled": ("T14",),
    "json": ("T14",),
    "kid": ("T05", "T09"),
    "unknown-kid": ("T17",),
}


def _rows(label: str) -> tuple[str, ...]:
    return next((rows for start, rows in ROWS_OF.items() if label.startswith(start)), ("T01",))


def credential_cases() -> Iterator[Case]:
    """Every good, missing, expired and forged credential."""
    for label in ACCEPTED:
        yield Case(id=f"token-{label}", rows=_rows(label), credential=label, expect=Stored(name="{u}/a.txt"))
    for makers, code, rows in (
        (MISSING, "token-missing", ("T01",)),
        (EXPIRED, "token-expired", ("T07", "M06", "M14")),
        (INVALID, "token-invalid", ()),
        (TENANT_UNKNOWN, "tenant-unknown", ("T13", "S06", "M01")),
        (SCOPE_MISSING, "scope-missing", ("T11",)),
    ):
        for label in makers:
            yield Case(id=f"token-{label}", rows=rows or _rows(label), credential=label, expect=refused(code))
    for label in TWO_AT_ONCE:
        expect = refused("request-invalid", "token-invalid")
        yield Case(id=f"token-{label}", rows=("T13", "H01"), credential=label, expect=expect)
    yield from _api_keys()


def _api_keys() -> Iterator[Case]:
    """`x-api-key` is a credential of its own; a client would repeat it to S3 at a redirect."""
    key = ("x-api-key", "ugk_" + "A" * 43)
    repeated = Forced(
        row="redirect-repeats-api-key", expect=refused("token-invalid", "request-invalid", "header-not-allowed")
    )
    for label, credential in (("alone", "no-credential"), ("beside-a-token", "good")):
        yield Case(
            id=f"api-key-unknown-{label}",
            rows=("T13",),
            credential=credential,
            headers=typed("text/plain", key),
            expect=refused("token-invalid", "request-invalid"),
            forced=(repeated,),
        )


def precondition_cases() -> Iterator[Case]:
    """Create-only and overwriting; what S3 itself holds against a second upload."""
    taken = Forced(row="s3-answers-itself", expect=RefusedByS3(status=412, codes=("PreconditionFailed",)))
    before = b"what was there first\n"
    text = ("Content-Type", "text/plain")
    yield Case(id="overwrite-allowed", rows=("S11",), seed=before, expect=Stored(name="{u}/a.txt"))
    yield Case(
        id="create-only-asked-and-free",
        rows=("S11",),
        headers=(text, CREATE),
        expect=Stored(name="{u}/a.txt"),
    )
    yield Case(
        id="create-only-asked-and-taken",
        rows=("S11", "M07"),
        headers=(text, CREATE),
        seed=before,
        expect=refused("object-exists"),
        forced=(taken,),
    )
    yield Case(
        id="create-only-tenant-taken",
        rows=("S11", "M07"),
        tenant="globex",
        raw_name="{u}.png",
        headers=globex(samples.PNG),
        body=samples.PNG,
        seed=samples.png(1300),
        expect=refused("object-exists"),
        forced=(taken,),
    )
    yield Case(
        id="create-only-tenant-unasked-and-free",
        rows=("S11",),
        tenant="globex",
        raw_name="{u}.png",
        headers=typed("image/png", checksums.header("crc32", samples.PNG)),
        body=samples.PNG,
        expect=Stored(name="{u}.png"),
        forced=(Forced(row="redirect-adds-nothing", expect=refused("precondition-required")),),
    )
    yield Case(
        id="create-only-tenant-unasked-and-taken",
        rows=("S11", "M07"),
        tenant="globex",
        raw_name="{u}.png",
        headers=typed("image/png", checksums.header("crc32", samples.PNG)),
        body=samples.PNG,
        seed=samples.png(1300),
        expect=refused("object-exists"),
        forced=(Forced(row="redirect-adds-nothing", expect=refused("precondition-required")), taken),
    )
    for label, pair in (
        ("if-none-match-etag", ("If-None-Match", '"d41d8cd98f00b204e9800998ecf8427e"')),
        ("if-none-match-empty", ("If-None-Match", "")),
        ("if-none-match-two", ("If-None-Match", '*, "a"')),
        ("if-none-match-quoted-star", ("If-None-Match", '"*"')),
        ("if-match-star", ("If-Match", "*")),
        ("if-match-etag", ("If-Match", '"a"')),
    ):
        yield Case(
            id=f"precondition-{label}",
            rows=("S11",),
            headers=(text, pair),
            expect=refused("header-not-allowed"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with an otherwise good upload of globex: what it changes, and the problem it is.

    The stages are the contract's order of refusals; of two faults the one of the earlier stage must be said.
    """

    stage: str
    code: str
    method: str | None = None
    length: bool = True
    query: str = ""
    credential: str | None = None
    header: tuple[str, str] | None = None
    raw_name: str | None = None
    content_type: str | None = None
    body: bytes | None = None
    checksum: bool = True


FAULTS: Final = (
    Fault(stage="method", code="method-not-allowed", method="POST"),
    Fault(stage="length", code="length-required", length=False),
    Fault(stage="query", code="query-not-allowed", query="?acl"),
    Fault(stage="token-missing", code="token-missing", credential="no-credential"),
    Fault(stage="token-invalid", code="token-invalid", credential="foreign-key"),
    Fault(stage="token-expired", code="token-expired", credential="expired-long-ago"),
    Fault(stage="tenant", code="tenant-unknown", credential="tenant-nobody"),
    Fault(stage="scope", code="scope-missing", credential="scope-other"),
    Fault(stage="header", code="header-not-allowed", header=("x-amz-acl", "public-read")),
    Fault(stage="name-invalid", code="name-invalid", raw_name="../{u}.png"),
    Fault(stage="name-not-allowed", code="name-not-allowed", raw_name="{u}.exe.png"),
    Fault(stage="type", code="type-not-allowed", content_type="video/mp4"),
    Fault(stage="size", code="size-below-minimum", body=samples.png(100)),
    Fault(stage="checksum", code="checksum-required", checksum=False),
)
"""Faults in the order in which the contract has them said."""

EXCLUSIVE: Final = ("token", "tenant", "scope")
"""Stages whose faults need the one credential, so that no two of them go together."""


def _together(first: Fault, second: Fault) -> bool:
    if first.stage.startswith(EXCLUSIVE) and second.stage.startswith(EXCLUSIVE):
        return False
    return not (first.raw_name and second.raw_name)


def _faulty(*faults: Fault) -> Case:
    """A good upload of globex with `faults`, which are in order: the first is the one to be said."""
    body = next((fault.body for fault in faults if fault.body is not None), samples.PNG)
    content_type = next((fault.content_type for fault in faults if fault.content_type), "image/png")
    headers: Pairs = (
        *typed(content_type, CREATE),
        *(fault.header for fault in faults if fault.header),
        *((checksums.header("crc32", body),) if all(fault.checksum for fault in faults) else ()),
    )
    has_length = all(fault.length for fault in faults)
    return Case(
        id="order-" + "-before-".join(fault.stage for fault in faults),
        rows=("T23", "H12"),
        tenant="globex",
        method=next((fault.method for fault in faults if fault.method), "PUT"),
        query="".join(fault.query for fault in faults),
        credential=next((fault.credential for fault in faults if fault.credential), "good"),
        raw_name=next((fault.raw_name for fault in faults if fault.raw_name), "{u}.png"),
        headers=headers,
        body=body if has_length else b"",
        length="auto" if has_length else None,
        expect=refused(faults[0].code),
    )


def order_cases() -> Iterator[Case]:
    """All pairs of faults, and everything wrong at once from each stage on."""
    for fault in FAULTS:
        yield _faulty(fault)
    for first, second in combinations(FAULTS, 2):
        if _together(first, second):
            yield _faulty(first, second)
    last = [fault for fault in FAULTS if fault.stage in {"header", "name-invalid", "type", "size", "checksum"}]
    for first in FAULTS:
        if first.stage.startswith(EXCLUSIVE):
            yield _faulty(first, *last)
