"""The Lambda authorizer: API Gateway's event in, a policy with the grant or the problem out."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Admission
from gateway.cors import Cors
from gateway.identity.credential import Credential
from gateway.policy.model import Backend, MetadataRule, Minted, Policy, Principal, TenantId
from gateway.policy.problems import Code, Refusal
from gateway.proxy.authorizer import Authorizer, make_authorizer
from gateway.server.carriages import Limits, carriages

POLICY = Policy(tenant=TenantId("acme"), types={"*/*": ()}, metadata=MetadataRule(keys=("*",)))
CALLER = Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset({"files:write"}))
CARRIAGE = carriages(Limits.AWS)[Backend.PROXY]
PAGE = "https://app.example"

# "Input to an API Gateway Lambda authorizer", made a PUT of an upload.
EVENT: dict[str, Any] = {
    "type": "REQUEST",
    "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/PUT/proxy/a/b.txt",
    "resource": "/proxy/{name+}",
    "path": "/proxy/a/b.txt",
    "httpMethod": "PUT",
    "headers": {"Authorization": "Bearer secret-token"},
    "multiValueHeaders": {
        "Authorization": ["Bearer secret-token"],
        "Content-Length": ["5"],
        "Content-Type": ["text/plain"],
        "Cookie": ["session=secret"],
        "x-amz-checksum-crc32": ["AAAAAA=="],
        "x-amz-meta-title": ["hello"],
    },
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": {"name": "a/b.txt"},
    "stageVariables": None,
    "requestContext": {"path": "/test/proxy/a/b.txt", "requestId": "chosen-by-the-client"},
}


class Corridor:
    """An authenticator and a policy source with one answer each."""

    def __init__(self, caller: Principal | Refusal | Exception, policy: Policy = POLICY) -> None:
        self.caller = caller
        self.policy = policy

    def authenticate(self, _presented: Credential) -> Principal | Refusal:
        if isinstance(self.caller, Exception):
            raise self.caller
        return self.caller

    async def authenticate_async(self, presented: Credential) -> Principal | Refusal:
        return self.authenticate(presented)

    def get(self, _tenant: str) -> Policy:
        return self.policy


def authorizer(caller: Principal | Refusal | Exception = CALLER, policy: Policy = POLICY, **more: Any) -> Authorizer:
    """The function over one caller and one policy."""
    corridor = Corridor(caller, policy)
    admission = Admission(corridor, corridor, lambda: Minted(at=0, uuid="0" * 32))
    return make_authorizer(
        admission, base="/proxy", carriage=CARRIAGE, new_request_id=lambda: "minted", cors=Cors.of([PAGE]), **more
    )


def with_headers(**headers: str | None) -> dict[str, Any]:
    """The event with these headers instead; None takes one away."""
    changed = {**EVENT["multiValueHeaders"], **{name.replace("_", "-"): [value] for name, value in headers.items()}}
    return {**EVENT, "multiValueHeaders": {name: values for name, values in changed.items() if values != [None]}}


def effect(result: dict[str, Any]) -> tuple[str, str]:
    """The policy's effect and resource."""
    (statement,) = result["policyDocument"]["Statement"]
    assert statement["Action"] == "execute-api:Invoke"
    return statement["Effect"], statement["Resource"]


def test_a_grant_is_leave_for_this_request_alone_with_all_that_s3_must_see() -> None:
    """The key and the headers are the grant's; nothing else of the request is in the answer."""
    result = authorizer()(EVENT, None)
    assert effect(result) == ("Allow", EVENT["methodArn"])
    assert result["context"] == {
        "key": "acme/a/b.txt",
        "s3_content_type": "text/plain",
        "s3_x_amz_checksum_crc32": "AAAAAA==",
        "s3_if_none_match": "*",
        "s3_x_amz_meta_title": "hello",
        "answer_x_request_id": "minted",
        "answer_content_location": "acme/a/b.txt",
        "answer_x_amz_checksum_crc32": "AAAAAA==",
        "answer_vary": "Origin",
    }
    assert "secret" not in json.dumps(result)
    assert "chosen-by-the-client" not in json.dumps(result)


def test_every_refusal_is_a_denial_that_carries_the_problem() -> None:
    """API Gateway can say 403 alone, so the problem says what it would have been."""
    result = authorizer()(with_headers(Content_Type=None, Content_Length="5368709121"), None)
    assert effect(result) == ("Deny", "*")
    problem = json.loads(result["context"]["problem"])
    assert problem["type"].endswith(":size-exceeds-limit")
    assert (problem["status"], problem["intended_status"], problem["instance"]) == (403, 413, "minted")


def test_a_token_that_is_not_believed_is_told_as_rfc_6750_has_it() -> None:
    """The header goes out through the gateway response."""
    refusal = Refusal(code=Code.TOKEN_INVALID, detail="No.", headers=(("www-authenticate", "Bearer"),), retry_after=3)
    context = authorizer(refusal)(with_headers(Origin=PAGE), None)["context"]
    assert context["answer_www_authenticate"] == "Bearer"
    assert context["answer_retry_after"] == "3"
    assert context["answer_access_control_allow_origin"] == PAGE


def test_a_usage_plan_is_the_tenants() -> None:
    """The key of the plan is made of the tenant that was verified, not of anything that was sent."""
    result = authorizer(usage_key=lambda policy: f"upload-gateway-{policy.tenant}")(
        with_headers(x_api_key="other"), None
    )
    assert "usageIdentifierKey" not in result  # two credentials are none
    result = authorizer(usage_key=lambda policy: f"upload-gateway-{policy.tenant}")(EVENT, None)
    assert result["usageIdentifierKey"] == "upload-gateway-acme"


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST", "HEAD", "PATCH", "put"])
def test_no_method_but_put_is_allowed(method: str) -> None:
    """Whatever routes lead here."""
    assert effect(authorizer()({**EVENT, "httpMethod": method}, None))[0] == "Deny"


def test_an_override_of_the_method_is_refused() -> None:
    """API Gateway has obeyed it before anybody was asked."""
    result = authorizer()(with_headers(X_HTTP_Method_Override="PUT"), None)
    assert effect(result)[0] == "Deny"
    assert "method-not-allowed" in result["context"]["problem"]


def test_a_preflight_needs_no_credential() -> None:
    """A browser asks before it sends one."""
    event = {
        **EVENT,
        "httpMethod": "OPTIONS",
        "multiValueHeaders": {
            "Origin": [PAGE],
            "Access-Control-Request-Method": ["PUT"],
            "Access-Control-Request-Headers": ["content-type, x"],
        },
    }
    result = authorizer(RuntimeError("asked"))(event, None)
    assert effect(result)[0] == "Allow"
    assert result["context"]["answer_access_control_allow_headers"] == "content-type"


@pytest.mark.parametrize(
    "path", ["/proxy/a*", "/proxy/a?b", "/proxy/${aws:x}", "/proxy/%2e%2e/globex/a", "/proxy/a%2Fb", "/proxy/a+b.txt"]
)
def test_a_path_that_is_more_than_itself_in_a_policy_is_never_allowed(path: str) -> None:
    """The ARN holds what the client sent."""
    result = authorizer()({**EVENT, "path": path, "methodArn": "arn:aws:execute-api:r:1:a/s/PUT" + path}, None)
    assert effect(result) == ("Deny", "*") or result["context"]["key"] == "acme/a/b"


def test_a_subject_that_is_not_portable_is_no_part_of_a_key_here() -> None:
    """How API Gateway would encode it is not known."""
    policy = Policy(tenant=TenantId("acme"), types={"*/*": ()}, key="{tenant}/{subject}/{name}")
    caller = Principal(tenant="acme", issuer="i", subject="auth0|ada", scopes=frozenset({"files:write"}))
    result = authorizer(caller, policy)(with_headers(x_amz_meta_title=None), None)
    assert effect(result)[0] == "Deny"
    assert "name-not-allowed" in result["context"]["problem"]


def test_a_defect_is_a_denial_with_an_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log, nothing of it in the answer."""
    with caplog.at_level(logging.ERROR):
        result = authorizer(RuntimeError("the inside"))(EVENT, None)
    assert effect(result) == ("Deny", "*")
    assert "inside" not in json.dumps(result)
    assert len(caplog.records) == 1


TEXTS = st.text(max_size=20)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(
    members=st.dictionaries(st.sampled_from(sorted(EVENT)), JUNK, max_size=3),
    headers=st.dictionaries(st.sampled_from(sorted(EVENT["multiValueHeaders"])) | TEXTS, st.lists(TEXTS, max_size=2)),
    path=TEXTS.map(lambda text: "/proxy/" + text),
)
def test_no_event_gets_more_than_a_key_of_its_tenant(
    members: dict[str, Any], headers: dict[str, list[str]], path: str
) -> None:
    """Whatever comes, the answer is a policy of strings; what it allows is under the tenant's prefix."""
    logging.disable(logging.CRITICAL)
    try:
        event = {**EVENT, "path": path, "multiValueHeaders": {**EVENT["multiValueHeaders"], **headers}, **members}
        result = authorizer()(event, None)
    finally:
        logging.disable(logging.NOTSET)
    assert all(isinstance(value, str) for value in result["context"].values())
    if effect(result)[0] == "Allow" and "key" in result["context"]:
        assert result["context"]["key"].startswith("acme/")
        assert ".." not in result["context"]["key"].split("/")
        assert effect(result)[1] == event["methodArn"]
