"""Each switch of the regional stack, on and off: what is there then, and what it says."""

import re
import tomllib
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from gateway.functions.usage_plans import UsagePlans
from gateway.policy.model import RateRule
from gateway.server.carriages import proxy_definition
from tests.infra.deployed import Deployed
from tests.infra.iam import Call, allowed
from tests.infra.templates import ROOT, of_type, references, template
from tests.proxy.test_usage_plans import STAGE, policy
from tests.proxy.usage_plans import PretendedPlans

TEMPLATE = template("regional")
NAMES = {
    "ProxyDomainName": "direct.example.com",
    "PresignerDomainName": "uploads.example.com",
    "CertificateArn": "arn:aws:acm:eu-central-1:111122223333:certificate/c",
}
ACL = "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/a/b"
SWITCHES: dict[str, tuple[dict[str, str], set[str]]] = {
    "usage plans": (
        {"UsagePlans": "true"},
        {
            *("SharedPlan", "SharedKey", "SharedPlanKey", "UsagePlansFunction", "UsagePlansScheduleRole"),
            *("UsagePlansRole", "UsagePlansLog", "UsagePlansErrors"),
        },
    ),
    "names": (NAMES, {"ProxyDomain", "ProxyMapping", "PresignerDomain", "PresignerMapping"}),
    "a filter": ({"WebAclArn": ACL}, {"ProxyFilter", "PresignerFilter"}),
    "a key": ({"MakeKmsKey": "true"}, {"ObjectsKey"}),
    "a private endpoint": ({"VpcEndpointIds": "vpce-1,vpce-2"}, set()),
    "traces": ({"Tracing": "true"}, {"TraceAccess"}),
    "IAM callers": ({"IamCallers": "[1]"}, set()),
    "users": ({"SignInPages": "https://app.example.com"}, {"Users"}),
    "a lock": ({"ObjectLockDays": "30"}, set()),
}


def properties(name: str, **parameters: str) -> dict[str, Any]:
    """A resource's properties with these parameters."""
    found: dict[str, Any] = Deployed(TEMPLATE, **parameters).resources()[name]["Properties"]
    return found


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_makes_what_it_needs_and_nothing_else(switch: str) -> None:
    """Off is the default; what is there refers to nothing that is not."""
    parameters, added = SWITCHES[switch]
    off, on = Deployed(TEMPLATE).resources(), Deployed(TEMPLATE, **parameters).resources()

    assert set(on) - set(off) == added
    assert set(off) <= set(on)


@pytest.mark.parametrize(("backend", "other"), [("Proxy", "Presigner"), ("Presigner", "Proxy")])
def test_a_switch_makes_nothing_for_a_backend_that_is_not_there(backend: str, other: str) -> None:
    """Whatever else is on."""
    everything = {name: value for parameters, _ in SWITCHES.values() for name, value in parameters.items()}
    made = Deployed(TEMPLATE, **everything, **{backend: "false"}).resources()

    assert [name for name in made if name.startswith(backend)] == []
    assert f"{other}Filter" in made
    assert ("SharedPlan" in made) is (backend == "Presigner")


def test_every_switch_is_in_the_example_and_in_the_guide() -> None:
    """A parameter that nobody finds is none."""
    example = (ROOT / "infra/parameters.example.toml").read_text()
    pages = ("aws-switches", "cognito", "iam-callers")
    guide = "".join((ROOT / f"docs/how-to/{page}.md").read_text() for page in pages)
    tomllib.loads(example)
    for parameters, _ in SWITCHES.values():
        for name in parameters:
            assert f"{name}=" in example, name
            assert re.search(rf"`{name}[`=]", guide), name


@pytest.mark.parametrize("api", ["ProxyApi", "PresignerApi"])
def test_an_api_is_public_or_private_and_never_both(api: str) -> None:
    """Regional without a VPC's endpoints, private with them; a change of a switch is always deployed."""
    public, private = properties(api), properties(api, VpcEndpointIds="vpce-1,vpce-2")

    assert public["EndpointConfiguration"] == {"Type": "REGIONAL"}
    assert private["EndpointConfiguration"] == {"Type": "PRIVATE", "VPCEndpointIds": ["vpce-1", "vpce-2"]}
    assert public["AlwaysDeploy"] is private["AlwaysDeploy"] is True


def test_the_presigners_policy_is_the_proxys() -> None:
    """Of a private API; a public one has none."""
    public, private = properties("PresignerApi"), properties("PresignerApi", VpcEndpointIds="vpce-1,vpce-2")
    proxy: Any = Deployed(TEMPLATE, VpcEndpointIds="vpce-1,vpce-2").fill(dict(proxy_definition()))

    assert "x-amazon-apigateway-policy" not in public["DefinitionBody"]
    assert private["DefinitionBody"]["x-amazon-apigateway-policy"] == proxy["x-amazon-apigateway-policy"]
    deny = proxy["x-amazon-apigateway-policy"]["Statement"][1]
    assert deny["Condition"]["StringNotEquals"]["aws:SourceVpce"] == ["vpce-1", "vpce-2"]


@pytest.mark.parametrize("backend", ["Proxy", "Presigner"])
@pytest.mark.parametrize("base", ["", "v1"])
def test_a_name_replaces_api_gateways_own(backend: str, base: str) -> None:
    """The mapping and the function agree about what stands before a path; nothing is reached by two names."""
    deployed = Deployed(TEMPLATE, **NAMES, BasePath=base)
    made, outputs = deployed.resources(), deployed.fill(TEMPLATE["Outputs"])
    function = "AuthorizerFunction" if backend == "Proxy" else "PresignerFunction"
    variables = made[function]["Properties"]["Environment"]["Variables"]
    domain = made[f"{backend}Domain"]["Properties"]
    definition = deployed.fill(dict(_definition(backend, made)))

    assert made[f"{backend}Mapping"]["Properties"].get("BasePath", "") == base
    assert variables.get("UPLOAD_GATEWAY_BASE_PATH", "") == (f"/{base}" if base else "")
    assert outputs[f"{backend}Url"]["Value"] == f"https://{NAMES[f'{backend}DomainName']}" + (
        f"/{base}" if base else ""
    )
    assert (domain["SecurityPolicy"], domain["EndpointConfiguration"]) == ("TLS_1_2", {"Types": ["REGIONAL"]})
    assert definition["x-amazon-apigateway-endpoint-configuration"] == {"disableExecuteApiEndpoint": True}


def _definition(backend: str, made: dict[str, dict[str, Any]]) -> Any:
    return proxy_definition() if backend == "Proxy" else made["PresignerApi"]["Properties"]["DefinitionBody"]


def test_without_a_name_nothing_stands_before_a_path() -> None:
    """A base path is of names alone: API Gateway's own has none."""
    made = Deployed(TEMPLATE, BasePath="v1").resources()

    for function in ("AuthorizerFunction", "PresignerFunction"):
        assert "UPLOAD_GATEWAY_BASE_PATH" not in made[function]["Properties"]["Environment"]["Variables"]


def test_iam_callers_have_a_door_of_their_own_on_the_presigner_alone() -> None:
    """Every method under /iam demands a signature and no other does; the proxy's all ask the authorizer."""
    shut, door = properties("PresignerApi"), properties("PresignerApi", IamCallers="[1]")
    operation = "x-amazon-apigateway-any-method"
    paths = door["DefinitionBody"]["paths"]

    assert set(shut["DefinitionBody"]["paths"]) == {"/{path+}"}
    assert {path for path, methods in paths.items() if methods[operation].get("security") == [{"signed": []}]} == {
        "/iam/{path+}"
    }
    scheme = door["DefinitionBody"]["components"]["securitySchemes"]["signed"]
    assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert "awsSigv4" not in str(proxy_definition())
    called = {methods[operation]["x-amazon-apigateway-integration"]["uri"] for methods in paths.values()}
    assert len(called) == 1  # both doors lead to the same version
    function = properties("PresignerFunction", IamCallers="[1]")["Environment"]["Variables"]
    assert function["UPLOAD_GATEWAY_IAM_CALLERS"] == "[1]"


def test_limits_are_of_the_stage_and_of_the_upload() -> None:
    """An upload through the proxy has a limit of its own."""
    everything, upload = properties("ProxyApi", ThrottleRate="7", ProxyPutRate="3", ThrottleBurst="9")["MethodSettings"]

    assert (everything["ResourcePath"], everything["HttpMethod"], everything["ThrottlingRateLimit"]) == ("/*", "*", "7")
    assert (upload["ResourcePath"], upload["HttpMethod"]) == ("/~1proxy~1{name+}", "PUT")
    assert (upload["ThrottlingRateLimit"], upload["ThrottlingBurstLimit"]) == ("3", "9")
    assert {key: everything[key] for key in ("DataTraceEnabled", "LoggingLevel")} == {
        key: upload[key] for key in ("DataTraceEnabled", "LoggingLevel")
    }


def test_traces_are_api_gateways_own() -> None:
    """Off by default."""
    assert properties("ProxyApi")["TracingEnabled"] is False
    assert properties("PresignerApi", Tracing="true")["TracingEnabled"] is True


def test_a_lock_is_on_the_bucket_from_its_first_object() -> None:
    """With a default retention, so that no client has to ask for it and none can leave it out."""
    unlocked, locked = properties("UploadBucket"), properties("UploadBucket", ObjectLockDays="30")

    assert not {"ObjectLockEnabled", "ObjectLockConfiguration"} & set(unlocked)
    assert locked["ObjectLockEnabled"] is True
    assert locked["ObjectLockConfiguration"]["Rule"] == {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": "30"}}


DISTRIBUTION = "arn:aws:cloudfront::111122223333:distribution/E1"


@pytest.mark.parametrize("distribution", ["", DISTRIBUTION])
def test_a_key_of_the_stacks_own_is_for_its_roles_and_its_distribution(distribution: str) -> None:
    """The roles may use exactly this key; CloudFront only as our distribution; the key outlives the stack."""
    deployed = Deployed(TEMPLATE, MakeKmsKey="true", EdgeDistributionArn=distribution)
    key = deployed.resources()["ObjectsKey"]
    arn = "arn:aws:kms:eu-central-1:111122223333:key/ObjectsKey"
    bucket = deployed.resources()["UploadBucket"]["Properties"]["BucketEncryption"][
        "ServerSideEncryptionConfiguration"
    ][0]
    policy = key["Properties"]["KeyPolicy"]["Statement"]

    assert bucket["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    assert (key["DeletionPolicy"], key["Properties"]["EnableKeyRotation"]) == ("Retain", True)
    for role in ("ProxyRole", "SignerRole", "CompleterRole"):
        assert {str(one["Resource"]) for one in deployed.statements(role) if "kms" in str(one["Action"])} == {arn}
    for source, expected in ((DISTRIBUTION, bool(distribution)), (DISTRIBUTION + "2", False)):
        call = Call(
            who="cloudfront.amazonaws.com",
            action="kms:GenerateDataKey",
            resource="*",
            context={"aws:SourceArn": source},
        )
        assert allowed(call, [], policy) is expected


def test_the_role_of_usage_plans_may_do_what_the_function_does() -> None:
    """Every call that it makes, as the SDK's model says it goes out, and no method besides."""
    model = botocore.session.Session().get_service_model("apigateway")
    methods = {xform_name(name): model.operation_model(name).http for name in model.operation_names}
    client = PretendedPlans()
    for policies in ([policy("a")], [policy("a", RateRule(per_second=1, burst=1))], []):
        UsagePlans(client, STAGE).synchronise(policies)
    made = {
        (f"apigateway:{methods[name]['method']}", methods[name]["requestUri"].partition("?")[0])
        for name in client.called
    }
    statements = Deployed(TEMPLATE, UsagePlans="true").statements("UsagePlansRole")

    for action, path in made:
        resource = f"arn:aws:apigateway:eu-central-1::{path.split('{')[0]}" + ("x" if "{" in path else "")
        assert allowed(Call(who="role", action=action, resource=resource), statements, []), (action, path)
        elsewhere = "arn:aws:apigateway:eu-central-1::/restapis/x"
        assert not allowed(Call(who="role", action=action, resource=elsewhere), statements, [])
    granted = {action for one in statements for action in one["Action"] if action.startswith("apigateway:")}
    assert granted == {action for action, _ in made}


def test_nothing_of_a_switch_is_left_without_an_alarm_or_an_end() -> None:
    """The function that a switch adds has both."""
    alarms = references(of_type(TEMPLATE, "AWS::CloudWatch::Alarm"))
    function = properties("UsagePlansFunction", UsagePlans="true")

    assert "UsagePlansFunction" in alarms
    assert function["EventInvokeConfig"]["MaximumRetryAttempts"] == 0
    assert function["Events"]["Schedule"]["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
