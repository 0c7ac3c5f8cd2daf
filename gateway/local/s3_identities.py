"""Who may do what in the embedded S3: identities of least authority, generated once and kept.

Owns their keys (`DIR/s3-keys.json`, private) and the identity file that SeaweedFS reads. The rules are written as the
IAM policies that the same ones would have on AWS, as far as SeaweedFS tells actions apart: it puts completing a
multipart upload under `s3:PutObject`, as AWS does, and lets everyone list the names of the buckets they may use.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gateway.local.errors import DemoError
from gateway.local.files import read_object, write_object
from gateway.storage.sigv4 import Credentials

_VERSION: Final = "2012-10-17"
"""Of the IAM policy language."""

_UPLOADING: Final = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")

_ACCOUNT: Final = "000000000000"

UPLOADS_ROLE: Final = f"arn:aws:iam::{_ACCOUNT}:role/uploads"
"""What the signer assumes to hand out narrower credentials."""

_NAMES: Final = ("signer", "completer", "operator", "publisher", "edge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Who signs URLs, who completes uploads, who sweeps and configures; who writes the edge's documents and reads them.

    The first three have nothing to do with the documents' bucket, the last two nothing with the objects'.
    """

    signer: Credentials
    completer: Credentials
    operator: Credentials
    publisher: Credentials
    edge: Credentials

    @classmethod
    def keep(cls, path: Path, token: Callable[[int], str]) -> Self:
        """Those kept in a file, or new ones kept there from now on; `token(n)` is n random bytes in hex."""
        kept = read_object(path) or {}
        if missing := [name for name in _NAMES if name not in kept]:
            kept |= {name: {"access_key": f"{name}-{token(6)}", "secret_key": token(24)} for name in missing}
            write_object(path, kept)
        try:
            return cls(**{name: Credentials(kept[name]["access_key"], kept[name]["secret_key"]) for name in _NAMES})
        except (KeyError, TypeError) as error:
            raise DemoError(f"{path} is damaged: delete it and start again.") from error

    def seaweed_config(self, bucket: str, documents: str) -> dict[str, Any]:
        """The document for `weed -s3.config`: each identity with its keys and its one policy.

        `documents` is the bucket of the edge's documents.
        """
        return {
            "identities": [
                # For a form SeaweedFS looks at actions only, for everything else at policies only where there are any.
                _identity("signer", self.signer, policies=["signer"], actions=[f"Write:{bucket}"]),
                _identity("completer", self.completer, policies=["completer"]),
                _identity("operator", self.operator, actions=["Admin"]),
                _identity("publisher", self.publisher, policies=["publisher"]),
                _identity("edge", self.edge, policies=["edge"]),
            ],
            "policies": [
                {"name": name, "content": json.dumps({"Version": _VERSION, "Statement": statements})}
                for name, statements in {**_policies(bucket), **_document_policies(documents)}.items()
            ],
        }

    def seaweed_roles(self, bucket: str, signing_key: str) -> dict[str, Any]:
        """The document for `weed -s3.iam.config`: the one role, which only the signer may assume.

        `signing_key` (base64) signs the sessions' tokens; what a session may do is cut to its own policy besides.
        """
        trusted = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{_ACCOUNT}:user/signer"}}
        allowed = {"Effect": "Allow", "Action": list(_UPLOADING), "Resource": [f"arn:aws:s3:::{bucket}/*"]}
        role = {
            "roleName": "uploads",
            "roleArn": UPLOADS_ROLE,
            "trustPolicy": {"Version": _VERSION, "Statement": [{**trusted, "Action": ["sts:AssumeRole"]}]},
            "attachedPolicies": ["uploads"],
        }
        return {
            "sts": {"tokenDuration": "1h", "maxSessionLength": "1h", "issuer": "demo", "signingKey": signing_key},
            "policy": {"defaultEffect": "Deny", "storeType": "memory"},
            "roles": [role],
            "policies": [{"name": "uploads", "document": {"Version": _VERSION, "Statement": [allowed]}}],
        }


def _identity(
    name: str, credentials: Credentials, *, policies: list[str] | None = None, actions: list[str] | None = None
) -> dict[str, Any]:
    keys = [{"accessKey": credentials.access_key, "secretKey": credentials.secret_key}]
    return {"name": name, "credentials": keys, "actions": actions or [], "policyNames": policies or []}


def _policies(bucket: str) -> dict[str, list[dict[str, Any]]]:
    objects, itself = f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"
    return {
        "signer": [
            {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [objects]},
            # SeaweedFS reads these two into s3:PutObject unless they are denied by name.
            {
                "Effect": "Deny",
                "Action": ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": [objects],
            },
        ],
        "completer": [
            {
                "Effect": "Allow",
                "Action": [
                    "s3:PutObject",
                    "s3:GetObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                "Resource": [objects],
            },
            {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"], "Resource": [itself]},
        ],
    }


def _document_policies(bucket: str) -> dict[str, list[dict[str, Any]]]:
    """The publisher replaces documents, the edge reads them; both may be told that one is not there (`ListBucket`)."""
    objects, itself = f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"
    listing = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [itself]}
    return {
        "publisher": [
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [objects]},
            listing,
        ],
        "edge": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [objects]}, listing],
    }
