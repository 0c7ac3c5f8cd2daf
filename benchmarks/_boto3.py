"""boto3 as the benchmarks hold ours against it: a client that signs by a clock that can be stopped."""

from typing import Any

import boto3
from botocore.auth import AUTH_TYPE_MAPS, S3SigV4QueryAuth
from botocore.config import Config

from gateway.storage.sigv4 import Credentials


def boto3_client(credentials: Credentials, region: str) -> Any:
    """A client of S3 with these credentials, which addresses buckets by host."""
    # botocore's own signer: with awscrt installed it would use that one, by a clock that nobody can stop.
    AUTH_TYPE_MAPS["s3v4-query"] = S3SigV4QueryAuth
    return boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    )
