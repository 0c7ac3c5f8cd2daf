"""Callers whom AWS verifies: the mapping, the events, and the functions behind the door."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.functions.http import passing_loop
from gateway.functions.iam_callers import IamCallers, iam_callers, verified_arn
from gateway.policy.document import ADMIN_SCOPE
from gateway.policy.model import Principal
from gateway.server.admin import lambda_handler as admin
from gateway.tenants.policies import Change
from gateway.tenants.stores import Stores, open_sqlite
from presigner.lambda_settings import LambdaSettings
from presigner.lambda_wiring import wired

ROLE, SESSION = "arn:aws:iam::111122223333:role/path/ingest", "arn:aws:sts::111122223333:assumed-role/ingest/ada"
USER = "arn:aws:iam::111122223333:user/path/bob"
OPERATOR = "arn:aws:sts::111122223333:assumed-role/ops/eve"
WRITE = ["files:write"]
ENTRIES: list[dict[str, Any]] = [
    {"arn": ROLE, "tenant": "acme", "scopes": WRITE, "subject": "session"},
    {"arn": USER, "tenant": "acme", "scopes": WRITE},
    {"arn": "arn:aws:iam::111122223333:role/ops", "scopes": [ADMIN_SCOPE]},
]
CALLERS = iam_callers(json.dumps(ENTRIES))


def test_a_caller_is_whom_the_operator_named() -> None:
    """A role by its name and account, a user by the whole ARN; issuer and subject are the operator's words."""
    ada, bob, eve = (CALLERS.principal(arn) for arn in (SESSION, USER, OPERATOR))

    assert ada == Principal(tenant="acme", issuer=ROLE, subject="ada", scopes=frozenset(WRITE))
    assert bob == Principal(tenant="acme", issuer=USER, subject="bob", scopes=frozenset(WRITE))
    assert (eve.tenant, eve.subject, eve.scopes) == (None, "ops", frozenset({ADMIN_SCOPE}))


@pytest.mark.parametrize(
    "arn",
    [
        SESSION.replace("3333", "3334"),
        SESSION.replace("aws:", "aws-cn:"),
        SESSION.replace("ingest", "ingest2"),
        SESSION.replace("ingest", "Ingest"),
        SESSION.replace("ingest/ada", "other/ingest"),
        SESSION.replace("ingest/ada", "ingest"),
        SESSION + "/more",
        SESSION.replace("ada", "a"),
        SESSION + "\n",
        "arn:aws:sts::111122223333:assumed-role/ingest/*",
        "arn:aws:sts::111122223333:federated-user/ingest",
        ROLE,
        USER.replace("path/", ""),
        USER.replace("user", "role"),
        "arn:aws:iam::111122223333:root",
        "*",
        "",
    ],
)
def test_nobody_else_is(arn: str) -> None:
    """However much an ARN looks like one that was named."""
    found = CALLERS.principal(arn)

    assert (found.tenant, found.scopes) == (None, frozenset())


@given(st.text())
def test_whatever_an_arn_holds_it_is_somebody_named_or_nobody(arn: str) -> None:
    """It never raises."""
    assert CALLERS.principal(arn).tenant in {None, "acme"}


@pytest.mark.parametrize(
    "entry",
    [
        {"arn": "arn:aws:iam::111122223333:role/*", "tenant": "acme", "scopes": WRITE},
        {"arn": "arn:aws:iam::111122223333:role/in?est", "tenant": "acme", "scopes": WRITE},
        {"arn": "arn:aws:iam::*:role/ingest", "tenant": "acme", "scopes": WRITE},
        {"arn": SESSION, "tenant": "acme", "scopes": WRITE},
        {"arn": "arn:aws:iam::111122223333:root", "tenant": "acme", "scopes": WRITE},
        {"arn": "arn:aws:iam::111122223333:role/a/*/b", "tenant": "acme", "scopes": WRITE},
        {"arn": ROLE, "tenant": "*", "scopes": WRITE},
        {"arn": ROLE, "tenant": "acme", "scopes": []},
        {"arn": ROLE, "tenant": "acme", "scopes": ["a b"]},
        {"arn": ROLE, "tenant": "acme", "scopes": [ADMIN_SCOPE]},
        {"arn": ROLE, "scopes": WRITE},
        {"arn": ROLE, "scopes": [ADMIN_SCOPE, "files:write"]},
        {"arn": ROLE, "tenant": "acme", "scopes": WRITE, "subject": "anything"},
        {"arn": USER, "tenant": "acme", "scopes": WRITE, "subject": "session"},
        {"arn": ROLE, "tenant": "acme", "scopes": WRITE, "more": 1},
        {"tenant": "acme", "scopes": WRITE},
        "arn",
    ],
)
def test_an_entry_names_one_caller_of_one_tenant(entry: object) -> None:
    """A pattern, an operator with a tenant, anything that is not known: said as a fault."""
    with pytest.raises(ValueError, match="/0"):
        iam_callers(json.dumps([entry]))


def test_a_caller_is_there_once() -> None:
    """Also where a path makes one role look like two."""
    with pytest.raises(ValueError, match="twice"):
        iam_callers(json.dumps([ENTRIES[0], {**ENTRIES[0], "arn": ROLE.replace("path/", "")}]))


@pytest.mark.parametrize(
    ("context", "version", "expected"),
    [
        ({"identity": {"userArn": SESSION}}, None, SESSION),
        ({"authorizer": {"iam": {"userArn": SESSION}}}, "2.0", SESSION),
        ({"identity": {"userArn": None}}, None, None),
        ({"identity": {"userArn": {"a": 1}}}, None, None),
        ({"identity": {}, "authorizer": {"userArn": SESSION, "iam": {"userArn": SESSION}}}, None, None),
        (
            {"authorizer": {"lambda": {"iam": {"userArn": SESSION}}, "jwt": {"claims": {"userArn": SESSION}}}},
            "2.0",
            None,
        ),
        ({"identity": {"userArn": SESSION}}, "2.0", None),
        ({"authorizer": None}, "2.0", None),
        ({"identity": [SESSION]}, None, None),
        ("context", None, None),
        (None, None, None),
    ],
)
def test_an_arn_is_where_the_service_writes_it_and_nowhere_else(
    context: object, version: object, expected: object
) -> None:
    """What an authorizer of another kind may put into the context is no verified caller."""
    event = {"requestContext": context, **({"version": version} if version else {})}

    assert verified_arn(event) == expected


SIGNED = {
    "x-amz-date": "20261123T000000Z",
    "x-amz-security-token": "token",
    "x-amz-content-sha256": "0" * 64,
}


def event(path: str, arn: str | None, *, method: str = "POST", body: object = None, **headers: str) -> dict[str, Any]:
    """A REST API's event; `arn` is whom API Gateway verified."""
    said = {name.replace("_", "-"): [value] for name, value in headers.items()}
    return {
        "httpMethod": method,
        "path": path,
        "multiValueHeaders": {"Content-Type": ["application/json"], **said},
        "multiValueQueryStringParameters": None,
        "requestContext": {"identity": {"sourceIp": "192.0.2.1", "userArn": arn}},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """One tenant, and an event loop for functions."""
    made = open_sqlite(tmp_path / "stores")
    document = {"version": 1, "tenant": "acme", "types": {"text/plain": []}}
    made.policies.create("acme", document, Change(at=0.0, by="the suite"))
    with passing_loop():
        yield made


def presigner(stores: Stores, callers: list[dict[str, Any]]) -> Any:
    """The presigner's function."""
    variables = {
        "S3__BUCKET": "uploads-111122223333",
        "S3__SIGNER__ACCESS_KEY": "AKIDSIGNER",
        "S3__SIGNER__SECRET_KEY": "secret",
        "S3__COMPLETER__ACCESS_KEY": "AKIDCOMPLETER",
        "S3__COMPLETER__SECRET_KEY": "secret",
        "STORE__TABLE": "table",
        "SEALING__KEYS": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "IAM_CALLERS": json.dumps(callers),
    }
    environment = {f"UPLOAD_GATEWAY_{name}": value for name, value in variables.items()}
    settings = LambdaSettings.from_environment({**environment, "AWS_REGION": "eu-central-1"})
    return wired(settings, stores=stores, out=io.StringIO())


PLAN = {"name": "a.txt", "size": 5, "content_type": "text/plain"}


def code(answer: dict[str, Any]) -> str:
    """The problem of an answer."""
    return str(json.loads(answer["body"])["type"]).rpartition(":")[2]


def test_a_signed_call_is_admitted_as_its_tenants(stores: Stores) -> None:
    """A plan and a redirect, with the headers of its signature; nothing of them is signed for S3."""
    function = presigner(stores, ENTRIES)

    planned = function(event("/iam/uploads", SESSION, body=PLAN, **SIGNED), None)
    put = event(
        "/iam/presigned/a.txt",
        SESSION,
        method="PUT",
        **SIGNED,
        if_none_match="*",
        content_length="5",
        content_type="text/plain",
    )
    put["multiValueHeaders"].pop("Content-Type")
    redirected = function(put, None)

    assert planned["statusCode"] == 201
    assert json.loads(planned["body"])["key"] == "acme/a.txt"
    assert "security-token" not in planned["body"]
    assert redirected["statusCode"] == 307, redirected


@pytest.mark.parametrize(
    ("path", "arn", "headers", "expected"),
    [
        ("/iam/uploads", SESSION.replace("ingest", "stranger"), {}, "tenant-unknown"),
        ("/iam/uploads", OPERATOR, {}, "tenant-unknown"),
        ("/iam/uploads", SESSION, {"authorization": "Bearer token"}, "token-invalid"),
        ("/iam/uploads", SESSION, {"x_api_key": "ugk_key"}, "token-invalid"),
        ("/iam/uploads", None, {}, "not-found"),
        ("/uploads", None, SIGNED, "token-missing"),
        ("/uploads", None, {"authorization": "AWS4-HMAC-SHA256 Credential=a/b"}, "token-missing"),
        (
            "/uploads",
            None,
            {"x_amzn_user_arn": SESSION, "userarn": SESSION, "requestcontext": SESSION},
            "token-missing",
        ),
        ("/iam/iam/uploads", SESSION, {}, "not-found"),
    ],
)
def test_nothing_that_a_client_sends_makes_it_somebody(
    stores: Stores, path: str, arn: str | None, headers: dict[str, str], expected: str
) -> None:
    """Only the request context does, and only for whom the operator named, and only once."""
    asked = event(
        path,
        arn,
        body={**PLAN, "requestContext": {"identity": {"userArn": SESSION}}} if arn is None else PLAN,
        **headers,
    )

    assert code(presigner(stores, ENTRIES)(asked, None)) == expected


def test_without_a_mapping_a_signature_is_no_credential(stores: Stores) -> None:
    """Whatever somebody switched on in a console."""
    answer = presigner(stores, [])(event("/uploads", SESSION, body=PLAN, **SIGNED), None)

    assert code(answer) == "token-missing"


def test_elsewhere_the_headers_of_a_signature_are_what_they_were(stores: Stores) -> None:
    """A redirect without a verified caller refuses them as headers that S3 would act on."""
    put = event("/presigned/a.txt", None, method="PUT", **SIGNED, content_length="5")

    assert code(presigner(stores, ENTRIES)(put, None)) == "token-missing"


def test_an_operator_by_signature_is_one(stores: Stores) -> None:
    """And a tenant's caller is none."""
    environment = {
        "UPLOAD_GATEWAY_STORE__TABLE": "table",
        "UPLOAD_GATEWAY_IAM_CALLERS": json.dumps(ENTRIES),
        "AWS_REGION": "eu-central-1",
    }
    function = admin.wired(admin.AdminFunctionSettings.from_environment(environment), stores=stores)

    listed = function(event("/iam/admin/tenants", OPERATOR, method="GET"), None)
    refused = function(event("/iam/admin/tenants", SESSION, method="GET"), None)
    nobody = function(event("/admin/tenants", None, method="GET", **SIGNED), None)

    assert listed["statusCode"] == 200, listed
    assert (code(refused), code(nobody)) == ("scope-missing", "token-missing")


def test_no_mapping_is_no_caller() -> None:
    """False where nobody was named."""
    assert not IamCallers(())
    assert CALLERS
