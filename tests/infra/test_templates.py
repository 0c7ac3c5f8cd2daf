"""The templates walked: what each must have, and where they say what the code says."""

import json
import re
from typing import Any

import pytest

from edge_auth.deployable import faults
from gateway.cors import MAX_AGE
from gateway.functions.usage_plans_handler import UsagePlanSettings
from gateway.policy.problems import CATALOGUE, TYPE_PREFIX, Code
from gateway.proxy.definition import AUTHORIZER_URI, NAMED, PLANS, PRIVATE, ROLE, S3_URI
from gateway.proxy.lambda_handler import AuthorizerSettings
from gateway.server.carriages import LISTED_METADATA_KEYS, Limits, edge_headers, proxy_definition
from gateway.storage.cors import EXPOSED, METHODS
from gateway.tenants.dynamodb.schema import ACTIONS, DEFINITION, TTL
from presigner.lambda_settings import LambdaSettings
from tests.infra.deployed import Deployed
from tests.infra.templates import ROOT, of_type, references, template, walk

NAMES = ("account", "edge", "operations", "regional", "users")
REGIONAL, EDGE, USERS, OPERATIONS = (template(name) for name in ("regional", "edge", "users", "operations"))
FUNCTION = "AWS::Serverless::Function"

REASONS = {
    ("ObjectsKey", "kms:*"): "a key's policy lets the account's own policies decide, or nobody could ever change it",
    ("ObjectsKey", "*"): "in a key's policy this is the key itself",
    ("PresignerApi", "execute-api:/*"): "a private API's policy is about all of the API",
    **{
        (
            "UsagePlansRole",
            f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::/{kind}/*",
        ): "ids are API Gateway's own"
        for kind in ("apikeys", "usageplans")
    },
    ("TraceAccess", "*"): "X-Ray has no resources (Service Authorization Reference, AWS X-Ray)",
    ("PublisherPolicy", "*"): "dynamodb:ListStreams has no resource",
    ("PublisherPolicy", "${Documents.Arn}/*"): "the bucket holds nothing but documents",
    ("DocumentsPolicy", "s3:*"): "a statement that denies denies everything",
    ("DocumentsPolicy", "${Documents.Arn}/*"): "the bucket holds nothing but documents",
    **{
        (name, "arn:${AWS::Partition}:s3:::${UploadBucket}/*"): "whoever sweeps and compares looks at every tenant's"
        for name in ("SweeperRole", "ReconcilerRole")
    },
    ("UploadBucketPolicy", "s3:*"): "a statement that denies denies everything",
    ("StoreAccess", "${Table.Arn}/index/*"): "the table's own indexes",
    **{
        (name, "${UploadBucket.Arn}/*"): "keys begin with the tenant's prefix, and the bucket holds nothing but uploads"
        for name in ("UploadBucketPolicy", "ProxyRole", "SignerRole", "CompleterRole")
    },
    (
        "EdgeRole",
        "arn:${AWS::Partition}:logs:*:${AWS::AccountId}:log-group:/aws/lambda/us-east-1.${AWS::StackName}-*",
    ): "an edge function logs in the viewer's Region, and its name ends as CloudFormation likes",
}
"""Wildcards in policies, and why they are there."""


@pytest.mark.parametrize("name", NAMES)
def test_what_is_referred_to_exists(name: str) -> None:
    """Parameters and resources by their names, in resources and outputs."""
    document = template(name)
    known = set(document["Resources"]) | set(document.get("Parameters", {}))
    found = {one for one in references(document) if not one.startswith("AWS::")}

    assert found <= known


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_used_and_explained(name: str) -> None:
    """So is every condition."""
    document = template(name)
    parameters, conditions = document.get("Parameters", {}), document.get("Conditions", {})
    text = json.dumps({key: value for key, value in document.items() if key != "Parameters"})

    assert set(parameters) - references(document) == set()
    assert [name for name, rule in parameters.items() if not rule.get("Description")] == []
    assert [name for name in conditions if text.count(f'"{name}"') < 2] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_output_is_explained_and_made_where_its_resource_is(name: str) -> None:
    """An output of a conditional resource has the resource's condition."""
    document = template(name)
    for output in document["Outputs"].values():
        named = [document["Resources"].get(one, {}) for one in references(output["Value"])]
        # A nested stack's own outputs have conditions of their own (test_operations).
        conditions = {one.get("Condition") for one in named if one.get("Type") != "AWS::Serverless::Application"}

        assert output["Description"]
        assert conditions <= {None, output.get("Condition")}


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_one_that_two_stages_would_share(name: str) -> None:
    """Names are CloudFormation's, or begin with the stack's."""
    naming = re.compile(r"(?:Name|Bucket|TableName|FunctionName|RoleName|LogGroupName|RestApiName|Alias)$")
    inside = {"AttributeName", "IndexName", "PolicyName", "MetricName", "Value", "StageName", "ApiName"}
    literal = [
        (path, value)
        for path, value in walk(document_resources(name))
        if path
        and naming.search(path[-1])
        and path[-1] not in inside
        and "Dimensions" not in path
        and isinstance(value, str)
        and path[-2:] != ("Fn::Transform", "Name")
        and path[-1] != "AutoPublishAlias"
        and not (name == "users" and path[0] in {"Pool", "Resource", "Operators"})  # within a pool of the stage's own
    ]
    made = [
        value
        for path, value in walk(document_resources(name))
        if path and path[-1] in {"Name", "LogGroupName"} and isinstance(value, dict) and "Dimensions" not in path
    ]

    assert literal == []
    assert [one for one in made if not re.search(r"\$\{(AWS::StackName|EdgeFunction)\}", one.get("Fn::Sub", ""))] == []


def document_resources(name: str) -> dict[str, Any]:
    """A template's resources."""
    found: dict[str, Any] = template(name)["Resources"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_policy_has_a_wildcard_without_a_reason(name: str) -> None:
    """Every reason is of a wildcard that is there; both templates together use all of them."""
    wild = set()
    for path, value in walk(document_resources(name)):
        if isinstance(value, dict) and "Effect" in value:
            for member in ("Action", "NotAction", "Resource"):
                for _, text in walk(value.get(member)):
                    if isinstance(text, str) and "*" in text:
                        wild.add((path[0], text))

    assert wild == {entry for entry in REASONS if entry[0] in template(name)["Resources"]}


@pytest.mark.parametrize("document", [REGIONAL, EDGE, USERS, OPERATIONS])
def test_every_function_has_a_log_group_with_an_end_and_an_alarm(document: dict[str, Any]) -> None:
    """An edge function can't be told its log group, so it is made under the name that Lambda takes."""
    alarms = references(of_type(document, "AWS::CloudWatch::Alarm"))
    groups = of_type(document, "AWS::Logs::LogGroup")
    for name, function in of_type(document, FUNCTION).items():
        named = references(function["Properties"].get("LoggingConfig", {}))
        named |= {group for group, resource in groups.items() if name in references(resource)}

        assert named & set(groups)
        assert name in alarms or (document is EDGE and "Distribution" in alarms)
    assert all("RetentionInDays" in group["Properties"] for group in groups.values())


def test_every_alarm_names_a_chapter_of_the_runbook() -> None:
    """Whoever is woken up knows where to read."""
    told: set[str] = set()
    for document in (REGIONAL, EDGE, USERS, OPERATIONS):
        for alarm in of_type(document, "AWS::CloudWatch::Alarm").values():
            chapter = re.search(r'\((docs/\S+\.md), "(.+)"\)\.$', alarm["Properties"]["AlarmDescription"])

            assert chapter is not None
            assert f"## {chapter[2]}\n" in (ROOT / chapter[1]).read_text()
            told.add(chapter[2])
    assert set(re.findall(r"^## (.+)$", (ROOT / "docs/how-to/runbook.md").read_text(), flags=re.MULTILINE)) <= told


def test_the_data_outlives_the_stack() -> None:
    """A bucket and a table are never deleted with it."""
    kept = {**of_type(REGIONAL, "AWS::S3::Bucket"), **of_type(REGIONAL, "AWS::DynamoDB::Table")}

    assert {(r["DeletionPolicy"], r["UpdateReplacePolicy"]) for r in kept.values()} == {("Retain", "Retain")}


def test_the_bucket_is_private_versioned_and_tidy() -> None:
    """Public access blocked four times, no ACLs, parts that nobody completes go away."""
    bucket = REGIONAL["Resources"]["UploadBucket"]["Properties"]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "AbortIncompleteMultipartUpload" in bucket["LifecycleConfiguration"]["Rules"][0]


@pytest.mark.parametrize(
    ("key", "algorithm"), [("", "AES256"), ("arn:aws:kms:eu-central-1:111122223333:key/k", "aws:kms")]
)
def test_objects_are_encrypted_by_s3s_own_key_or_by_ones_own(key: str, algorithm: str) -> None:
    """Whatever is uploaded, without a header that says so."""
    bucket = Deployed(template("regional"), KmsKeyArn=key).resources()["UploadBucket"]["Properties"]

    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == algorithm
    assert rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID", "") == key


@pytest.mark.parametrize("name", NAMES)
def test_no_bucket_is_a_website_or_public(name: str) -> None:
    """What is stored is never executed or redirected to, and every bucket of every stack is closed four times."""
    for bucket in of_type(template(name), "AWS::S3::Bucket").values():
        properties = bucket["Properties"]

        assert "WebsiteConfiguration" not in properties
        assert "AccessControl" not in properties
        assert list(properties["PublicAccessBlockConfiguration"].values()) == [True] * 4
        assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert "BucketEncryption" in properties


def test_the_bucket_answers_pages_as_the_gateway_would_have_it() -> None:
    """The rule is the one that `upload-gateway doctor` looks for."""
    (rule,) = REGIONAL["Resources"]["UploadBucket"]["Properties"]["CorsConfiguration"]["Fn::If"][1]["CorsRules"]

    assert rule == {
        "AllowedOrigins": {"Ref": "CorsOrigins"},
        "AllowedMethods": sorted(METHODS),
        "AllowedHeaders": ["*"],
        "ExposedHeaders": list(EXPOSED),
        "MaxAge": MAX_AGE,
    }


def test_the_table_is_the_stores() -> None:
    """Keys, indexes, billing and TTL; its policy names the stores' actions."""
    table = REGIONAL["Resources"]["Table"]["Properties"]
    (statement,) = REGIONAL["Resources"]["StoreAccess"]["Properties"]["PolicyDocument"]["Statement"]

    assert {name: table[name] for name in DEFINITION} == DEFINITION
    assert table["TimeToLiveSpecification"] == {"AttributeName": TTL, "Enabled": True}
    assert statement["Action"] == list(ACTIONS)


def test_the_proxys_definition_names_resources_of_the_template() -> None:
    """What the included document substitutes is there, and the function is told the same metadata keys."""
    resources = REGIONAL["Resources"]
    function = resources["AuthorizerFunction"]["Properties"]
    included = resources["ProxyApi"]["Properties"]["DefinitionBody"]["Fn::Transform"]
    document = proxy_definition()
    asked = {value[0] for path, value in walk(document) if path and path[-1] == "Fn::If"}

    named = {one for one in references(document) if not one.startswith("AWS::")}
    assert named <= set(resources) | set(REGIONAL["Parameters"])
    assert {one for text in (S3_URI, AUTHORIZER_URI, ROLE) for one in references({"Fn::Sub": text})} <= references(
        document
    )
    assert asked == {PLANS, PRIVATE, NAMED}
    assert asked <= set(REGIONAL["Conditions"])
    assert (ROOT / "infra" / included["Parameters"]["Location"]).is_file()
    keys = function["Environment"]["Variables"]["UPLOAD_GATEWAY_PROXY__METADATA_KEYS"]
    assert frozenset(keys.split(",")) == LISTED_METADATA_KEYS


def test_what_the_presigners_api_says_itself_is_of_the_catalogue() -> None:
    """Type, title and status."""
    body = REGIONAL["Resources"]["PresignerApi"]["Properties"]["DefinitionBody"]
    for response in body["x-amazon-apigateway-gateway-responses"].values():
        problem = json.loads(response["responseTemplates"]["application/json"])
        code = Code(problem["type"].removeprefix(TYPE_PREFIX))

        assert (problem["status"], problem["title"]) == CATALOGUE[code]
        assert response["statusCode"] == str(problem["status"])


@pytest.mark.parametrize("api", ["ProxyApi", "PresignerApi"])
def test_access_logs_hold_no_credential(api: str) -> None:
    """No header, no query, and no path where a ticket may stand in it; bodies are never traced."""
    properties = REGIONAL["Resources"][api]["Properties"]
    written = json.loads(properties["AccessLogSetting"]["Fn::If"][1]["Format"])

    assert not any(
        re.search(r"token|header|query|authorizer\.(?!answer_x_request_id)", one) for one in written.values()
    )
    assert ("path" in written) is (api == "ProxyApi")
    assert {(one["DataTraceEnabled"], one["LoggingLevel"]) for one in properties["MethodSettings"]} == {(False, "OFF")}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("AuthorizerFunction", AuthorizerSettings),
        ("PresignerFunction", LambdaSettings),
        ("UsagePlansFunction", UsagePlanSettings),
    ],
)
@pytest.mark.parametrize("named", ["", "uploads.example.com"])
def test_a_function_can_read_its_environment(name: str, settings: Any, named: str) -> None:
    """The variables of the template, as it would fill them in, are settings that the function takes."""
    deployed = Deployed(
        REGIONAL,
        Issuers="[]",
        CorsOrigins="https://app.example.com",
        UsagePlans="true",
        ProxyDomainName=named,
        PresignerDomainName=named,
        BasePath="v1",
    )
    environment = deployed.resources()[name]["Properties"]["Environment"]["Variables"]
    bucket = {"UPLOAD_GATEWAY_S3__BUCKET": "bucket"} if name == "PresignerFunction" else {}
    read = settings.from_environment({**environment, **bucket, "AWS_REGION": "eu-central-1"})

    assert isinstance(read, settings)
    based = {"AuthorizerFunction": "base", "PresignerFunction": "base_path"}
    assert getattr(read, based.get(name, ""), "").startswith("/v1") is (bool(named) and name in based)


def test_the_edge_function_is_one_that_cloudfront_takes() -> None:
    """What no linter says, ours does, `Globals` included."""
    for function in of_type(EDGE, FUNCTION).values():
        assert faults(function["Properties"], EDGE.get("Globals", {}).get("Function")) == ()


def test_the_edge_function_is_on_every_behaviour() -> None:
    """As a numbered version, without the body; nothing is cached, and only HTTPS is answered."""
    config = EDGE["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    for behaviour in (config["DefaultCacheBehavior"], *config.get("CacheBehaviors", [])):
        (association,) = behaviour["LambdaFunctionAssociations"]

        assert association == {
            "EventType": "viewer-request",
            "IncludeBody": False,
            "LambdaFunctionARN": {"Ref": "EdgeFunction.Version"},
        }
        assert behaviour["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
        assert behaviour["OriginRequestPolicyId"] == {"Ref": "CarriedHeaders"}
        assert behaviour["ViewerProtocolPolicy"] == "https-only"


def test_the_distribution_carries_the_headers_of_the_carriage_and_signs_always() -> None:
    """Ten headers, no query, no cookies."""
    policy = EDGE["Resources"]["CarriedHeaders"]["Properties"]["OriginRequestPolicyConfig"]
    access = EDGE["Resources"]["OriginAccess"]["Properties"]["OriginAccessControlConfig"]

    assert frozenset(policy["HeadersConfig"]["Headers"]) == edge_headers(Limits.AWS)
    assert len(policy["HeadersConfig"]["Headers"]) == 10
    assert (policy["QueryStringsConfig"], policy["CookiesConfig"]) == (
        {"QueryStringBehavior": "none"},
        {"CookieBehavior": "none"},
    )
    assert (access["SigningBehavior"], access["SigningProtocol"]) == ("always", "sigv4")
