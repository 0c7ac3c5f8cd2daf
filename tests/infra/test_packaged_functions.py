"""The package of the regional functions under Lambda's runtime, asked with the events that AWS documents."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra import events
from tests.infra.functions import ADMIN, AUTHORIZER, FIRST, PAGE, PRESIGNER, SWEEPER, USAGE_PLANS, Stage
from tests.infra.templates import of_type, template

pytestmark = pytest.mark.xdist_group("packaged-functions")

EDGE = "edge_auth.lambda_function.lambda_handler"
PLAN = {"name": "a.png", "size": 5, "content_type": "image/png"}
UPLOAD = {"Content-Type": "image/png", "Content-Length": "5", "x-amz-meta-title": "hello"}


def credential(stage: Stage, tenant: str = "acme") -> dict[str, str]:
    """The header that says who asks."""
    return {"Authorization": f"Bearer {stage.keys[tenant]}"}


def body_of(answer: dict[str, Any]) -> Any:
    """The JSON of a proxy integration's answer."""
    text = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
    return json.loads(text)


def test_every_function_of_the_templates_is_asked() -> None:
    """A function that is added to a template is asked here, too; the edge's has a package and a suite of its own."""
    handlers = {
        function["Properties"]["Handler"]
        for name in ("regional", "edge", "operations")
        for function in of_type(template(name), "AWS::Serverless::Function").values()
    }

    unasked = {f"gateway.upkeep.{name}.handler" for name in ("reconciler", "publisher")}  # tests/upkeep runs them

    assert handlers == {*FIRST, *unasked, EDGE}


def test_the_admin_api_and_the_sweeper_answer(stage: Stage) -> None:
    """Nobody without an operator's token; a sweep of a table with nothing due."""
    headers = {"Authorization": f"Bearer {stage.keys['acme']}"}
    refused = stage.asked(ADMIN, events.rest("GET", "/admin/tenants", headers))

    assert (refused["statusCode"], body_of(refused)["type"]) == (401, "urn:upload-gateway:problem:token-invalid")
    assert stage.asked(SWEEPER, events.scheduled())["code"] == "ok"


def test_the_authorizer_answers_its_documented_event(stage: Stage) -> None:
    """With a policy for exactly this request, and a context of texts alone."""
    event = events.authorizer("PUT", "/proxy/a.png", {**UPLOAD, **credential(stage)})
    answer = stage.asked(AUTHORIZER, event)

    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", event["methodArn"])
    assert answer["context"]["key"] == "acme/a.png"
    assert {type(value) for value in answer["context"].values()} == {str}


def test_the_authorizer_denies_with_the_problem(stage: Stage) -> None:
    """A key that nobody has, and a name that leaves the prefix."""
    for path, headers, code in (
        ("/proxy/a.png", {"Authorization": "Bearer ugk_none"}, "token-invalid"),
        ("/proxy/../globex/a.png", credential(stage), "name-invalid"),
    ):
        answer = stage.asked(AUTHORIZER, events.authorizer("PUT", path, {**UPLOAD, **headers}))

        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
        assert code in json.dumps(answer["context"])


@pytest.mark.parametrize("made", [events.rest, events.http, events.function_url], ids=lambda made: made.__name__)
def test_the_presigner_plans_for_each_kind_of_event(stage: Stage, made: Callable[..., events.Event]) -> None:
    """The URL is of the signer's role, and all that was declared is signed."""
    headers = {**credential(stage), "Content-Type": "application/json", "Content-Length": "60"}
    answer = stage.asked(PRESIGNER, made("POST", "/uploads", headers, PLAN))

    assert answer["statusCode"] == 201, answer
    plan = body_of(answer)
    assert plan["key"] == "acme/a.png"
    assert plan["url"].startswith(f"{stage.recorder.url}/demo-objects/acme/a.png?")
    assert "content-length%3Bcontent-type" in plan["url"]


def test_the_presigner_redirects_and_refuses(stage: Stage) -> None:
    """`PUT /presigned`, a preflight, and a caller without a credential."""
    redirect = stage.asked(PRESIGNER, events.rest("PUT", "/presigned/a.png", {**UPLOAD, **credential(stage)}))
    nobody = stage.asked(PRESIGNER, events.rest("POST", "/uploads", {"Content-Type": "application/json"}, PLAN))
    preflight = stage.asked(
        PRESIGNER, events.rest("OPTIONS", "/uploads", {"Origin": PAGE, "Access-Control-Request-Method": "POST"})
    )

    assert (redirect["statusCode"], nobody["statusCode"], preflight["statusCode"]) == (307, 401, 204)
    assert body_of(nobody)["type"] == "urn:upload-gateway:problem:token-missing"
    assert nobody["multiValueHeaders"]["www-authenticate"]


def test_usage_plans_are_kept_by_a_schedule(stage: Stage) -> None:
    """EventBridge's documented event; what is there already is left alone."""
    first, second = (stage.asked(USAGE_PLANS, events.scheduled()) for _ in range(2))

    assert set(first) == {"made", "moved", "removed"}
    assert set(second.values()) == {0}
