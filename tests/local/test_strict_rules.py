"""What the strict front refuses, rule by rule, with S3's own code and status."""

import pytest

from gateway.local.strict_rules import Head, refuse

SIGNED = "AWS4-HMAC-SHA256 Credential=k/20261123/us-east-1/s3/aws4_request, SignedHeaders={}, Signature=00"
QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host%3Bx-amz-meta-a&X-Amz-Signature=00"
PLAIN = {"host": "localhost:1", "content-length": "1"}


def head(method: str = "PUT", path: str = "/uploads/acme/a", query: str = "", **headers: str) -> Head:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head(method=method, path=path, query=query, headers=tuple({**PLAIN, **named}.items()))


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        (head(query=QUERY, authorization=SIGNED.format("host")), 400, "InvalidArgument"),
        (head(query=QUERY, authorization="Bearer secret"), 400, "InvalidArgument"),
        (head(authorization="Bearer secret"), 400, "InvalidArgument"),
        (head(), 403, "AccessDenied"),
        (head("GET"), 403, "AccessDenied"),
        (head(query=QUERY, x_amz_meta_b="1"), 403, "AccessDenied"),
        (head(authorization=SIGNED.format("host;x-amz-date"), x_amz_acl="public-read"), 403, "AccessDenied"),
        (head(query=QUERY, transfer_encoding="chunked"), 501, "NotImplemented"),
        (head(query=QUERY, content_length="5368709121"), 400, "EntityTooLarge"),
        (head(query=QUERY, content_length="-1"), 400, "InvalidRequest"),
        (head(path="/uploads/" + "%C3%A9" * 513, query=QUERY), 400, "KeyTooLongError"),
        (head(query=QUERY, if_none_match='"abc"'), 501, "NotImplemented"),
        (
            head(
                authorization=SIGNED.format("host;x-amz-checksum-crc32;x-amz-checksum-sha1"),
                x_amz_checksum_crc32="AAAAAA==",
                x_amz_checksum_sha1="x",
            ),
            400,
            "InvalidRequest",
        ),
    ],
)
def test_refused(given: Head, status: int, code: str) -> None:
    """Each row is one thing that AWS refuses; no answer repeats a token."""
    denial = refuse(given)
    assert denial is not None
    assert (denial.status, denial.code) == (status, code)
    assert b"secret" not in denial.body()


@pytest.mark.parametrize(
    "given",
    [
        head(query=QUERY, x_amz_meta_a="1"),
        head(query=QUERY, content_length="5368709120"),
        head(query=QUERY, content_length="0", if_none_match="*"),
        head(query=QUERY, content_digest="sha-256=:AAAA:", content_type="image/png"),
        head(authorization=SIGNED.format("host;x-amz-date"), x_amz_date="20261123T000000Z"),
        head(path="/uploads/" + "%C3%A9" * 512, query=QUERY),
        head("OPTIONS", origin="http://127.0.0.1:8080"),
        head("POST", path="/uploads", content_type="multipart/form-data; boundary=b"),
        head("POST", query="uploads&" + QUERY, content_length="0"),
    ],
)
def test_passed_on(given: Head) -> None:
    """What AWS looks at goes on to the S3 behind: `Content-Digest` too, which S3 ignores."""
    assert refuse(given) is None


def test_the_missing_length_is_411() -> None:
    """A PUT without a length is refused as S3 does it."""
    given = Head(method="PUT", path="/uploads/a", query=QUERY, headers=(("host", "localhost:1"),))
    denial = refuse(given)
    assert denial is not None
    assert (denial.status, denial.code) == (411, "MissingContentLength")


def test_unsigned_headers_are_named() -> None:
    """The refusal lists the headers that no signature covers."""
    denial = refuse(head(query=QUERY, x_amz_acl="public-read", x_amz_meta_z="1"))
    assert denial is not None
    assert b"<HeadersNotSigned>x-amz-acl, x-amz-meta-z</HeadersNotSigned>" in denial.body()


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n\r\n", b"PUT /a\r\n\r\n", b"PUT a HTTP/1.1\r\n\r\n", b"PUT /a HTTP/1.1\r\nx\r\n\r\n"]
)
def test_what_is_no_head_is_none(raw: bytes) -> None:
    """Garbage parses to nothing and raises nothing."""
    assert Head.parse(raw) is None
