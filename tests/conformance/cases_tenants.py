"""What a tenant's document says, member by member: the tenants of `tenants.py`, each held to its one peculiarity."""

from collections.abc import Iterator
from typing import Final

from tests.conformance import checksums, samples
from tests.conformance.case import Case, Forced, Pairs, Stored, refused, typed
from tests.conformance.cases_content import ALGORITHMS, REDIRECT_DIGEST
from tests.conformance.tenants import DEPTH, LARGEST, METADATA_LIMIT, SMALLEST

TEXT: Final = ("Content-Type", "text/plain")
KEPT: Final = Stored(name="{u}/a.txt")


def _status_and_scope() -> Iterator[Case]:
    """Suspended; one of several scopes; scopes of its own instead of the usual one."""
    for label, credential, code in (
        ("suspended", "good", "tenant-suspended"),
        ("suspended-before-scope", "scope-other", "tenant-suspended"),
        ("suspended-after-token", "expired-long-ago", "token-expired"),
    ):
        yield Case(id=f"tenant-{label}", rows=("T22",), tenant="held", credential=credential, expect=refused(code))
    yield Case(
        id="tenant-suspended-before-name",
        rows=("T22",),
        tenant="held",
        raw_name="../{u}",
        expect=refused("tenant-suspended"),
    )
    for credential, expect in (
        ("scope-of-its-own", KEPT),
        ("scope-of-its-own-second", KEPT),
        ("good", refused("scope-missing")),
    ):
        yield Case(id=f"scopes-own-{credential}", rows=("T11",), tenant="scoped", credential=credential, expect=expect)


def _keys() -> Iterator[Case]:
    """Templates: a date, an id, the subject."""
    yield Case(
        id="key-with-a-date",
        rows=("F04",),
        tenant="dated",
        expect=Stored(name="{u}/a.txt", key="dated/{date}/{u}/a.txt"),
    )
    yield Case(
        id="key-with-an-id",
        rows=("F04",),
        tenant="minted",
        expect=Stored(name="{u}/a.txt", key="minted/{uuid}/{u}/a.txt"),
    )
    for label, subject in (
        ("plain", "conformance"),
        ("odd", "auth0|a b+c@x.example"),
        ("emoji", "\U0001f600"),
        ("looks-like-a-template", "{name}"),
    ):
        yield Case(
            id=f"key-with-a-subject-{label}",
            rows=("F04", "T12"),
            tenant="personal",
            credential=f"subject-{label}",
            expect=Stored(name="{u}/a.txt", key=f"personal/{subject}/in/{{u}}/a.txt"),
            forced=() if label == "plain" else (Forced(row="api-gateway-names", expect=refused("name-not-allowed")),),
        )
    for label in BAD_SUBJECTS:
        yield Case(
            id=f"key-with-a-bad-subject-{label}",
            rows=("S05", "S06", "M01"),
            tenant="personal",
            credential=f"subject-{label}",
            expect=refused("name-invalid"),
        )
        yield Case(
            id=f"key-without-the-bad-subject-{label}",
            rows=("S05",),
            credential=f"subject-{label}",
            expect=KEPT,
        )


BAD_SUBJECTS: Final = ("with-a-slash", "parent", "dot", "empty", "absent", "backslash", "control", "variable", "long")


def _names() -> Iterator[Case]:
    """Depth, extensions and pattern of a tenant's own."""
    for off in (-1, 0, 1):
        name = "/".join(["{u}", *["d"] * (DEPTH - 1 + off)])
        expect = Stored(name=name) if off <= 0 else refused("name-not-allowed")
        yield Case(id=f"names-own-depth-{DEPTH + off}", rows=("S05",), tenant="shallow", raw_name=name, expect=expect)
    for name, expect in (
        ("{u}.exe", Stored(name="{u}.exe")),
        ("{u}.html", Stored(name="{u}.html")),
        ("{u}.zip", refused("name-not-allowed")),
        ("{u}.ZIP", refused("name-not-allowed")),
        ("{u}.ps1", refused("name-not-allowed")),
        ("{u}.zip.txt", refused("name-not-allowed")),
        ("{u}.zipped", Stored(name="{u}.zipped")),
        ("{u}.zip/a.txt", Stored(name="{u}.zip/a.txt")),
        ("{u}/zip", Stored(name="{u}/zip")),
    ):
        yield Case(
            id=f"names-own-extensions-{name.replace('{u}', '')}",
            rows=("F01", "F07"),
            tenant="shallow",
            raw_name=name,
            expect=expect,
        )
    for label, name, allowed in (
        ("matched", "{u}/report-2026.txt", True),
        ("matched-otherwise", "{u}/invoice-0001.csv", True),
        ("encoded", "{u}/report%2D2026%2Etxt", True),
        ("in-part", "{u}/report-2026.txt.bak", False),
        ("before", "x{u}/report-2026.txt", False),
        ("upper-case", "{u}/Report-2026.txt", False),
        ("other-digits", "{u}/report-%D9%A2%D9%A0%D9%A2%D9%A6.txt", True),
        ("any-character-for-a-dot", "{u}/report-2026_txt", False),
        ("deeper", "{u}/report-2026.txt/a", False),
    ):
        plain = (
            name.replace("%2D", "-").replace("%2E", ".").replace("%D9%A2%D9%A0%D9%A2%D9%A6", "\u0662\u0660\u0662\u0666")
        )
        yield Case(
            id=f"names-pattern-{label}",
            rows=("H07", "F01"),
            tenant="patterned",
            raw_name=name,
            expect=Stored(name=plain) if allowed else refused("name-not-allowed"),
        )
    yield Case(
        id="names-pattern-never-reached",
        rows=("H07",),
        tenant="patterned",
        raw_name="{u}/" + "a" * 250 + "/" + "b" * 250,
        expect=refused("name-not-allowed"),
    )


def _types() -> Iterator[Case]:
    """An exact type beats a wildcard, whether it is the narrower or the wider of the two."""
    for tenant, content_type, name, code in (
        ("narrowed", "image/jpeg", "{u}.anything", None),
        ("narrowed", "image/jpeg", "{u}", None),
        ("narrowed", "image/png", "{u}.png", None),
        ("narrowed", "image/png", "{u}.jpeg", "type-mismatch"),
        ("narrowed", "IMAGE/PNG;q=1", "{u}", "type-mismatch"),
        ("narrowed", "text/x-data", "{u}.bin", None),
        ("narrowed", "text/x-data", "{u}.dat", "type-mismatch"),
        ("widened", "text/plain", "{u}.txt", None),
        ("widened", "text/plain", "{u}.csv", "type-mismatch"),
        ("widened", "text/csv", "{u}.csv", None),
        ("widened", "text/csv", "{u}", None),
        ("widened", "text/csv", "{u}.txt", None),
        ("widened", "application/json", "{u}.json", None),
        ("widened", "application/json", "{u}.txt", "type-mismatch"),
        ("widened", "application/pdf", "{u}.pdf", "type-not-allowed"),
        ("widened", "image/png", "{u}.png", "type-not-allowed"),
    ):
        body = {"image/jpeg": samples.JPEG, "image/png": samples.PNG}.get(content_type, samples.TEXT)
        yield Case(
            id=f"types-{tenant}-{content_type}-{name.replace('{u}', '')}",
            rows=("F01",),
            tenant=tenant,
            raw_name=name,
            headers=typed(content_type),
            body=body,
            expect=refused(code) if code else Stored(name=name),
        )


def _headers() -> Iterator[Case]:
    """Metadata keys and their limit; headers that S3 stores with an object, where the tenant lists them."""
    for label, pair, metadata in (
        ("listed", ("x-amz-meta-author", "Ann"), ("author", "Ann")),
        ("listed-upper-case", ("X-AMZ-META-TITLE", "T"), ("title", "T")),
        ("unlisted", ("x-amz-meta-owner", "Ann"), None),
        ("longer-than-listed", ("x-amz-meta-authors", "Ann"), None),
        ("star", ("x-amz-meta-*", "Ann"), None),
    ):
        expect = Stored(name="{u}/a.txt", metadata=(metadata,)) if metadata else refused("header-not-allowed")
        yield Case(id=f"metadata-own-{label}", rows=("S01",), tenant="labelled", headers=(TEXT, pair), expect=expect)
    for off in (-1, 0, 1):
        author, title = "a" * 10, "t" * (METADATA_LIMIT - len("author") - len("title") - 10 + off)
        expect = Stored(name="{u}/a.txt", metadata=(("author", author), ("title", title)))
        yield Case(
            id=f"metadata-own-{METADATA_LIMIT + off}-bytes",
            rows=("S01",),
            tenant="labelled",
            headers=(TEXT, ("x-amz-meta-author", author), ("x-amz-meta-title", title)),
            expect=expect if off <= 0 else refused("header-not-allowed"),
        )
    yield from _object_headers()


OBJECT_HEADERS: Final[Pairs] = (
    ("content-disposition", "attachment; filename=\"a b.txt\"; filename*=UTF-8''%e2%82%ac.txt"),
    ("content-encoding", "gzip"),
    ("content-language", "en, de-CH"),
    ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
)


def _object_headers() -> Iterator[Case]:
    for pair in OBJECT_HEADERS:
        stored = Stored(name="{u}/a.txt", headers=(pair,))
        for spelled in (pair[0], pair[0].title()):
            yield Case(
                id=f"object-header-listed-{spelled}",
                rows=("S01", "F05"),
                tenant="headed",
                headers=(TEXT, (spelled, pair[1])),
                expect=stored,
            )
        if pair[0] != "content-disposition":
            yield Case(
                id=f"object-header-beside-the-listed-{pair[0]}",
                rows=("S01", "F05"),
                tenant="disposed",
                headers=(TEXT, OBJECT_HEADERS[0], pair),
                expect=refused("header-not-allowed"),
            )
    yield Case(
        id="object-header-all-listed",
        rows=("S01", "F05"),
        tenant="headed",
        headers=(TEXT, *OBJECT_HEADERS),
        expect=Stored(name="{u}/a.txt", headers=OBJECT_HEADERS),
    )
    for label, headers, code in (
        ("repeated", (OBJECT_HEADERS[0], OBJECT_HEADERS[0]), "request-invalid"),
        ("aws-chunked", (("Content-Encoding", "gzip, aws-chunked"),), "header-not-allowed"),
        ("beside-an-acl", (OBJECT_HEADERS[0], ("x-amz-acl", "private")), "header-not-allowed"),
    ):
        yield Case(
            id=f"object-header-{label}",
            rows=("S01", "S21", "F05"),
            tenant="headed",
            headers=(TEXT, *headers),
            expect=refused(code),
        )


def _sizes_and_checksums() -> Iterator[Case]:
    """Bounds of a tenant's own, and a checksum that it requires."""
    for size in (0, SMALLEST - 1, SMALLEST, SMALLEST + 1, LARGEST - 1, LARGEST, LARGEST + 1):
        expect = Stored(name="{u}/a.txt")
        if size < SMALLEST:
            verdict = refused("size-below-minimum", limit=SMALLEST)
        else:
            verdict = refused("size-exceeds-limit", limit=LARGEST)
        yield Case(
            id=f"size-own-{size}",
            rows=("F08",),
            tenant="sized",
            body=b"x" * size,
            expect=expect if SMALLEST <= size <= LARGEST else verdict,
        )
    for algorithm in ALGORITHMS:
        yield Case(
            id=f"checksum-own-required-{algorithm}",
            rows=("S15", "M15"),
            tenant="summed",
            headers=(TEXT, checksums.header(algorithm, samples.TEXT)),
            expect=KEPT,
        )
    yield Case(
        id="checksum-own-required-absent",
        rows=("S15", "M15"),
        tenant="summed",
        expect=refused("checksum-required"),
    )
    for name in ("Content-Digest", "Repr-Digest"):
        yield Case(
            id=f"checksum-own-required-{name}",
            rows=("S15", "M15"),
            tenant="summed",
            headers=(TEXT, checksums.digest_field(samples.TEXT, name=name)),
            expect=KEPT,
            forced=(REDIRECT_DIGEST,),
        )
    yield Case(
        id="checksum-own-required-only-unknown-digest",
        rows=("S15", "M15"),
        tenant="summed",
        headers=(TEXT, checksums.digest_field(samples.TEXT, algorithm="sha-512")),
        expect=refused("request-invalid", "checksum-required"),
        forced=(
            Forced(
                row="redirect-digest",
                expect=refused("request-invalid", "checksum-required", "header-not-allowed"),
            ),
        ),
    )


def _issuers() -> Iterator[Case]:
    """Issuers of tenants' own: what their tokens speak for, whatever they claim."""
    for label, tenant, issuer, credential, verdict in (
        ("good", "bound", "bound", "good", KEPT),
        ("claims-another-tenant", "bound", "bound", "claim-tenant-acme", KEPT),
        ("claims-a-list-of-tenants", "bound", "bound", "claim-tenants", KEPT),
        ("expired", "bound", "bound", "expired-long-ago", refused("token-expired")),
        ("other-audience", "bound", "bound", "other-audience", refused("token-invalid")),
        ("scope-other", "bound", "bound", "scope-other", refused("scope-missing")),
        ("unknown-kid", "bound", "bound", "unknown-kid", refused("token-invalid")),
        ("foreign-key", "bound", "bound", "foreign-key", refused("token-invalid")),
        ("shared-issuer-too", "bound", "", "good", KEPT),
        ("pooled-a", "umbra-a", "pooled", "good", KEPT),
        ("pooled-b", "umbra-b", "pooled", "good", KEPT),
        ("pooled-claims-both", "umbra-a", "pooled", "tenant-list", refused("tenant-unknown")),
        ("pooled-claims-nobody", "nobody", "pooled", "good", refused("tenant-unknown")),
        ("pooled-claims-acme", "acme", "pooled", "good", refused("tenant-unknown")),
        ("pooled-claims-bound", "bound", "pooled", "good", refused("tenant-unknown")),
        ("pooled-claims-nothing", "umbra-a", "pooled", "tenant-absent", refused("tenant-unknown")),
        ("pooled-claims-a-prefix", "umbra-a", "pooled", "tenant-shorter", refused("tenant-unknown")),
        ("pooled-claims-upper-case", "umbra-a", "pooled", "tenant-upper-case", refused("tenant-unknown")),
        ("pooled-claims-elsewhere", "umbra-a", "pooled", "claim-tenant-acme", KEPT),
        ("cognito", "pool", "pool", "good", KEPT),
        ("cognito-claims-another-tenant", "pool", "pool", "claim-tenant-acme", KEPT),
        ("cognito-other-client", "pool", "pool", "other-client", refused("token-invalid")),
        ("cognito-id-token", "pool", "pool", "id-token", refused("token-invalid")),
        ("cognito-no-use", "pool", "pool", "no-token-use", refused("token-invalid")),
    ):
        yield Case(
            id=f"own-issuer-{label}",
            rows=("T09", "T13") if not label.startswith("cognito") else ("T10", "T13"),
            tenant=tenant,
            issuer=issuer,
            credential=credential,
            expect=verdict,
        )


def tenant_cases() -> Iterator[Case]:
    """Every case about a tenant's document, but for backends and `/files`."""
    yield from _status_and_scope()
    yield from _keys()
    yield from _names()
    yield from _types()
    yield from _headers()
    yield from _sizes_and_checksums()
    yield from _issuers()
