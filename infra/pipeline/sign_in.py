#!/usr/bin/env python3
"""Exchanges a workflow's OpenID Connect token for an hour's credentials of AWS, without any action of anybody's.

    AWS_ROLE=arn:… python infra/pipeline/sign_in.py FILE

GitHub tells a job with `id-token: write` where to ask for the token (GitHub Docs, "OpenID Connect reference"). The
credentials go to a file that only this user can read, which AWS_SHARED_CREDENTIALS_FILE then names; nothing is printed.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path

import boto3
from botocore import UNSIGNED
from botocore.config import Config

AUDIENCE = "sts.amazonaws.com"


def main() -> int:
    """0; raises what was wrong, without a word of a credential."""
    url = f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={AUDIENCE}"
    asked = urllib.request.Request(
        url, headers={"Authorization": f"Bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as response:
        token = json.load(response)["value"]
    client = boto3.client(
        "sts", region_name=os.environ.get("AWS_REGION", "us-east-1"), config=Config(signature_version=UNSIGNED)
    )
    found = client.assume_role_with_web_identity(
        RoleArn=os.environ["AWS_ROLE"], RoleSessionName="pipeline", WebIdentityToken=token, DurationSeconds=3600
    )["Credentials"]
    text = "[default]\n" + "".join(
        f"aws_{name} = {found[member]}\n"
        for name, member in (
            ("access_key_id", "AccessKeyId"),
            ("secret_access_key", "SecretAccessKey"),
            ("session_token", "SessionToken"),
        )
    )
    file = Path(sys.argv[1])
    file.touch(mode=0o600)
    file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
