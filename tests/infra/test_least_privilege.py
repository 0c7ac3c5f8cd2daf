"""Each role of the templates against the calls that the code makes, and against what nobody may do."""

import pytest

from gateway.tenants.dynamodb.schema import ACTIONS
from tests.infra.deployed import Deployed
from tests.infra.iam import Call, allowed
from tests.infra.templates import template

DISTRIBUTION = "arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE"
READER = "arn:aws:iam::111122223333:role/reader"
STACK = Deployed(
    template("regional"), EdgeDistributionArn=DISTRIBUTION, CreateOnly="false", DataRoles=READER, KmsKeyArn="arn:kms"
)
BUCKET, OBJECT = "arn:aws:s3:::UploadBucket", "arn:aws:s3:::UploadBucket/acme/a/b.txt"
TABLE = "arn:aws:dynamodb:eu-central-1:111122223333:table/Table"
CLOUDFRONT = "cloudfront.amazonaws.com"
ROLES = ("ProxyRole", "AuthorizerRole", "PresignerRole", "SignerRole", "CompleterRole")
UPLOADERS = ("ProxyRole", "SignerRole")
ADMINISTRATOR = "arn:aws:iam::111122223333:role/admin"
EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


def may(who: str, action: str, resource: str, **context: str) -> bool:
    """Whether a role (by its logical id), a service or the administrator may."""
    keys = {name.replace("__", ":", 1).replace("_", "-"): value for name, value in context.items()}
    arn = f"arn:aws:iam::111122223333:role/{who}" if who in ROLES else who
    identity = STACK.statements(who) if who in ROLES else EVERYTHING if who in {ADMINISTRATOR, READER} else []
    return allowed(Call(who=arn, action=action, resource=resource, context=keys), identity, STACK.bucket_policy())


STORE = [(role, action, place) for role in ROLES[1:3] for action in ACTIONS for place in (TABLE, f"{TABLE}/index/due")]
CALLS = [
    ("ProxyRole", "s3:PutObject", OBJECT),
    ("SignerRole", "s3:PutObject", OBJECT),  # objects and parts
    *(  # gateway.storage.multipart: create and complete, list the parts, abort, look, list uploads
        ("CompleterRole", f"s3:{action}", OBJECT)
        for action in ("PutObject", "ListMultipartUploadParts", "AbortMultipartUpload", "GetObject")
    ),
    ("CompleterRole", "s3:ListBucketMultipartUploads", BUCKET),
    ("CompleterRole", "s3:ListBucket", BUCKET),  # without it HeadObject says 403 of what is not there
    ("PresignerRole", "sts:AssumeRole", "arn:aws:iam::111122223333:role/SignerRole"),
    ("PresignerRole", "sts:AssumeRole", "arn:aws:iam::111122223333:role/CompleterRole"),
    (
        "PresignerRole",
        "ssm:GetParameter",
        "arn:aws:ssm:eu-central-1:111122223333:parameter/upload-gateway/sealing",
    ),
    *(
        (f"{name}Role", f"logs:{action}", f"arn:aws:logs:eu-central-1:111122223333:log-group:{name}Log:*")
        for name in ("Authorizer", "Presigner")
        for action in ("CreateLogStream", "PutLogEvents")
    ),
    *((role, f"kms:{a}", "arn:kms") for role in (*UPLOADERS, "CompleterRole") for a in ("GenerateDataKey", "Decrypt")),
    *STORE,
]


@pytest.mark.parametrize(("role", "action", "resource"), CALLS)
def test_a_role_may_do_what_the_code_does(role: str, action: str, resource: str) -> None:
    """Every call of ours is allowed."""
    assert may(role, action, resource)


def test_a_role_may_do_nothing_else() -> None:
    """What the policies allow is the list of calls, action by action."""
    made = {(role, action) for role, action, _ in CALLS}
    granted = {
        (role, action)
        for role in ROLES
        for statement in STACK.statements(role)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert granted == made


DESTRUCTIVE = (
    "DeleteObject", "DeleteObjectVersion", "DeleteObjectTagging", "PutObjectAcl", "PutObjectVersionAcl",
    "PutObjectTagging", "PutObjectRetention", "PutObjectLegalHold", "BypassGovernanceRetention", "RestoreObject",
    "GetObjectAcl", "GetObjectTagging", "GetObjectVersion", "GetObjectTorrent", "ReplicateObject",
)  # fmt: skip
ON_THE_BUCKET = (
    "DeleteBucket", "PutBucketPolicy", "DeleteBucketPolicy", "PutBucketAcl", "PutBucketCORS", "PutBucketVersioning",
    "PutLifecycleConfiguration", "PutBucketPublicAccessBlock", "PutEncryptionConfiguration", "ListBucketVersions",
)  # fmt: skip
ATTACKS = [
    *((role, f"s3:{action}", OBJECT) for role in ROLES for action in DESTRUCTIVE),
    *((role, f"s3:{action}", BUCKET) for role in ROLES for action in ON_THE_BUCKET),
    *((role, "s3:GetObject", OBJECT) for role in ROLES if role != "CompleterRole"),
    *((role, "s3:ListBucket", BUCKET) for role in ROLES if role != "CompleterRole"),
    *((role, "s3:PutObject", "arn:aws:s3:::another-bucket/acme/a") for role in ROLES),
    *((role, "s3:GetObject", "arn:aws:s3:::another-bucket/acme/a") for role in ROLES),
    *((role, "s3:PutObject", OBJECT) for role in ("AuthorizerRole", "PresignerRole")),
    *((role, "dynamodb:GetItem", TABLE) for role in (*UPLOADERS, "CompleterRole")),
    *(
        (role, f"dynamodb:{a}", TABLE)
        for role in ROLES
        for a in ("DeleteTable", "Scan", "UpdateTable", "ExportTableToS3")
    ),
    *((role, "dynamodb:GetItem", TABLE.replace("Table", "Other")) for role in ROLES),
    *((role, "sts:AssumeRole", ADMINISTRATOR) for role in ROLES),
    *((role, "iam:PassRole", ADMINISTRATOR) for role in ROLES),
    *((role, "ssm:GetParameter", "arn:aws:ssm:eu-central-1:111122223333:parameter/other") for role in ROLES),
    *(
        (who, f"s3:{action}", OBJECT)
        for who in (ADMINISTRATOR,)
        for action in ("GetObject", "PutObject", "DeleteObject")
    ),
    ("*anonymous*", "s3:GetObject", OBJECT),
    ("*anonymous*", "s3:PutObject", OBJECT),
    *((CLOUDFRONT, f"s3:{action}", OBJECT) for action in ("PutObject", "GetObject", "DeleteObject", "PutObjectAcl")),
]


@pytest.mark.parametrize(("who", "action", "resource"), ATTACKS)
def test_nobody_may_do_anything_else(who: str, action: str, resource: str) -> None:
    """Deletes, reads, ACLs, other buckets, other tables, other roles: all denied."""
    assert not may(who, action, resource)


OLD = {"s3__authType": "REST-QUERY-STRING", "s3__signatureAge": "3600001"}


@pytest.mark.parametrize("role", [*UPLOADERS, "CompleterRole"])
@pytest.mark.parametrize(
    "context",
    [{"aws__SecureTransport": "false"}, OLD, {**OLD, "s3__authType": "POST"}, {"s3__signatureversion": "AWS"}],
)
def test_how_a_call_is_made_counts_too(role: str, context: dict[str, str]) -> None:
    """Without TLS, with an old signature or with one of version 2, not even our own calls pass."""
    assert not may(role, "s3:PutObject", OBJECT, **context)


@pytest.mark.parametrize("role", UPLOADERS)
def test_an_uploader_copies_nothing(role: str) -> None:
    """PutObject is also the right to be a copy's destination."""
    assert not may(role, "s3:PutObject", OBJECT, s3__x_amz_copy_source="elsewhere/secret")


def test_a_young_signature_and_a_long_upload_pass() -> None:
    """The bound is on URLs and forms, to the millisecond; requests that we sign ourselves have no age that counts."""
    assert may("SignerRole", "s3:PutObject", OBJECT, **{**OLD, "s3__signatureAge": "3600000"})
    assert may("ProxyRole", "s3:PutObject", OBJECT, **{**OLD, "s3__authType": "REST-HEADER"})


def test_only_our_distribution_puts() -> None:
    """CloudFront is one service for all its customers; the distribution's ARN tells ours."""
    assert may(CLOUDFRONT, "s3:PutObject", OBJECT, aws__SourceArn=DISTRIBUTION)
    assert not may(CLOUDFRONT, "s3:PutObject", OBJECT, aws__SourceArn=DISTRIBUTION.replace("E1", "E2"))
    assert not may(CLOUDFRONT, "s3:GetObject", OBJECT, aws__SourceArn=DISTRIBUTION)


def test_those_who_are_named_read_and_delete() -> None:
    """A role of `DataRoles` may do what its own policies say."""
    assert may(READER, "s3:GetObject", OBJECT)
    assert may(READER, "s3:DeleteObject", OBJECT)


def test_a_stage_may_refuse_every_replacement() -> None:
    """With `CreateOnly` S3 itself demands the condition, but not of what creates no object."""
    strict = Deployed(template("regional"), CreateOnly="true")
    role = "arn:aws:iam::111122223333:role/SignerRole"
    for context, expected in (
        ({"s3:ObjectCreationOperation": "true"}, False),
        ({"s3:ObjectCreationOperation": "true", "s3:if-none-match": "*"}, True),
        ({"s3:ObjectCreationOperation": "false"}, True),
    ):
        call = Call(who=role, action="s3:PutObject", resource=OBJECT, context=context)

        assert allowed(call, strict.statements("SignerRole"), strict.bucket_policy()) is expected
