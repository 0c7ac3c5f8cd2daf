"""S3's answer in the gateway's words."""

import pytest

from gateway.policy.problems import Code
from gateway.proxy.answers import problem, relayed
from gateway.storage.upstream import Answer


def error(code: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>secret of the bucket</Message>'
        "<BucketName>secret-bucket</BucketName></Error>"
    ).encode()


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (400, error("BadDigest"), Code.CHECKSUM_MISMATCH, 400),
        (400, error("XAmzContentChecksumMismatch"), Code.CHECKSUM_MISMATCH, 400),
        (400, error("InvalidDigest"), Code.CHECKSUM_MISMATCH, 400),
        (412, error("PreconditionFailed"), Code.OBJECT_EXISTS, 412),
        (412, b"", Code.OBJECT_EXISTS, 412),
        (409, error("ConditionalRequestConflict"), Code.STORAGE_UNAVAILABLE, 503),
        (400, error("EntityTooLarge"), Code.SIZE_EXCEEDS_LIMIT, 413),
        (400, error("KeyTooLongError"), Code.NAME_INVALID, 400),
        (403, error("AccessDenied"), Code.STORAGE_UNAVAILABLE, 503),
        (403, error("SignatureDoesNotMatch"), Code.STORAGE_UNAVAILABLE, 503),
        (403, error("RequestTimeTooSkewed"), Code.STORAGE_UNAVAILABLE, 503),
        (404, error("NoSuchBucket"), Code.STORAGE_UNAVAILABLE, 503),
        (301, error("PermanentRedirect"), Code.STORAGE_UNAVAILABLE, 503),
        (307, error("TemporaryRedirect"), Code.STORAGE_UNAVAILABLE, 503),
        (500, error("InternalError"), Code.STORAGE_UNAVAILABLE, 503),
        (503, error("SlowDown"), Code.STORAGE_UNAVAILABLE, 503),
        (400, error("NeverHeardOf"), Code.STORAGE_UNAVAILABLE, 503),
        (400, b"", Code.STORAGE_UNAVAILABLE, 503),
        (400, b"\xff<Code>\xff</Code>", Code.STORAGE_UNAVAILABLE, 503),
        (400, b"<Code></Code>", Code.STORAGE_UNAVAILABLE, 503),
        (400, b"<Code>" + b"A" * 65 + b"</Code>", Code.STORAGE_UNAVAILABLE, 503),
        (201, b"", Code.STORAGE_UNAVAILABLE, 503),
    ],
)
def test_an_error_of_s3_is_one_of_our_problems(status: int, body: bytes, code: Code, said: int) -> None:
    """What the client caused is said; all else is storage that did not take it, and S3's words stay here."""
    refusal = problem(Answer(status=status, headers={}, body=body))

    assert (refusal.code, refusal.status) == (code, said)
    assert "secret" not in str(refusal.body("id"))


def test_a_problem_carries_what_its_code_promises() -> None:
    """A size says its limit, an unavailable storage when to come again."""
    too_large = problem(Answer(status=400, headers={}, body=error("EntityTooLarge")))
    unavailable = problem(Answer(status=503, headers={}, body=error("SlowDown")))

    assert too_large.limit == 5_368_709_120
    assert dict(unavailable.response_headers())["retry-after"] == "5"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ()),
        ({"etag": '"abc"'}, (("etag", '"abc"'),)),
        (
            {"x-amz-version-id": "1", "etag": '"abc"', "x-amz-checksum-type": "FULL_OBJECT"},
            (("etag", '"abc"'), ("x-amz-version-id", "1"), ("x-amz-checksum-type", "FULL_OBJECT")),
        ),
        ({"server": "AmazonS3", "x-amz-id-2": "x", "x-amz-request-id": "y", "set-cookie": "z", "location": "l"}, ()),
        ({"x-amz-server-side-encryption-aws-kms-key-id": "arn"}, ()),
    ],
)
def test_only_what_a_client_can_use_goes_on(headers: dict[str, str], expected: tuple[tuple[str, str], ...]) -> None:
    """S3's success has its entity tag and its version; what tells of our account stays here."""
    assert relayed(Answer(status=200, headers=headers, body=b"")) == expected
