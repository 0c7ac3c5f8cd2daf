"""The admin API as a Lambda function: an operator's calls as API Gateway's events, and nobody else's."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.functions.http import HttpFunction
from gateway.functions.settings import LambdaSettingsError
from gateway.identity.testing import Signer
from gateway.server.admin.lambda_handler import AdminFunctionSettings, wired
from tests.admin.bench import BASE, Bench, bench, document


@pytest.fixture
def function(tmp_path: Path, signing_key: Signer) -> Iterator[tuple[HttpFunction, Bench]]:
    """The function over the stores and issuers of a bench, on an event loop of its own as in a sandbox."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with bench(tmp_path, signing_key, allow_private_issuers=True) as made:
        environment = {
            "AWS_REGION": "eu-central-1",
            "UPLOAD_GATEWAY_STORE__TABLE": "table",
            "UPLOAD_GATEWAY_TENANTS__ALLOW_PRIVATE_ISSUERS": "true",
            "UPLOAD_GATEWAY_OPERATORS": json.dumps(
                [{"issuer": made.operators.url, "audience": ["upload-gateway-admin"]}]
            ),
        }
        settings = AdminFunctionSettings.from_environment(environment)
        yield wired(settings, stores=made.stores, clock=made.clock), made
    asyncio.set_event_loop(None)
    loop.close()


def event(method: str, path: str, token: str | None, body: Any = None, **headers: str) -> dict[str, Any]:
    """A REST API's event (API Gateway Developer Guide, "Input format of a Lambda function for proxy integration")."""
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    return {
        "httpMethod": method,
        "path": path,
        "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "stage": "live"},
        "multiValueHeaders": {
            name: [value] for name, value in {"content-type": "application/json", **bearer, **headers}.items()
        },
        "multiValueQueryStringParameters": None,
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def url_event(method: str, path: str, token: str) -> dict[str, Any]:
    """An HTTP API's, format 2.0."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {token}"},
        "requestContext": {"stage": "$default", "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}},
        "isBase64Encoded": False,
    }


def test_an_operator_makes_and_reads_a_tenant(function: tuple[HttpFunction, Bench]) -> None:
    """As on one machine, with the invocation's id on every answer."""
    answer, made = function
    operator = made.operator()
    created = answer(event("PUT", f"{BASE}/acme", operator, document(), **{"if-none-match": "*"}), None)
    read = answer(event("GET", f"{BASE}/acme", operator), None)
    listed = answer(url_event("GET", BASE, operator), None)

    assert (created["statusCode"], read["statusCode"], listed["statusCode"]) == (201, 200, 200)
    assert read["multiValueHeaders"]["etag"] == created["multiValueHeaders"]["etag"]
    assert [each["tenant"] for each in json.loads(listed["body"])["tenants"]] == ["acme"]
    assert list(made.stores.audit.lines())


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [("nobody", 401, "token-missing"), ("tenant", 401, "token-invalid"), ("unscoped", 403, "scope-missing")],
)
def test_nobody_else_may(function: tuple[HttpFunction, Bench], who: str, status: int, code: str) -> None:
    """Neither without a token, nor with a tenant's, nor without the scope."""
    answer, made = function
    tokens = {"nobody": None, "tenant": made.caller(), "unscoped": made.operator(scope="files:write")}
    refused = answer(event("GET", f"{BASE}/acme", tokens[who]), None)

    assert (refused["statusCode"], json.loads(refused["body"])["type"]) == (
        status,
        f"urn:upload-gateway:problem:{code}",
    )


def test_it_says_how_it_is(function: tuple[HttpFunction, Bench]) -> None:
    """Alive, and whether its table answers; nothing of the presigner's or of pages is here."""
    answer, _ = function

    assert answer(event("GET", "/healthz", None), None)["statusCode"] == 200
    assert json.loads(answer(event("GET", "/readyz", None), None)["body"])["checks"] == {"policies": "reachable"}
    assert [answer(event("GET", path, None), None)["statusCode"] for path in ("/console", "/uploads")] == [404, 404]


def test_without_an_operators_issuer_there_is_no_function() -> None:
    """It would refuse everybody, so it says so at its start."""
    with pytest.raises(LambdaSettingsError, match="OPERATORS is required"):
        AdminFunctionSettings.from_environment({"AWS_REGION": "r", "UPLOAD_GATEWAY_STORE__TABLE": "t"})
