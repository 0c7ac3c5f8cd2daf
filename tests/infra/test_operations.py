"""The stage's own work: what each function of it may do, where what fails goes, and that the stacks fit together."""

import json
from typing import Any

import pytest

from gateway.server.admin.lambda_handler import AdminFunctionSettings
from gateway.upkeep.publisher import PublisherFunctionSettings
from presigner.lambda_settings import LambdaSettings
from tests.infra.deployed import Deployed
from tests.infra.iam import Call, allowed
from tests.infra.templates import of_type, references, template

OPERATIONS, REGIONAL = template("operations"), template("regional")
STACK = Deployed(OPERATIONS, Upkeep="true", EdgeKeyId="k1", TraceAccessPolicyArn="", AlarmTopicArn="")
PARENT = Deployed(REGIONAL, DataRoles="arn:aws:iam::111122223333:role/reader")
BUCKET, OBJECT = "arn:aws:s3:::UploadBucket", "arn:aws:s3:::UploadBucket/acme/a.txt"
DOCUMENTS = "arn:aws:s3:::Documents"
FUNCTIONS = of_type(OPERATIONS, "AWS::Serverless::Function")
ASYNCHRONOUS = ("Sweeper", "Reconciler", "Publisher")

LOOKING = (
    *((f"s3:{verb}", OBJECT) for verb in ("GetObject", "AbortMultipartUpload", "ListMultipartUploadParts")),
    *((f"s3:{verb}", BUCKET) for verb in ("ListBucket", "ListBucketMultipartUploads")),
)
CALLS = [
    *((role, *call) for role in ("SweeperRole", "ReconcilerRole") for call in LOOKING),
    *(("PublisherRole", f"s3:{verb}", f"{DOCUMENTS}/tenants/acme") for verb in ("GetObject", "PutObject")),
    ("PublisherRole", "s3:ListBucket", DOCUMENTS),
]
ALL = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]


def statements(role: str) -> list[dict[str, Any]]:
    """What a role's own policies say, but for those that the stack around it makes."""
    resources = OPERATIONS["Resources"]
    documents = [policy["PolicyDocument"] for policy in resources[role]["Properties"]["Policies"]]
    documents += [
        resource["Properties"]["PolicyDocument"]
        for resource in of_type(OPERATIONS, "AWS::IAM::RolePolicy").values()
        if resource["Properties"]["RoleName"] == {"Ref": role}
    ]
    return [statement for document in documents for statement in STACK.fill(document)["Statement"]]


def may(role: str, action: str, resource: str, identity: list[dict[str, Any]] | None = None) -> bool:
    """Whether a role of the nested stack may, with the bucket's policy of the stack around it."""
    call = Call(who=f"arn:aws:iam::111122223333:role/{role}", action=action, resource=resource, context={})
    bucket = PARENT.bucket_policy() if "UploadBucket" in resource else []
    return allowed(call, statements(role) if identity is None else identity, bucket)


@pytest.mark.parametrize(("role", "action", "resource"), CALLS)
def test_a_role_may_do_what_its_function_does(role: str, action: str, resource: str) -> None:
    """Looks, lists and aborts of the sweeper and the reconciler; the publisher's documents."""
    assert may(role, action, resource)


@pytest.mark.parametrize("role", ["SweeperRole", "ReconcilerRole", "PublisherRole", "AdminRole"])
def test_nobody_here_writes_or_deletes_an_upload(role: str) -> None:
    """Neither by its own policies, nor by the bucket's if they allowed everything."""
    verbs = ("PutObject", "DeleteObject", "DeleteObjectVersion", "PutObjectTagging", "PutObjectAcl")

    assert not any(may(role, f"s3:{verb}", OBJECT) for verb in verbs)
    assert not any(may(role, f"s3:{verb}", OBJECT, ALL) for verb in verbs)
    assert not any(may(role, f"s3:{verb}", BUCKET) for verb in ("PutBucketPolicy", "DeleteBucket"))


def test_the_admins_role_reaches_no_bucket() -> None:
    """It has the table, by the stores' policy, and its log."""
    assert [statement["Action"] for statement in statements("AdminRole")] == [
        ["logs:CreateLogStream", "logs:PutLogEvents"]
    ]


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_what_fails_for_good_is_kept(name: str) -> None:
    """A function nobody waits for says how often and how long it is tried, and where the event goes then."""
    function = FUNCTIONS[f"{name}Function"]["Properties"]
    invoked, target = function["EventInvokeConfig"], OPERATIONS["Resources"][f"{name}Schedule"]["Properties"]["Target"]
    failures = {"Fn::GetAtt": ["Failures", "Arn"]}

    assert set(invoked) == {"MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig"}
    assert invoked["DestinationConfig"]["OnFailure"] == {"Type": "SQS", "Destination": failures}
    assert target["DeadLetterConfig"] == {"Arn": failures}
    assert set(target["RetryPolicy"]) == {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"}
    assert "Failures" in references(of_type(OPERATIONS, "AWS::CloudWatch::Alarm"))
    assert "sqs:SendMessage" in [statement["Action"] for statement in statements(f"{name}Role")]


def test_the_stream_brings_what_the_publisher_reads() -> None:
    """Policies in force and tenants' lists of keys, by the names that the table gives them; failures are kept."""
    stream = OPERATIONS["Resources"]["PublisherStream"]["Properties"]
    keys = [json.loads(each["Pattern"])["dynamodb"]["Keys"] for each in stream["FilterCriteria"]["Filters"]]

    assert [each["pk"]["S"] for each in keys] == [[{"prefix": "policy#"}], [{"prefix": "keys#"}]]
    assert keys[0]["sk"]["S"] == ["now"]
    assert stream["DestinationConfig"]["OnFailure"] == {"Destination": {"Fn::GetAtt": ["Failures", "Arn"]}}
    assert REGIONAL["Resources"]["Table"]["Properties"]["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}


def test_the_stack_around_it_says_every_parameter() -> None:
    """And asks for outputs that there are."""
    nested = REGIONAL["Resources"]["Operations"]["Properties"]
    asked = {name.removeprefix("Operations.Outputs.") for name in _attributes(REGIONAL) if "Operations.Outputs" in name}

    assert set(nested["Parameters"]) == set(OPERATIONS["Parameters"])
    assert asked == set(OPERATIONS["Outputs"])
    assert nested["Location"] == "operations.yaml"


def _attributes(value: Any) -> set[str]:
    """Everything that `Fn::GetAtt` asks for."""
    if isinstance(value, dict):
        own = {".".join(value["Fn::GetAtt"])} if "Fn::GetAtt" in value else set()
        return own.union(*map(_attributes, value.values()))
    return set().union(*map(_attributes, value)) if isinstance(value, list) else set()


VALUES = {
    "UPLOAD_GATEWAY_ISSUERS": "[]",
    "UPLOAD_GATEWAY_OPERATORS": '[{"issuer": "https://staff.example", "audience": ["admin"]}]',
    "UPLOAD_GATEWAY_CORS__ORIGINS": "",
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Sweeper", LambdaSettings),
        ("Reconciler", LambdaSettings),
        ("Publisher", PublisherFunctionSettings),
        ("Admin", AdminFunctionSettings),
    ],
)
def test_a_function_of_the_operations_can_read_its_environment(name: str, settings: Any) -> None:
    """The variables of the template, with values of their kind, are settings that the function takes."""
    variables = FUNCTIONS[f"{name}Function"]["Properties"]["Environment"]["Variables"]
    environment = {key: VALUES.get(key, "some-name") for key in variables}

    assert isinstance(settings.from_environment({**environment, "AWS_REGION": "eu-central-1"}), settings)


@pytest.mark.parametrize("document", [REGIONAL, OPERATIONS])
def test_functions_that_clients_wait_for_start_from_a_snapshot(document: dict[str, Any]) -> None:
    """A version for each change, an alias that the API calls, less time than API Gateway has; the others need none."""
    permissions = of_type(document, "AWS::Lambda::Permission").values()
    called = {each["Properties"]["FunctionName"]["Ref"].removesuffix(".Alias") for each in permissions}
    for name, function in of_type(document, "AWS::Serverless::Function").items():
        properties = function["Properties"]
        snapshot = {"SnapStart", "AutoPublishAlias", "AutoPublishAliasAllProperties"} & set(properties)

        assert len(snapshot) == (3 if name in called else 0)
        assert name not in called or properties["Timeout"] < 29
        assert properties["Architectures"] == ["arm64"]
