"""Sizes, types and checksums: what the bytes are said to be, and who holds them to it."""

from collections.abc import Iterator
from typing import Final

from tests.conformance import checksums, samples
from tests.conformance.case import Case, Forced, Pairs, RefusedByS3, Stored, refused, typed

CREATE: Final = ("If-None-Match", "*")
SINGLE_PUT: Final = 5_368_709_120
OBJECT: Final = 53_687_091_200_000
SMALLEST: Final = 1024
LARGEST: Final = 1_048_576


def globex(body: bytes, content_type: str = "image/png", *, checksum: str = "crc32") -> Pairs:
    """The headers of a good upload of globex: create only, with a checksum."""
    return typed(content_type, CREATE, checksums.header(checksum, body))


def size_cases() -> Iterator[Case]:
    """The policy's bounds at one below, at, and one above, and S3's own bound on a single PUT."""
    for size, expect in (
        (80, refused("size-below-minimum", limit=SMALLEST)),
        (SMALLEST - 1, refused("size-below-minimum", limit=SMALLEST)),
        (SMALLEST, Stored(name="{u}.png")),
        (SMALLEST + 1, Stored(name="{u}.png")),
        (LARGEST - 1, Stored(name="{u}.png")),
        (LARGEST, Stored(name="{u}.png")),
        (LARGEST + 1, refused("size-exceeds-limit", limit=LARGEST)),
    ):
        body = samples.png(size)
        yield Case(
            id=f"size-globex-{size}",
            rows=("F08",),
            tenant="globex",
            raw_name="{u}.png",
            headers=globex(body),
            body=body,
            expect=expect,
        )
    for size in (SINGLE_PUT + 1, OBJECT, OBJECT + 1):
        yield Case(
            id=f"size-single-put-{size}",
            rows=("F08", "H06"),
            length=str(size),
            head_only=True,
            expect=refused("size-exceeds-limit", limit=SINGLE_PUT, advice="/uploads")
            if size <= OBJECT
            else refused("size-exceeds-limit"),
        )


KEPT_TYPES: Final[tuple[tuple[str, str, bytes], ...]] = (
    ("image/png", "{u}.png", samples.PNG),
    ("IMAGE/PNG", "{u}.png", samples.PNG),
    ("image/png; charset=utf-8", "{u}.png", samples.PNG),
    ('image/png;a="b;c"', "{u}.png", samples.PNG),
    ("image/png", "{u}", samples.PNG),
    ("image/png", "{u}.PNG", samples.PNG),
    ("image/png", "{u}.txt", samples.PNG),
    ("image/jpeg", "{u}.jpg", samples.JPEG),
    ("application/pdf", "{u}.pdf", samples.PDF),
    ("application/zip", "{u}.zip", samples.ZIP),
    ("application/json", "{u}.json", samples.JSON),
    ("text/csv", "{u}.csv", samples.CSV),
    ("text/plain;charset=UTF-8", "{u}.txt", samples.TEXT),
    ('Text/Plain; Charset="ISO-8859-1"', "{u}.txt", samples.TEXT),
    ("text/x-anything", "{u}.x", samples.TEXT),
    ("application/octet-stream", "{u}.bin", samples.TEXT),
    ("application/octet-stream", "{u}.tar.gz", samples.TEXT),
)
"""Type, raw name and body that acme may store."""

REFUSED_TYPES: Final = (
    "video/mp4",
    "application/javascript",
    "application/x-msdownload",
    "application/xml",
    "image",
    "image/",
    "/png",
    "text",
    "text/",
    "*/*",
    "text/*",
    "image/*",
    "image/png/x",
    "imagepng",
    "text /plain",
    "",
)


def type_cases() -> Iterator[Case]:
    """Types by their essence, extensions by their type, the header's words kept verbatim."""
    for index, (content_type, raw_name, body) in enumerate(KEPT_TYPES):
        yield Case(
            id=f"type-kept-{index}-{content_type.lower()}",
            rows=("F01", "F02", "tusd S3 metadata filetype"),
            raw_name=raw_name,
            headers=typed(content_type),
            body=body,
            expect=Stored(name=raw_name),
        )
    for index, content_type in enumerate(REFUSED_TYPES):
        yield Case(
            id=f"type-refused-{index}-{content_type}",
            rows=("F01", "F07"),
            headers=typed(content_type),
            expect=refused("type-not-allowed", "request-invalid") if index > 3 else refused("type-not-allowed"),
        )
    yield Case(id="type-absent", rows=("F01",), headers=(), expect=refused("type-not-allowed", "request-invalid"))
    for label, content_type, name, code in (
        ("pdf", "application/pdf", "{u}.pdf", "type-not-allowed"),
        ("text", "text/plain", "{u}.txt", "type-not-allowed"),
        ("png-named-jpg", "image/png", "{u}.jpg", "type-mismatch"),
        ("jpeg-named-png", "image/jpeg", "{u}.png", "type-mismatch"),
        ("png-named-pdf", "image/png", "{u}.pdf", "type-mismatch"),
        ("png-unnamed", "image/png", "{u}", "type-mismatch"),
        ("png-before-last", "image/png", "{u}.png.pdf", "type-mismatch"),
        ("png-trailing-dot", "image/png", "{u}.png.", "type-mismatch"),
    ):
        yield Case(
            id=f"type-globex-{label}",
            rows=("F01", "M09"),
            tenant="globex",
            raw_name=name,
            headers=globex(samples.PNG, content_type),
            body=samples.PNG,
            expect=refused(code),
        )
    for content_type, name, body in (
        ("image/png", "{u}.png", samples.PNG),
        ("image/png", "{u}.PNG", samples.PNG),
        ("image/png", "{u}.tar.png", samples.PNG),
        ("image/jpeg", "{u}.jpg", samples.JPEG),
        ("image/jpeg", "{u}.jpeg", samples.JPEG),
    ):
        yield Case(
            id=f"type-globex-kept-{content_type}-{name}",
            rows=("F01",),
            tenant="globex",
            raw_name=name,
            headers=globex(body, content_type),
            body=body,
            expect=Stored(name=name),
        )


ALGORITHMS: Final = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5")
WRONG: Final = b"other bytes\n"
ROWS: Final = ("S15", "M15")
S3_SAYS_NO: Final = Forced(
    row="s3-answers-itself",
    expect=RefusedByS3(
        status=400,
        codes=("BadDigest", "InvalidDigest", "InvalidRequest", "XAmzContentChecksumMismatch"),
    ),
)
MALFORMED: Final = (
    "",
    "x",
    "not base64!",
    "AAAA",
    "AAAAAA",
    "AAAAAA==AAAA",
    "=AAAAAA=",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
)
REDIRECT_DIGEST: Final = Forced(row="redirect-digest", expect=refused("header-not-allowed", advice="x-amz-checksum"))


def _text(*headers: tuple[str, str]) -> Pairs:
    return typed("text/plain", *headers)


def checksum_cases() -> Iterator[Case]:
    """Each algorithm right, wrong and malformed; two at once; RFC 9530; required and absent."""
    stored = Stored(name="{u}/a.txt")
    for algorithm in ALGORITHMS:
        right = checksums.header(algorithm, samples.TEXT)
        wrong = checksums.header(algorithm, WRONG)
        yield Case(id=f"checksum-{algorithm}-right", rows=ROWS, headers=_text(right), expect=stored)
        yield Case(
            id=f"checksum-{algorithm}-right-upper-case-name",
            rows=ROWS,
            headers=_text((right[0].upper(), right[1])),
            expect=stored,
        )
        yield Case(
            id=f"checksum-{algorithm}-wrong",
            rows=ROWS,
            headers=_text(wrong),
            expect=refused("checksum-mismatch"),
            forced=(S3_SAYS_NO,),
        )
        empty = checksums.header(algorithm, b"")
        yield Case(id=f"checksum-{algorithm}-of-nothing", rows=ROWS, headers=_text(empty), body=b"", expect=stored)
    for index, malformed in enumerate(MALFORMED):
        for name in ("x-amz-checksum-sha256", "Content-MD5", "x-amz-checksum-crc64nvme"):
            yield Case(
                id=f"checksum-malformed-{name}-{index}",
                rows=ROWS,
                headers=_text((name, malformed)),
                expect=refused("request-invalid"),
            )
    yield from _two_checksums()
    yield from _digest_fields()
    yield Case(
        id="checksum-required-and-absent",
        rows=ROWS,
        tenant="globex",
        raw_name="{u}.png",
        headers=typed("image/png", CREATE),
        body=samples.PNG,
        expect=refused("checksum-required"),
    )
    for algorithm in ALGORITHMS:
        yield Case(
            id=f"checksum-required-and-{algorithm}",
            rows=ROWS,
            tenant="globex",
            raw_name="{u}.png",
            headers=globex(samples.PNG, checksum=algorithm),
            body=samples.PNG,
            expect=Stored(name="{u}.png"),
        )


def _two_checksums() -> Iterator[Case]:
    for first, second in (("crc32", "sha256"), ("crc32", "md5"), ("sha1", "crc64nvme"), ("crc32c", "crc32")):
        yield Case(
            id=f"checksum-two-{first}-{second}",
            rows=ROWS,
            headers=_text(checksums.header(first, samples.TEXT), checksums.header(second, samples.TEXT)),
            expect=refused("request-invalid"),
        )
    yield Case(
        id="checksum-two-crc32-content-digest",
        rows=ROWS,
        headers=_text(checksums.header("crc32", samples.TEXT), checksums.digest_field(samples.TEXT)),
        expect=refused("request-invalid"),
        forced=(Forced(row="redirect-digest", expect=refused("request-invalid", "header-not-allowed")),),
    )


def _digest_fields() -> Iterator[Case]:
    """RFC 9530, which S3 does not read: translated where code of ours sends to S3, refused where it can't."""
    for name in ("Content-Digest", "Repr-Digest"):
        yield Case(
            id=f"digest-{name}-right",
            rows=ROWS,
            headers=_text(checksums.digest_field(samples.TEXT, name=name)),
            expect=Stored(name="{u}/a.txt"),
            forced=(REDIRECT_DIGEST,),
        )
        yield Case(
            id=f"digest-{name}-wrong",
            rows=ROWS,
            headers=_text(checksums.digest_field(WRONG, name=name)),
            expect=refused("checksum-mismatch"),
            forced=(REDIRECT_DIGEST, S3_SAYS_NO),
        )
        for index, value in enumerate(("sha-256=AAAA", "sha-256=:AAAA:", "sha-256", "sha-256=::", "sha-256=:!!:")):
            yield Case(
                id=f"digest-{name}-malformed-{index}",
                rows=ROWS,
                headers=_text((name, value)),
                expect=refused("request-invalid"),
                forced=(Forced(row="redirect-digest", expect=refused("request-invalid", "header-not-allowed")),),
            )


NOT_WHAT_IT_SAYS: Final[tuple[tuple[str, str, bytes], ...]] = (
    ("png-as-jpeg", "image/jpeg", samples.PNG),
    ("jpeg-as-png", "image/png", samples.JPEG),
    ("pdf-as-png", "image/png", samples.PDF),
    ("zip-as-png", "image/png", samples.ZIP),
    ("png-as-pdf", "application/pdf", samples.PNG),
    ("png-as-zip", "application/zip", samples.PNG),
    ("html-as-png", "image/png", b"<!DOCTYPE html><script>alert(1)</script>"),
    ("html-as-pdf", "application/pdf", b"<!DOCTYPE html><script>alert(1)</script>"),
    ("executable-as-png", "image/png", b"MZ\x90\x00\x03\x00\x00\x00" + bytes(120)),
    ("elf-as-zip", "application/zip", b"\x7fELF\x02\x01\x01" + bytes(120)),
    ("gif-as-png", "image/png", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"),
    ("text-as-png", "image/png", samples.TEXT),
    ("png-after-a-space", "image/png", b" " + samples.PNG),
    ("png-cut-short", "image/png", samples.PNG[:4]),
    ("png-as-jpeg-with-parameters", "IMAGE/JPEG; q=1", samples.PNG),
)
"""Id, declared type, and a body that another type's first bytes begin."""

NOT_CHECKED: Final[tuple[tuple[str, str, bytes], ...]] = (
    ("png-as-octet-stream", "application/octet-stream", samples.PNG),
    ("png-as-text", "text/plain", samples.PNG),
    ("png-as-csv", "text/csv", samples.PNG),
    ("png-as-json", "application/json", samples.PNG),
    ("nothing-as-png", "image/png", b""),
    ("nothing-as-pdf", "application/pdf", b""),
    ("png-with-a-tail", "image/png", samples.PNG + b"<script>alert(1)</script>"),
)
"""Id, declared type, and a body that the contract does not hold against it."""


def content_cases() -> Iterator[Case]:
    """The first bytes against the declared type: before the first goes on where ours is the data path, else later."""
    for label, content_type, body in NOT_WHAT_IT_SAYS:
        yield Case(
            id=f"content-{label}",
            rows=("F02", "F03", "M09"),
            headers=typed(content_type),
            body=body,
            expect=refused("content-mismatch"),
            forced=tuple(
                Forced(row=row, expect=Stored(name="{u}/a.txt"))
                for row in ("content-after-arrival", "content-after-api-gateway")
            ),
        )
    for label, content_type, body in NOT_CHECKED:
        yield Case(
            id=f"content-unchecked-{label}",
            rows=("F02",),
            headers=typed(content_type),
            body=body,
            expect=Stored(name="{u}/a.txt"),
        )
