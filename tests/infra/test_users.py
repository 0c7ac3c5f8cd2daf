"""The user pool: who may write what, and what the trigger makes of a user's tenant, groups and scopes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.policy.document import ADMIN_SCOPE, parse_issuer
from gateway.policy.model import IssuerRule
from tests.infra.deployed import Deployed
from tests.infra.templates import template

USERS = template("users")
RESOURCES = USERS["Resources"]
CLIENTS = [RESOURCES[name]["Properties"] for name in ("Pages", "Console")]

WRITE, ADMIN = "uploads/files:write", "uploads/tenants:admin"


def trigger() -> Callable[[dict[str, Any], object], dict[str, Any]]:
    """The function as it is deployed."""
    names: dict[str, Any] = {}
    exec(RESOURCES["ClaimsFunction"]["Properties"]["InlineCode"], names)
    handler: Callable[[dict[str, Any], object], dict[str, Any]] = names["handler"]
    return handler


def generated(attributes: dict[str, str], groups: object, scopes: object) -> dict[str, Any]:
    """What it has Cognito write into the access token ("Pre token generation Lambda trigger", version 2)."""
    request = {
        "userAttributes": attributes,
        "groupConfiguration": groups,
        "scopes": scopes,
        "clientMetadata": {"tenant": "x"},
    }
    answer = trigger()({"version": "2", "request": request, "response": {}}, None)
    found: dict[str, Any] = answer["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"]
    json.dumps(answer)
    return found


ACME = {"sub": "s", "email": "ada@example.com", "custom:tenant": "acme"}
OPERATORS = {"groupsToOverride": ["operators"]}


@pytest.mark.parametrize(
    ("attributes", "groups", "scopes", "tenant", "added"),
    [
        (ACME, {"groupsToOverride": []}, ["openid", WRITE], "acme", ["files:write"]),
        (ACME, OPERATORS, ["openid", WRITE, ADMIN], "acme", ["files:write", ADMIN_SCOPE]),
        (ACME, {}, [ADMIN], "acme", []),
        (ACME, None, [WRITE, ADMIN], "acme", ["files:write"]),
        (ACME, {"groupsToOverride": ["operators-not"]}, [ADMIN], "acme", []),
        (ACME, OPERATORS, ["aws.cognito.signin.user.admin", "files:write", "tenants:admin"], "acme", []),
        (ACME, OPERATORS, None, "acme", []),
        ({"sub": "s"}, OPERATORS, [WRITE, ADMIN], None, [ADMIN_SCOPE]),
        ({"sub": "s", "tenant": "acme", "custom:tenant": ""}, {}, [WRITE], None, []),
    ],
)
def test_tenant_and_scopes_are_what_administrators_said(
    attributes: dict[str, str], groups: object, scopes: object, tenant: str | None, added: list[str]
) -> None:
    """The attribute and the group, which users can't write; a scope only where the client was given it."""
    found = generated(attributes, groups, scopes)

    assert found["claimsToAddOrOverride"] == ({"tenant": tenant} if tenant else {})
    assert found["scopesToAdd"] == added
    assert found["claimsToSuppress"] == ([] if tenant else ["tenant"])


def test_an_event_that_is_none_gives_nobody_a_token() -> None:
    """A trigger that raises ends the sign-in."""
    with pytest.raises(KeyError):
        trigger()({"request": {}, "response": {}}, None)


def test_no_client_lets_a_user_write_the_tenant() -> None:
    """Neither by its attributes nor by the scope that lets users change their own."""
    for client in CLIENTS:
        assert client["WriteAttributes"] == ["email"]
        assert "aws.cognito.signin.user.admin" not in client["AllowedOAuthScopes"]
        assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    assert RESOURCES["Pool"]["Properties"]["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}


def test_clients_are_public_with_codes_alone_and_a_scope_each() -> None:
    """No implicit flow, no secret, and no operator's scope for a page."""
    pages, console = CLIENTS
    assert all((one["GenerateSecret"], one["AllowedOAuthFlows"]) == (False, ["code"]) for one in CLIENTS)
    assert pages["AllowedOAuthScopes"] == ["openid", WRITE]
    assert console["AllowedOAuthScopes"] == ["openid", ADMIN]
    scopes = RESOURCES["Resource"]["Properties"]["Scopes"]
    assert {f"{RESOURCES['Resource']['Properties']['Identifier']}/{one['ScopeName']}" for one in scopes} == {
        WRITE,
        ADMIN,
    }


def test_the_entries_of_the_issuers_are_ones_that_the_gateway_reads() -> None:
    """The pages' for all tenants by their claim, the operators' without one; neither takes the other's tokens."""
    outputs = Deployed(USERS, SignInPages="https://a.example", LogDays="1", AlarmTopicArn="").fill(USERS["Outputs"])
    rules = []
    for name in ("Issuers", "OperatorIssuers"):
        (entry,) = json.loads(outputs[name]["Value"].replace("/Pool", "/eu-central-1_Example"))
        rule = parse_issuer(entry)
        assert isinstance(rule, IssuerRule), rule
        rules.append(rule)

    assert [(rule.kind, rule.tenant_claim, rule.token_use) for rule in rules] == [
        ("cognito", "tenant", ("access",)),
        ("cognito", None, ("access",)),
    ]
    assert rules[0].issuer == rules[1].issuer
    assert not set(rules[0].client_ids) & set(rules[1].client_ids)


def test_the_pool_outlives_the_stack() -> None:
    """Passwords can't be taken elsewhere."""
    assert (RESOURCES["Pool"]["DeletionPolicy"], RESOURCES["Pool"]["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "[]"),
        ({"SignInPages": "https://a.example"}, "Users.Outputs.Issuers"),
        ({"SignInPages": "https://a.example", "Issuers": "[1]"}, "[1]"),
        ({"Issuers": "[1]"}, "[1]"),
    ],
)
def test_the_pool_is_the_issuer_where_no_other_is_said(parameters: dict[str, str], expected: str) -> None:
    """So that a trial has users with one parameter."""
    made = Deployed(template("regional"), **parameters).resources()

    assert ("Users" in made) is ("SignInPages" in parameters)
    for function in ("AuthorizerFunction", "PresignerFunction"):
        assert made[function]["Properties"]["Environment"]["Variables"]["UPLOAD_GATEWAY_ISSUERS"] == expected
