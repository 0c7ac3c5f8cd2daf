"""What nobody may do, however they ask: at least sixty attacks a role, each denied by the policies as deployed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from tests.infra import recorded
from tests.infra.deployed import Deployed
from tests.infra.iam import ACCOUNT, Call, allowed
from tests.infra.roles import BUCKET, DISTRIBUTION, DOCUMENTS, KEY, READER, REGIONAL, ROLES, TABLE, Role, may
from tests.infra.templates import template

OBJECT, ELSEWHERE = f"{BUCKET}/acme/a/b.txt", "arn:aws:s3:::another-bucket"
CLOUDFRONT = "cloudfront.amazonaws.com"
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:role/admin"
EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
UPLOADERS = ("ProxyRole", "SignerRole")

ON_OBJECTS = (
    "AbortMultipartUpload", "BypassGovernanceRetention", "DeleteObject", "DeleteObjectTagging", "DeleteObjectVersion",
    "DeleteObjectVersionTagging", "GetObject", "GetObjectAcl", "GetObjectAttributes", "GetObjectLegalHold",
    "GetObjectRetention", "GetObjectTagging", "GetObjectTorrent", "GetObjectVersion", "GetObjectVersionAcl",
    "GetObjectVersionTagging", "InitiateReplication", "ListMultipartUploadParts", "ObjectOwnerOverrideToBucketOwner",
    "PutObject", "PutObjectAcl", "PutObjectLegalHold", "PutObjectRetention", "PutObjectTagging", "PutObjectVersionAcl",
    "PutObjectVersionTagging", "ReplicateDelete", "ReplicateObject", "ReplicateTags", "RestoreObject",
)  # fmt: skip
ON_BUCKETS = (
    "CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "DeleteBucketWebsite", "GetBucketAcl", "GetBucketCORS",
    "GetBucketLocation", "GetBucketLogging", "GetBucketPolicy", "GetBucketVersioning", "GetLifecycleConfiguration",
    "ListBucket", "ListBucketMultipartUploads", "ListBucketVersions", "PutAccelerateConfiguration", "PutBucketAcl",
    "PutBucketCORS", "PutBucketLogging", "PutBucketNotification", "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls", "PutBucketPolicy", "PutBucketPublicAccessBlock", "PutBucketRequestPayment",
    "PutBucketTagging", "PutBucketVersioning", "PutBucketWebsite", "PutEncryptionConfiguration",
    "PutInventoryConfiguration", "PutLifecycleConfiguration", "PutReplicationConfiguration",
)  # fmt: skip
ON_TABLES = (
    "BatchGetItem", "BatchWriteItem", "CreateBackup", "DeleteItem", "DeleteTable", "ExportTableToPointInTime",
    "GetItem", "PartiQLDelete", "PartiQLSelect", "PutItem", "Query", "RestoreTableFromBackup", "Scan", "UpdateItem",
    "UpdateTable", "UpdateTimeToLive",
)  # fmt: skip
BEYOND = (
    ("sts:AssumeRole", ADMINISTRATOR),
    ("sts:AssumeRole", "arn:aws:iam::444455556666:role/SignerRole"),
    ("sts:GetFederationToken", "*"),
    ("iam:PassRole", ADMINISTRATOR),
    ("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/x"),
    ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/SignerRole"),
    ("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/SignerRole"),
    ("ssm:GetParameter", f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/other"),
    ("ssm:GetParameter", f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/upload-gateway/sealing-of-another"),
    ("ssm:PutParameter", f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/upload-gateway/sealing"),
    ("kms:Decrypt", KEY.replace("key/k", "key/another")),
    ("kms:PutKeyPolicy", KEY),
    ("kms:ScheduleKeyDeletion", KEY),
    ("lambda:UpdateFunctionCode", f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:presigner"),
    ("lambda:InvokeFunction", f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:presigner"),
    ("logs:PutLogEvents", f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:other:*"),
    ("logs:DeleteLogGroup", f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:PresignerLog:*"),
    ("cloudfront:UpdateDistribution", DISTRIBUTION),
)


@dataclass(frozen=True, slots=True)
class Attack:
    """A call that must be denied, and how it is made."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        how = ",".join(f"{name}={value}" for name, value in self.context.items())
        return " ".join(part for part in (self.action, self.resource, how) if part)


def of_the_role(role: Role) -> set[tuple[str, str]]:
    """What the code does by this role, on the resources that the attacks name."""
    return {
        (action, role.resource(named))
        for action, named, _ in map(recorded.parsed, recorded.load().get(role.name, []))
        if named in {"object", "bucket", "table"}
    }


def attacks(role: Role) -> Iterator[Attack]:
    """Everything but the role's own calls, on its bucket and table and on others; and its own calls made wrongly."""
    own = of_the_role(role)
    ours = (OBJECT, f"{BUCKET}/globex/secret.pdf", f"{DOCUMENTS}/root", f"{ELSEWHERE}/acme/a")
    for action in ON_OBJECTS:
        for place in ours:
            if (f"s3:{action}", role.resource("object")) not in own or not place.startswith(_reach(role)):
                yield Attack(f"s3:{action}", place)
    for action in ON_BUCKETS:
        for place in (BUCKET, DOCUMENTS, ELSEWHERE):
            if (f"s3:{action}", place) not in own:
                yield Attack(f"s3:{action}", place)
    for action in ON_TABLES:
        for place in (TABLE, TABLE.replace("Table", "AnotherStage")):
            if (f"dynamodb:{action}", place) not in own:
                yield Attack(f"dynamodb:{action}", place)
    yield from (Attack(*each) for each in BEYOND)
    yield from made_wrongly(role)


def _reach(role: Role) -> str:
    """Where a role's objects are: the bucket of uploads, or the edge's documents."""
    return role.resource("object").partition("/")[0] + "/"


WRONG_WAYS: tuple[Mapping[str, str], ...] = (
    {"aws:SecureTransport": "false"},
    {"s3:authType": "REST-QUERY-STRING", "s3:signatureAge": "3600001"},
    {"s3:authType": "POST", "s3:signatureAge": "604800000"},
    {"s3:signatureversion": "AWS"},
)


def made_wrongly(role: Role) -> Iterator[Attack]:
    """Calls of its own without TLS, by old signatures and by those of version 2; and an uploader's copies."""
    for action, place in sorted(of_the_role(role)):
        if not place.startswith(f"{BUCKET}/"):
            continue
        yield from (Attack(action, place, way) for way in WRONG_WAYS)
    if role.name in UPLOADERS:
        for source in ("another-bucket/secret", "UploadBucket/globex/secret.pdf"):
            yield Attack("s3:PutObject", OBJECT, {"s3:x-amz-copy-source": source})


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_a_role_is_denied_everything_else(role: Role) -> None:
    """Deletes, reads, ACLs, tags, versions, policies; other buckets, tables, roles and keys; made in the wrong way."""
    tried = list(attacks(role))

    assert len({str(attack) for attack in tried}) >= 60
    assert [str(attack) for attack in tried if may(role, attack.action, attack.resource, attack.context)] == []


@pytest.mark.parametrize(
    ("identity", "who"),
    [(EVERYTHING, ADMINISTRATOR), ([], "anonymous"), (EVERYTHING, "arn:aws:iam::444455556666:root")],
)
def test_nobody_else_touches_an_object(identity: list[dict[str, object]], who: str) -> None:
    """Not an administrator whose own policy allows everything, not a stranger, not another account."""
    calls = [Call(who=who, action=f"s3:{action}", resource=OBJECT) for action in ON_OBJECTS]

    assert [call.action for call in calls if allowed(call, identity, REGIONAL.bucket_policy())] == []


@pytest.mark.parametrize("action", ON_OBJECTS)
def test_only_our_distribution_puts(action: str) -> None:
    """CloudFront is one service for all its customers; the distribution's ARN tells ours, and it does nothing else."""
    for context, expected in (
        ({"aws:SourceArn": DISTRIBUTION}, action == "PutObject"),
        ({"aws:SourceArn": DISTRIBUTION, "aws:SecureTransport": "false"}, False),
        ({"aws:SourceArn": DISTRIBUTION.replace("E1", "E2")}, False),
        ({"aws:SourceArn": DISTRIBUTION.replace(ACCOUNT, "444455556666")}, False),
        ({}, False),
    ):
        call = Call(who=CLOUDFRONT, action=f"s3:{action}", resource=OBJECT, context=context)

        assert allowed(call, [], REGIONAL.bucket_policy()) is expected


def test_the_distribution_has_no_other_bucket_and_no_other_service_this_one() -> None:
    """What another service does in its own name is not ours to allow."""
    context = {"aws:SourceArn": DISTRIBUTION}
    for who, place in ((CLOUDFRONT, BUCKET), ("logging.s3.amazonaws.com", OBJECT), ("s3.amazonaws.com", OBJECT)):
        assert not allowed(
            Call(who=who, action="s3:PutObject", resource=place, context=context), [], REGIONAL.bucket_policy()
        )


def test_a_young_signature_and_a_long_upload_pass() -> None:
    """The bound is on URLs and forms, to the millisecond; requests that we sign ourselves have no age that counts."""
    young = {"s3:authType": "REST-QUERY-STRING", "s3:signatureAge": "3600000"}

    assert may(ROLES["SignerRole"], "s3:PutObject", OBJECT, young)
    assert may(ROLES["ProxyRole"], "s3:PutObject", OBJECT, {"s3:authType": "REST-HEADER", "s3:signatureAge": "3600001"})


@pytest.mark.parametrize("action", [*ON_OBJECTS, *ON_BUCKETS])
def test_nobody_is_served_without_tls(action: str) -> None:
    """Not even whoever may do everything: the bucket's own policy denies it, on the bucket and on its objects."""
    place = OBJECT if action in ON_OBJECTS else BUCKET
    for who in (READER, ADMINISTRATOR, *(role.arn for role in ROLES.values())):
        plain = Call(who=who, action=f"s3:{action}", resource=place, context={"aws:SecureTransport": "false"})

        assert not allowed(plain, EVERYTHING, REGIONAL.bucket_policy())


def test_those_who_are_named_read_and_delete() -> None:
    """A role of `DataRoles` may do what its own policies say."""
    for action in ("GetObject", "DeleteObject"):
        assert allowed(Call(who=READER, action=f"s3:{action}", resource=OBJECT), EVERYTHING, REGIONAL.bucket_policy())


@pytest.mark.parametrize("role", [*UPLOADERS, "CompleterRole"])
def test_a_stage_may_refuse_every_replacement(role: str) -> None:
    """With `CreateOnly` S3 itself demands the condition, but not of what creates no object."""
    strict = Deployed(template("regional"), CreateOnly="true")
    for context, expected in (
        ({"s3:ObjectCreationOperation": "true"}, False),
        ({"s3:ObjectCreationOperation": "true", "s3:if-none-match": "*"}, True),
        ({"s3:ObjectCreationOperation": "false"}, True),
    ):
        call = Call(who=ROLES[role].arn, action="s3:PutObject", resource=OBJECT, context=context)

        assert allowed(call, strict.statements(role), strict.bucket_policy()) is expected


@pytest.mark.parametrize("parameter", ["Proxy", "Presigner"])
def test_a_backend_that_is_off_leaves_no_hole(parameter: str) -> None:
    """Its roles are not there, and the other's are as narrow as before."""
    off = Deployed(template("regional"), **{parameter: "false"})
    gone = {"Proxy": ("ProxyRole",), "Presigner": ("SignerRole", "CompleterRole")}[parameter]
    for name in gone:
        call = Call(who=ROLES[name].arn, action="s3:PutObject", resource=OBJECT)

        assert not allowed(call, EVERYTHING, off.bucket_policy())
