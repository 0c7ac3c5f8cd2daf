"""Credentials for clients that sign for themselves: what boto3 may do with them on the demo's real S3."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.s3_identities import UPLOADS_ROLE
from gateway.storage.sigv4 import Signer
from gateway.storage.sts import AssumedRole, StsRole
from gateway.storage.upstream import Timeouts, Upstream
from presigner.uppy.sts import session_policy
from tests.presigner.gateway import Gateway, code


def client(demo: dict[str, Any], credentials: dict[str, str]) -> Any:
    """boto3's own S3 client with what `/s3/sts` answered."""
    return boto3.client(
        "s3",
        endpoint_url=demo["s3_endpoint"],
        region_name=demo["region"],
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def refused(call: Callable[..., Any], **parameters: Any) -> bool:
    """Whether S3 denied it."""
    try:
        call(**parameters)
    except ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 403)
    return False


def test_boto3_uploads_under_the_prefix_and_nothing_else(gateway: Gateway) -> None:
    """Whole and in parts; no other tenant's key, and on its own keys no reading, listing, deleting or copying."""
    answer = gateway.call("GET", "/s3/sts", tenant="keys")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    s3, bucket = client(gateway.demo, said["credentials"]), said["bucket"]
    theirs = {"Bucket": bucket, "Key": "free/by-boto.txt"}
    own = {"Bucket": bucket, "Key": "keys/by-boto.txt"}
    operator = client(
        gateway.demo, {"AccessKeyId": gateway.demo["access_key"], "SecretAccessKey": gateway.demo["secret_key"]}
    )
    operator.put_object(**theirs, Body=b"theirs")
    their_id = operator.create_multipart_upload(**theirs)["UploadId"]

    s3.put_object(**own, Body=b"x")
    upload_id = s3.create_multipart_upload(**own)["UploadId"]
    etag = s3.upload_part(**own, UploadId=upload_id, PartNumber=1, Body=b"whole")["ETag"]
    s3.complete_multipart_upload(
        **own, UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
    )

    assert (answer.headers["cache-control"], said["region"]) == ("private, no-store", gateway.demo["region"])
    assert operator.get_object(**own)["Body"].read() == b"whole"
    source = f"{bucket}/{theirs['Key']}"
    denied = {
        "put": refused(s3.put_object, **theirs, Body=b"x"),
        "put beside": refused(s3.put_object, Bucket=bucket, Key="keys-not.txt", Body=b"x"),
        "create": refused(s3.create_multipart_upload, **theirs),
        "part": refused(s3.upload_part, **theirs, UploadId=their_id, PartNumber=1, Body=b"x"),
        "abort": refused(s3.abort_multipart_upload, **theirs, UploadId=their_id),
        "parts": refused(s3.list_parts, **theirs, UploadId=their_id),
        "get": refused(s3.get_object, **own),
        "get theirs": refused(s3.get_object, **theirs),
        "delete": refused(s3.delete_object, **own),
        "list": refused(s3.list_objects_v2, Bucket=bucket, Prefix="keys/"),
        "copy": refused(s3.copy_object, **own, CopySource=source),
        "acl": refused(s3.put_object_acl, **own, ACL="public-read"),
        "cors": refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": []}),
    }
    assert denied == dict.fromkeys(denied, True)


def test_a_key_with_the_subject_narrows_the_prefix(gateway: Gateway) -> None:
    """Where every key of the caller begins with its subject, so does what it may do."""
    said = gateway.call("GET", "/s3/sts", tenant="own-keys").json()
    s3 = client(gateway.demo, said["credentials"])

    s3.put_object(Bucket=said["bucket"], Key="own-keys/ann/a.txt", Body=b"x")

    assert refused(s3.put_object, Bucket=said["bucket"], Key="own-keys/bob/a.txt", Body=b"x")


def test_what_a_policy_can_not_hold_to_is_refused(gateway: Gateway) -> None:
    """A subject that IAM would read as a pattern; a tenant that does not list `sts`; a query."""
    answers = [
        gateway.call("GET", "/s3/sts", tenant="own-keys", subject="a*"),
        gateway.call("GET", "/s3/sts", tenant="free"),
        gateway.call("GET", "/s3/sts?x=1", tenant="keys"),
    ]

    assert [code(answer) for answer in answers] == ["request-invalid", "request-invalid", "query-not-allowed"]


@pytest.mark.parametrize("region", ["eu-central-1", "cn-north-1", "us-gov-west-1"])
def test_the_policy_names_its_partition(region: str) -> None:
    """An ARN of another partition than the bucket's allows nothing."""
    said = session_policy("acme/", "bucket", region)

    partition = {"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}.get(region, "aws")
    assert said["Statement"][0]["Resource"] == [f"arn:{partition}:s3:::bucket/acme/*"]
    assert "Delete" not in json.dumps(said)


@pytest.mark.parametrize(("who", "may"), [("signer", True), ("completer", False)])
def test_only_the_signer_assumes_the_role(store: EmbeddedS3, who: str, *, may: bool) -> None:
    """And what it gets ends when it says."""
    signer = Signer(getattr(store.identities, who), store.region)
    role = StsRole(url=f"{store.endpoint}/", arn=UPLOADS_ROLE)

    async def session() -> float | None:
        async with Upstream(timeouts=Timeouts()) as upstream:
            sts = AssumedRole(upstream=upstream, role=role, signer=signer, clock=time.time)
            made = await sts.session("t.acme", session_policy("acme/", store.bucket, store.region), 900)
            assert made.secret_key not in repr(made)
            return made.expires_at

    if may:
        ends = asyncio.run(session())
        assert ends is not None
        assert 850 < ends - time.time() <= 901
    else:
        with pytest.raises(OSError, match="403"):
            asyncio.run(session())
