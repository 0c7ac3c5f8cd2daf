"""API Gateway's definition of the proxy: what it maps, and that nothing a client sends is mapped."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.local.api_gateway_mapping import resolved
from gateway.policy.model import Algorithm, Backend
from gateway.policy.problems import CATALOGUE, TYPE_PREFIX, Code
from gateway.proxy.definition import NAMED, PLANS, PRIVATE, definition
from gateway.server.carriages import LISTED_METADATA_KEYS, Limits, carriages, proxy_definition

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = proxy_definition()
PUT = DOCUMENT["paths"]["/proxy/{name+}"]["put"]
INTEGRATION = PUT["x-amazon-apigateway-integration"]
_ANYTHING: dict[str, str] = defaultdict(str)
GATEWAY_RESPONSES = DOCUMENT["x-amazon-apigateway-gateway-responses"]


def operations(*conditions: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation where these conditions of the template hold."""
    document: Any = resolved(DOCUMENT, _ANYTHING, conditions)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def expressions() -> Iterator[tuple[str, str]]:
    """Every mapping: target and source."""
    for _, _, operation in operations():
        integration = operation["x-amazon-apigateway-integration"]
        yield from integration.get("requestParameters", {}).items()
        for response in integration["responses"].values():
            yield from response.get("responseParameters", {}).items()
    for response in GATEWAY_RESPONSES.values():
        yield from response["responseParameters"].items()


def templates() -> Iterator[str]:
    """Every template of an answer."""
    for response in (*INTEGRATION["responses"].values(), *GATEWAY_RESPONSES.values()):
        yield from response.get("responseTemplates", {}).values()


def test_the_deployed_document_is_what_the_code_says() -> None:
    """The file in `infra` is made, not written."""
    subprocess.run([sys.executable, "scripts/proxy-api", "--check"], cwd=ROOT, check=True)


def test_nothing_that_a_client_sends_is_mapped_anywhere() -> None:
    """Sources are literals, the authorizer's context, S3's own answer, and an id that clients can't set."""
    allowed = re.compile(
        r"'[^']*'|context\.authorizer\.[a-z0-9_]+|context\.extendedRequestId|integration\.response\.header\.[a-z0-9-]+"
    )
    assert [pair for pair in expressions() if not allowed.fullmatch(pair[1])] == []
    named = {name for template in templates() for name in re.findall(r"\$([A-Za-z.]+[A-Za-z_]*)", template)}
    assert all(
        name.startswith(("context.authorizer.", "context.extendedRequestId", "input.body.contains", "context.response"))
        for name in named
    )


def test_the_key_is_the_authorizers_and_the_bucket_the_deployments() -> None:
    """The one placeholder of the URI that is filled in at run time is the grant's key."""
    uri = INTEGRATION["uri"]["Fn::Sub"]
    assert re.findall(r"(?<!\$)\{([^}]+)\}", uri) == ["key"]
    assert INTEGRATION["requestParameters"]["integration.request.path.key"] == "context.authorizer.key"


def test_every_operation_asks_the_authorizer_every_time() -> None:
    """Security stands on each operation, because API Gateway ignores it at the root; and nothing is cached."""
    assert "security" not in DOCUMENT
    assert all(operation["security"] == [{"authorizer": []}] for _, _, operation in operations())
    counted = [operation["security"] for _, _, operation in operations(PLANS) if "plan" in operation["security"][0]]
    assert counted == [[{"authorizer": [], "plan": []}]]  # the PUT alone, and it asks the authorizer, too
    rules = DOCUMENT["components"]["securitySchemes"]["authorizer"]["x-amazon-apigateway-authorizer"]
    assert rules["authorizerResultTtlInSeconds"] == 0
    assert rules["type"] == "request"
    assert "identitySource" not in rules


def test_every_header_that_a_grant_can_hold_here_is_mapped() -> None:
    """What the carriage lets pass reaches S3; what is not mapped, it refuses."""
    carriage = carriages(Limits.AWS)[Backend.PROXY]
    assert carriage.metadata_keys == LISTED_METADATA_KEYS
    assert carriage.object_headers == frozenset()
    mapped = {target.removeprefix("integration.request.header.") for target in INTEGRATION["requestParameters"]}
    checksums = {"content-md5", *(f"x-amz-checksum-{a}" for a in Algorithm if a is not Algorithm.MD5)}
    metadata = {f"x-amz-meta-{key}" for key in LISTED_METADATA_KEYS}
    assert mapped - {"integration.request.path.key"} == {"content-type", "if-none-match", *checksums, *metadata}


def test_every_mapped_header_of_an_answer_is_declared() -> None:
    """API Gateway refuses to import a mapping to a header that the method's response does not declare."""
    for path, method, operation in operations():
        for response in operation["x-amazon-apigateway-integration"]["responses"].values():
            declared = operation["responses"][response["statusCode"]]["headers"]
            targets = {name.removeprefix("method.response.header.") for name in response["responseParameters"]}
            assert targets <= declared.keys(), (path, method)


def test_every_body_is_a_problem_of_the_catalogue() -> None:
    """Also what API Gateway says by itself."""
    for template in templates():
        if template == "$context.authorizer.problem":
            continue
        for found in re.findall(r"\{.*?\}", template):
            problem = json.loads(found)
            code = Code(problem["type"].removeprefix(TYPE_PREFIX))
            assert problem["title"] == CATALOGUE[code][1]
            assert problem["instance"] in {"$context.authorizer.answer_x_request_id", "$context.extendedRequestId"}


def test_a_mock_and_a_template_convert_to_text() -> None:
    """Beside `*/*` as binary media types both fail otherwise."""
    assert DOCUMENT["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    for _, _, operation in operations():
        integration = operation["x-amazon-apigateway-integration"]
        if integration["type"] == "mock":
            assert integration["contentHandling"] == "CONVERT_TO_TEXT"
        for response in integration["responses"].values():
            assert "responseTemplates" not in response or response["contentHandling"] == "CONVERT_TO_TEXT"


def test_metadata_keys_that_the_context_can_not_tell_apart_are_refused() -> None:
    """A hyphen becomes an underscore there."""
    with pytest.raises(ValueError, match="tell apart"):
        definition(metadata_keys=["a-b", "a_b"], checksums=[])


def test_a_private_api_is_reached_through_its_endpoints_alone() -> None:
    """Otherwise it has no policy of its own; usage plans and a name of one's own are off, too."""
    plain: Any = resolved(DOCUMENT, _ANYTHING)
    private: Any = resolved(DOCUMENT, _ANYTHING, {PRIVATE, NAMED, PLANS})

    assert "x-amazon-apigateway-policy" not in plain
    assert plain["x-amazon-apigateway-api-key-source"] == "HEADER"
    assert plain["x-amazon-apigateway-endpoint-configuration"] == {"disableExecuteApiEndpoint": False}
    allow, deny = private["x-amazon-apigateway-policy"]["Statement"]
    assert (allow["Effect"], deny["Effect"]) == ("Allow", "Deny")
    assert deny["Condition"] == {"StringNotEquals": {"aws:SourceVpce": {"Ref": "VpcEndpointIds"}}}
    assert private["x-amazon-apigateway-api-key-source"] == "AUTHORIZER"
    assert private["x-amazon-apigateway-endpoint-configuration"] == {"disableExecuteApiEndpoint": True}
