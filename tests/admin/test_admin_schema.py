"""The admin API's OpenAPI document: complete, true to the checker, and tried by schemathesis."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from gateway.identity.testing import Signer
from gateway.policy.document import parse, render
from gateway.policy.model import IssuerRule, Policy, RateRule
from gateway.server.admin.models import EXAMPLE_DOCUMENT, IssuerMembers, RateMembers, TenantDocument
from tests.admin.bench import BASE, Bench, bench, created, document

load_all_checks()

NOT_ASKED: dict[str, str] = {
    "positive_data_acceptance": "a schema can't say that min is at most max, or which hosts are public",
    "max_response_time": "no timing in the suite",
}
"""Checks of schemathesis that are not run here, and why."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, signing_key: Signer) -> Iterator[Bench]:
    """An admin API with one tenant."""
    place: Path = tmp_path_factory.mktemp("schema")
    with bench(place, signing_key) as bench_made:

        async def fill() -> None:
            async with bench_made.client() as client:
                await created(client, document())

        asyncio.run(fill())
        yield bench_made


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every call of the document."""
    return [(method, path, call) for path, calls in schema["paths"].items() for method, call in calls.items()]


def test_every_call_is_described(made: Bench) -> None:
    """A description, the operator's scheme, every problem that all calls have, and no answer that none gives."""
    for _method, path, call in operations(made.api.openapi()):
        assert call["description"].endswith(".")
        assert call["security"] == [{"operator": []}]
        assert {"400", "401", "403", "503"} <= set(call["responses"])
        assert "422" not in call["responses"]
        assert ("404" in call["responses"]) == (path != BASE and _method != "put")


def test_every_body_has_an_example(made: Bench) -> None:
    """What is sent can be copied from the document, and is right."""
    for _method, _path, call in operations(made.api.openapi()):
        for content in call.get("requestBody", {}).get("content", {}).values():
            assert "example" in content or {"example", "examples"} & set(content["schema"])
    assert isinstance(parse(EXAMPLE_DOCUMENT), Policy)


def test_the_description_has_the_checkers_members_and_defaults() -> None:
    """What FastAPI says of a document is what `gateway.policy.document` takes and fills in."""
    policy = parse({"version": 1, "tenant": "acme"})
    assert isinstance(policy, Policy)
    described = TenantDocument(version=1, tenant="acme").model_dump()
    rate = RateMembers(per_second=1, burst=1).model_dump()
    issuer = IssuerMembers(issuer="https://id.example.com", audience=["a"]).model_dump()
    whole = {"version": 1, "tenant": "acme", "rate": rate, "issuers": [issuer]}
    filled = parse(whole)

    assert described == render(policy)
    assert isinstance(filled, Policy)
    assert (filled.rate, filled.issuers) == (
        RateRule(per_second=1, burst=1),
        (IssuerRule(issuer="https://id.example.com", audience=("a",)),),
    )
    assert {**render(policy), "rate": rate, "issuers": [issuer]} == render(filled)


def test_schemathesis_finds_nothing(made: Bench) -> None:
    """Generated requests, right ones and wrong ones, are answered as the document says, and never with a 500."""
    refused = ["400", "401", "403", "404", "405", "412", "428"]
    config = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": refused}}})
    schema = schemathesis.openapi.from_asgi("/openapi.json", made.application, config=config)
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in NOT_ASKED]
    headers = {"Authorization": f"Bearer {made.operator()}"}
    tried = []

    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]

        right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

        @given(right | wrong)
        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def attempt(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=checks)

        attempt()
        tried.append(operation.label)

    assert len(tried) == len(operations(made.api.openapi()))
