"""A signed request to AWS as IAM sees it: who asks (an access key), the actions it needs, on what, and how.

Service Authorization Reference, "Actions, resources, and condition keys for" Amazon S3, Amazon DynamoDB, AWS STS and
AWS Systems Manager; Amazon S3 User Guide, "Required permissions for Amazon S3 API operations"; DynamoDB Developer
Guide, "Using IAM with DynamoDB transactions". A request that is not known here is an error, so that a new kind of call
can't go unseen.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

Headers = Mapping[str, str]

_SCOPE: Final = re.compile(r"([A-Za-z0-9-]+)/\d{8}/([a-z0-9-]+)/([a-z0-9]+)/aws4_request")


@dataclass(frozen=True, slots=True, order=True)
class Made:
    """One thing that a request does. `resource`: bucket, object, table, index, or what an identifier names.

    `how` are the request's condition keys that policies here ask about, sorted, as `name=value`.
    """

    key: str
    action: str
    resource: str
    how: tuple[str, ...] = ()


class UnknownCallError(Exception):
    """A request that nobody has said the actions of."""


def service_of(target: str, headers: Headers, body: bytes) -> tuple[str, str, str]:
    """The access key, the service, and how it was signed: by a header, in the query, or in a form."""
    query = dict(parse_qsl(urlsplit(target).query))
    form = b'name="x-amz-credential"' in body.lower()
    for text, how in (
        (headers.get("authorization", ""), "REST-HEADER"),
        (query.get("X-Amz-Credential", ""), "REST-QUERY-STRING"),
        (body.decode("latin-1") if form else "", "POST"),
    ):
        if found := _SCOPE.search(text):
            return found[1], found[3], how
    raise UnknownCallError(f"nobody signed {urlsplit(target).path}")


def calls_of(method: str, target: str, headers: Headers, body: bytes, status: int) -> list[Made]:
    """What a request does, its answer's status known; `headers` have names in lower case."""
    key, service, how = service_of(target, headers, body)
    if service == "s3":
        return [Made(key, *call) for call in _s3(method, target, headers, how, status)]
    if service == "dynamodb":
        return [Made(key, *call) for call in _dynamodb(headers["x-amz-target"].partition(".")[2], json.loads(body))]
    if service == "sts":
        asked = parse_qs(body.decode())
        return [Made(key, f"sts:{asked['Action'][0]}", asked["RoleArn"][0].rpartition("/")[2])]
    if service == "apigateway":
        kinds = urlsplit(target).path.strip("/").split("/")
        place = "/".join("*" if at % 2 else kind for at, kind in enumerate(kinds))
        return [Made(key, f"apigateway:{method}", f"apigateway /{place}")]
    if service == "ssm":
        return [Made(key, f"ssm:{headers['x-amz-target'].partition('.')[2]}", json.loads(body)["Name"])]
    raise UnknownCallError(f"a call of {service}")


# ---- S3: by method, sub-resource, and whether a key is there ----

_OBJECT: Final[Mapping[tuple[str, str], str]] = {
    ("GET", ""): "GetObject",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("HEAD", ""): "GetObject",
    ("PUT", ""): "PutObject",
    ("PUT", "uploadId"): "PutObject",
    ("POST", "uploads"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("DELETE", ""): "DeleteObject",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
}
_BUCKET: Final[Mapping[tuple[str, str], str]] = {
    ("GET", ""): "ListBucket",
    ("GET", "list-type"): "ListBucket",
    ("HEAD", ""): "ListBucket",
    ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "versions"): "ListBucketVersions",
    ("GET", "cors"): "GetBucketCORS",
    ("PUT", "cors"): "PutBucketCORS",
    ("GET", "lifecycle"): "GetLifecycleConfiguration",
    ("PUT", "lifecycle"): "PutLifecycleConfiguration",
}
_SUB: Final = ("uploadId", "uploads", "tagging", "acl", "list-type", "versions", "cors", "lifecycle")
_MORE: Final[Mapping[str, str]] = {
    "x-amz-acl": "PutObjectAcl",
    "x-amz-tagging": "PutObjectTagging",
    "x-amz-object-lock-mode": "PutObjectRetention",
    "x-amz-object-lock-legal-hold": "PutObjectLegalHold",
}
"""Headers of a put that need a right of their own."""


def _s3(method: str, target: str, headers: Headers, how: str, status: int) -> list[tuple[str, str, tuple[str, ...]]]:
    split = urlsplit(target)
    query = dict(parse_qsl(split.query, keep_blank_values=True))
    sub = next((name for name in _SUB if name in query), "")
    signed = (f"s3:authType={how}",)
    if how == "POST":
        return [("s3:PutObject", "object", signed)]
    is_object = split.path.strip("/").count("/") > 0
    known = _OBJECT if is_object else _BUCKET
    if (method, sub) not in known or "versionId" in query:
        raise UnknownCallError(f"{method} of {'an object' if is_object else 'a bucket'} with {sub or 'nothing'}")
    action = known[method, sub]
    if not is_object:
        return [(f"s3:{action}", "bucket", signed)]
    done = [(f"s3:{action}", "object", (*signed, *_creating(action, sub, method, headers)))]
    done += [(f"s3:{right}", "object", signed) for name, right in _MORE.items() if name in headers]
    if "x-amz-copy-source" in headers:
        done.append(("s3:GetObject", "another object", signed))
    if status == 404 and action == "GetObject":
        done.append(("s3:ListBucket", "bucket", signed))  # without it S3 says 403 of what is not there
    return done


def _creating(action: str, sub: str, method: str, headers: Headers) -> tuple[str, ...]:
    """Whether a put makes an object (S3 User Guide, "Enforce conditional writes"), and only if there is none."""
    if action != "PutObject":
        return ()
    creates = sub == "" or (sub == "uploadId" and method == "POST")
    found = [f"s3:ObjectCreationOperation={str(creates).lower()}"]
    found += [f"s3:if-none-match={headers['if-none-match']}"] if "if-none-match" in headers else []
    return tuple(found)


# ---- DynamoDB ----

_PARTS: Final[Mapping[str, str]] = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def _dynamodb(operation: str, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    if operation.startswith("Transact"):
        return [(f"dynamodb:{_PARTS[kind]}", "table") for part in asked["TransactItems"] for kind in part]
    return [(f"dynamodb:{operation}", f"index {asked['IndexName']}" if "IndexName" in asked else "table")]
