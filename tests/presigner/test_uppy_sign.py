"""Requests signed one at a time for Uppy 6, which talks to S3 itself: its five requests, on the demo's real S3."""

import re
from typing import Any

import httpx
import pytest

from tests.presigner.gateway import PART, Gateway, code


def sign(gateway: Gateway, *, tenant: str = "signs", subject: str = "ann", **body: Any) -> httpx.Response:
    """`POST /s3/sign`."""
    return gateway.call("POST", "/s3/sign", body, tenant=tenant, subject=subject)


def begin(gateway: Gateway, key: str = "film.txt", tenant: str = "signs") -> tuple[str, str]:
    """The sealed key and S3's id of an upload that the client began."""
    signed = sign(gateway, method="POST", key=key, tenant=tenant).json()
    answer = gateway.s3.post(signed["url"], headers=signed["headers"])
    assert answer.status_code == 200, answer.text
    found = re.search("<UploadId>(.*?)</UploadId>", answer.text)
    assert found is not None
    return signed["key"], found[1]


def put(
    gateway: Gateway, key: str, upload_id: str, number: int, body: bytes, *, tenant: str = "signs"
) -> httpx.Response:
    """A part, signed and sent."""
    signed = sign(gateway, method="PUT", key=key, uploadId=upload_id, partNumber=number, tenant=tenant)
    assert signed.status_code == 200, signed.text
    return gateway.s3.put(signed.json()["url"], content=body)


def listed(*etags: str) -> bytes:
    """The body of CompleteMultipartUpload."""
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in enumerate(etags, 1)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def test_a_whole_object_is_a_form_held_to_the_bounds(gateway: Gateway) -> None:
    """And a PUT that creates only, its headers signed, where a form can't."""
    form = sign(gateway, method="PUT", key="one.txt", contentType="text/plain").json()
    once = sign(gateway, method="PUT", key="once-signed.txt", contentType="text/plain", tenant="signs-once").json()

    posted = [gateway.s3.post(form["url"], data=form["fields"], files={"file": b"x" * n}).status_code for n in (5, 0)]
    sent = [gateway.s3.put(once["url"], content=b"x", headers=once["headers"]).status_code for _ in range(2)]

    assert (form["key"], form["fields"]["key"]) == ("signs/one.txt", "signs/one.txt")
    assert (posted[0], posted[1] >= 400) == (201, True)
    assert (once["headers"], sent) == ({"content-type": "text/plain", "if-none-match": "*"}, [200, 412])


def test_an_upload_in_parts_by_the_client_alone(gateway: Gateway) -> None:
    """Begun, sent, listed and completed at S3; the type of the object is the one that was signed."""
    key, upload_id = begin(gateway)
    etags = [put(gateway, key, upload_id, at, body).headers["etag"] for at, body in enumerate((b"a" * PART, b"b"), 1)]
    parts = gateway.s3.get(sign(gateway, method="GET", key=key, uploadId=upload_id).json()["url"])
    end = sign(gateway, method="POST", key=key, uploadId=upload_id).json()

    bare = gateway.s3.post(end["url"], content=listed(*etags))
    done = gateway.s3.post(end["url"], content=listed(*etags), headers=end["headers"])

    assert parts.text.count("<PartNumber>") == 2
    assert end["headers"] == {"x-amz-mp-object-size": str(PART + 1)}
    assert (bare.status_code, done.status_code) == (403, 200), done.text
    assert "film.txt" in done.text


def test_what_s3_holds_is_compared_before_anything_is_signed(gateway: Gateway) -> None:
    """No further part once the tenant's most is there, and no end to too much."""
    key, upload_id = begin(gateway, "large.txt")
    nothing = sign(gateway, method="POST", key=key, uploadId=upload_id)
    put(gateway, key, upload_id, 1, b"x" * 12_000_000)
    another = sign(gateway, method="PUT", key=key, uploadId=upload_id, partNumber=2)
    put(gateway, key, upload_id, 1, b"x" * 12_000_001)

    too_much = sign(gateway, method="POST", key=key, uploadId=upload_id)

    assert [code(answer) for answer in (nothing, another, too_much)] == [
        "upload-incomplete",
        "size-exceeds-limit",
        "size-exceeds-limit",
    ]
    gone = gateway.s3.delete(sign(gateway, method="DELETE", key=key, uploadId=upload_id).json()["url"])
    assert gone.status_code == 204
    assert code(sign(gateway, method="PUT", key=key, uploadId=upload_id, partNumber=1)) == "upload-not-found"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"method": "DELETE", "key": "one.txt"}, "request-invalid"),
        ({"method": "GET", "key": "one.txt"}, "request-invalid"),
        ({"method": "PUT", "key": "one.txt", "partNumber": 1}, "request-invalid"),
        ({"method": "HEAD", "key": "one.txt"}, "request-invalid"),
        ({"method": "PUT", "key": "", "contentType": "text/plain"}, "request-invalid"),
        ({"method": "PUT", "key": "../one.txt"}, "name-invalid"),
        ({"method": "POST", "key": "${filename}"}, "name-invalid"),
        ({"method": "PUT", "key": "one.txt", "contentType": "a/b\r\nx-amz-acl: public"}, "request-invalid"),
        ({"method": "GET", "key": "one.txt", "uploadId": "x"}, "upload-not-found"),
        ({"method": "GET", "key": "signs/one.txt", "uploadId": "x"}, "upload-not-found"),
    ],
)
def test_what_is_not_signed(gateway: Gateway, body: dict[str, Any], expected: str) -> None:
    """No other request than Uppy's, no other key than a sealed one beside S3's id."""
    answer = sign(gateway, **body)

    assert code(answer) == expected
    assert answer.json()["message"]


def test_only_where_the_tenant_lists_it(gateway: Gateway) -> None:
    """`uppy` alone is not enough, nor is `uppy-sign` for the other paths."""
    answers = [
        sign(gateway, method="PUT", key="one.txt", tenant="free"),
        gateway.call("GET", "/s3/params?filename=a", tenant="signs"),
    ]

    assert [code(answer) for answer in answers] == ["request-invalid"] * 2
    assert all("POST /uploads" in answer.json()["message"] for answer in answers)


def test_s3s_id_counts_only_beside_its_own_sealed_key(gateway: Gateway) -> None:
    """Another upload's id under one's own key is refused, by us or by S3; so is another tenant's key."""
    mine = begin(gateway, "mine.txt")
    other = begin(gateway, "other.txt", tenant="signs-once")
    put(gateway, *other, 1, b"theirs", tenant="signs-once")

    mixed = [
        sign(gateway, method="PUT", key=mine[0], uploadId=other[1], partNumber=1),
        sign(gateway, method="POST", key=mine[0], uploadId=other[1]),
        sign(gateway, method="PUT", key=other[0], uploadId=other[1], partNumber=1),
        sign(gateway, method="POST", key=other[0], uploadId=other[1]),
        sign(gateway, method="GET", key=other[0], uploadId=other[1]),
        sign(gateway, method="DELETE", key=other[0], uploadId=other[1]),
    ]
    at_s3 = [
        gateway.s3.get(sign(gateway, method="GET", key=mine[0], uploadId=other[1]).json()["url"]),
        gateway.s3.delete(sign(gateway, method="DELETE", key=mine[0], uploadId=other[1]).json()["url"]),
    ]

    assert [code(answer) for answer in mixed] == ["upload-not-found"] * 6
    assert [answer.status_code for answer in at_s3] == [404, 404]
    kept = sign(gateway, method="GET", key=other[0], uploadId=other[1], tenant="signs-once").json()["url"]
    assert gateway.s3.get(kept).text.count("<PartNumber>") == 1
