"""Headers: what reaches S3, what is refused, what is ignored; the list of hostile ones is S3's own service model's."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from botocore.loaders import Loader

from tests.conformance.case import Case, Forced, Pairs, Stored, refused, typed

TEXT: Final = ("Content-Type", "text/plain")

ALLOWED_OF_S3: Final = frozenset(
    {
        "content-length",
        "content-md5",
        "content-type",
        "if-none-match",
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
    }
)
"""What the contract lets a client send on to S3."""

REFUSED_BY_NAME: Final = frozenset(
    {"content-encoding", "content-disposition", "content-language", "expires", "if-match"}
)
"""Headers outside `x-amz-*` that S3 would act on, and the contract refuses."""

VALUES: Final = {
    "x-amz-acl": "public-read",
    "x-amz-copy-source": "/uploads/globex/secret.png",
    "x-amz-copy-source-range": "bytes=0-9",
    "x-amz-rename-source": "/globex/secret.png",
    "x-amz-tagging": "GuardDutyMalwareScanStatus=NO_THREATS_FOUND",
    "x-amz-website-redirect-location": "https://evil.example/",
    "x-amz-storage-class": "GLACIER",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z",
    "x-amz-object-lock-legal-hold": "ON",
    "x-amz-grant-full-control": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"',
    "x-amz-sdk-checksum-algorithm": "CRC32",
    "x-amz-checksum-algorithm": "CRC32",
    "x-amz-checksum-type": "FULL_OBJECT",
    "x-amz-write-offset-bytes": "0",
    "content-encoding": "gzip",
    "content-disposition": "inline; filename=evil.html",
    "content-language": "en",
    "expires": "Thu, 01 Jan 2099 00:00:00 GMT",
    "if-match": "*",
}

OTHER_HOSTILE: Final[tuple[tuple[str, str], ...]] = (
    ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ("x-amz-decoded-content-length", "10"),
    ("x-amz-trailer", "x-amz-checksum-crc32"),
    ("x-amz-date", "20260101T000000Z"),
    ("x-amz-security-token", "AAAA"),
    ("x-amz-user-agent", "me"),
    ("x-amz-target", "S3.PutObject"),
    ("x-amz-expires", "604800"),
    ("x-amz-credential", "AKIA/20260101/us-east-1/s3/aws4_request"),
    ("x-amz-signature", "00"),
    ("x-amz-something-new", "1"),
    ("x-amz-", "1"),
    ("content-encoding", "aws-chunked"),
    ("content-encoding", "identity"),
    ("content-disposition", "attachment"),
)
"""Header pairs outside the model of S3's inputs: signing, streaming, and what may come one day."""

IGNORED: Final[tuple[tuple[str, str, str], ...]] = (
    ("x-forwarded-for", "X-Forwarded-For", "10.0.0.1"),
    ("x-forwarded-host", "X-Forwarded-Host", "evil.example"),
    ("x-forwarded-proto", "X-Forwarded-Proto", "https, javascript"),
    ("x-forwarded-uri", "X-Forwarded-Uri", "/proxy/../globex/x"),
    ("x-forwarded-prefix", "X-Forwarded-Prefix", "/globex"),
    ("x-real-ip", "X-Real-IP", "127.0.0.1"),
    ("forwarded", "Forwarded", "for=127.0.0.1;host=evil.example"),
    ("x-original-url", "X-Original-URL", "/admin/tenants"),
    ("x-rewrite-url", "X-Rewrite-URL", "/admin/tenants"),
    ("x-tenant-id", "X-Tenant-Id", "globex"),
    ("x-tenant", "Tenant", "globex"),
    ("cookie", "Cookie", "tenant=globex; session=1"),
    ("user-agent", "User-Agent", "() { :; }; echo"),
    ("referer", "Referer", "https://evil.example/"),
    ("accept", "Accept", "text/html"),
    ("accept-encoding", "Accept-Encoding", "gzip"),
    ("range", "Range", "bytes=0-0"),
    ("if-modified-since", "If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("if-unmodified-since", "If-Unmodified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("te", "TE", "trailers"),
    ("connection-names-length", "Connection", "x-foo"),
    ("keep-alive", "Keep-Alive", "timeout=5"),
    ("proxy-authorization", "Proxy-Authorization", "Basic dTpw"),
    ("via", "Via", "1.1 proxy"),
    ("unknown", "X-Anything", "at all"),
    ("client-request-id", "X-Request-Id", "mine"),
    ("link", "Link", "</x>; rel=preload"),
)
"""Id, name and value of headers that have no effect."""


@cache
def header_members() -> tuple[str, ...]:
    """Every header that any input of S3's service model takes, lower-case."""
    model: dict[str, Any] = Loader().load_service_model("s3", "service-2")
    inputs = (operation["input"]["shape"] for operation in model["operations"].values() if "input" in operation)
    members = (member for shape in inputs for member in model["shapes"][shape]["members"].values())
    names = {member["locationName"].lower() for member in members if member.get("location") == "header"}
    return tuple(sorted(names))


def hostile_members() -> tuple[str, ...]:
    """The headers of S3's model that no client of ours may send."""
    return tuple(
        name
        for name in header_members()
        if name not in ALLOWED_OF_S3 and (name.startswith("x-amz-") or name in REFUSED_BY_NAME)
    )


OF_SOURCES: Final = (
    *("S01", "S02", "M02", "M18"),
    "CVE-2026-54330 class (MinIO lineage, RustFS, s3proxy<4.1.1, ds_proxy 164)",
)
"""The rows of headers that make S3 read with the signer's rights."""

CASINGS: Final = (str.lower, str.title, str.upper, lambda name: "".join(map(_alternate, enumerate(name))))


def _alternate(indexed: tuple[int, str]) -> str:
    index, letter = indexed
    return letter.upper() if index % 2 else letter.lower()


def _hostile() -> Iterator[Case]:
    """Each member in one casing in turn, and the worst of them in all."""
    worst = {"x-amz-acl", "x-amz-copy-source", "x-amz-rename-source", "x-amz-tagging", "content-encoding"}
    for index, name in enumerate(hostile_members()):
        casings = CASINGS if name in worst else (CASINGS[index % len(CASINGS)],)
        for casing in casings:
            written = casing(name)
            rows = OF_SOURCES if "source" in name else ("S01", "M18", "F15")
            header = (written, VALUES.get(name, "1"))
            yield Case(id=f"header-{written}", rows=rows, headers=(TEXT, header), expect=refused("header-not-allowed"))
    for name, value in OTHER_HOSTILE:
        yield Case(
            id=f"header-{name}-{value[:24]}",
            rows=("S01", "S21", "CVE-2026-40344 MinIO"),
            headers=(TEXT, (name, value)),
            expect=refused("header-not-allowed"),
        )


def _metadata() -> Iterator[Case]:
    """User metadata within and beyond the policy's limits (acme: any key, 2,048 bytes; globex: none)."""
    kept: tuple[tuple[str, Pairs, Pairs], ...] = (
        ("one", (("x-amz-meta-author", "Ann"),), (("author", "Ann"),)),
        ("upper-case-name", (("X-Amz-Meta-Author", "Ann"),), (("author", "Ann"),)),
        ("three", tuple((f"x-amz-meta-k{n}", f"v{n}") for n in range(3)), tuple((f"k{n}", f"v{n}") for n in range(3))),
        ("punctuation", (("x-amz-meta-note", 'a, b; c="d" %41 <e>'),), (("note", 'a, b; c="d" %41 <e>'),)),
        ("dashes", (("x-amz-meta-a-b_c.d", "1"),), (("a-b_c.d", "1"),)),
        ("looks-like-a-header", (("x-amz-meta-x-amz-acl", "public-read"),), (("x-amz-acl", "public-read"),)),
        ("inner-spaces", (("x-amz-meta-a", "b c"),), (("a", "b c"),)),
    )
    for label, headers, metadata in kept:
        expect = Stored(name="{u}/a.txt", metadata=metadata)
        yield Case(id=f"metadata-{label}", rows=("S01",), headers=(TEXT, *headers), expect=expect)
    for off in (-1, 0, 1):
        value = "v" * (2048 - len("key") + off)
        stored = Stored(name="{u}/a.txt", metadata=(("key", value),))
        yield Case(
            id=f"metadata-{2048 + off}-bytes",
            rows=("S01",),
            headers=(TEXT, ("x-amz-meta-key", value)),
            expect=stored if off <= 0 else refused("header-not-allowed"),
        )


def _repeated() -> Iterator[Case]:
    """Headers that must be single, sent twice."""
    twice: tuple[tuple[str, Pairs], ...] = (
        ("content-type", (TEXT, TEXT)),
        ("content-type-differing", (TEXT, ("content-type", "image/png"))),
        ("content-md5", (TEXT, ("Content-MD5", "x"), ("Content-MD5", "y"))),
        ("checksum", (TEXT, *[("x-amz-checksum-crc32", "AAAAAA==")] * 2)),
        ("if-none-match", (TEXT, ("If-None-Match", "*"), ("If-None-Match", "*"))),
        ("metadata", (TEXT, ("x-amz-meta-a", "1"), ("X-Amz-Meta-A", "2"))),
    )
    for label, headers in twice:
        yield Case(id=f"repeated-{label}", rows=("H01", "S01"), headers=headers, expect=refused("request-invalid"))


def header_cases() -> Iterator[Case]:
    """Every case about headers but type, length, checksum and precondition."""
    yield from _hostile()
    yield from _metadata()
    yield from _repeated()
    stored = Stored(name="{u}/a.txt")
    for label, name, value in IGNORED:
        yield Case(id=f"ignored-{label}", rows=("H02", "T13", "S01"), headers=(TEXT, (name, value)), expect=stored)
    for name, value in (("x-amz-cf-id", "abc=="), ("x-amzn-trace-id", "Root=1-2-3"), ("X-Amzn-RequestId", "1")):
        yield Case(
            id=f"ignored-of-infrastructure-{name.lower()}",
            rows=("S01",),
            hop_headers=((name, value),),
            expect=stored,
        )
    yield Case(
        id="ignored-cache-control",
        rows=("S01",),
        headers=(TEXT, ("Cache-Control", "public, max-age=31536000")),
        expect=stored,
        forced=(
            Forced(
                row="redirect-unsigned-headers",
                expect=Stored(name="{u}/a.txt", headers=(("cache-control", "public, max-age=31536000"),)),
            ),
        ),
    )
    yield Case(
        id="metadata-of-a-tenant-without-keys",
        rows=("S01",),
        tenant="globex",
        raw_name="{u}.png",
        headers=typed("image/png", ("If-None-Match", "*"), ("x-amz-meta-a", "1")),
        expect=refused("header-not-allowed"),
    )
