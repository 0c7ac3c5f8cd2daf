"""The package of the regional functions under Lambda's runtime, asked with the events that AWS documents."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.infra import events
from tests.infra.functions import REGION, build, stocked_table, variables
from tests.infra.templates import of_type, template
from tests.lambda_runtime import Function, NoRuntimeError, Sandbox
from tests.stores import local_dynamodb

pytestmark = pytest.mark.xdist_group("packaged-functions")

PAGE = "https://app.example.com"
PLAN = {"name": "a.png", "size": 5, "content_type": "image/png"}
UPLOAD = {"Content-Type": "image/png", "Content-Length": "5", "x-amz-meta-title": "hello"}

AUTHORIZER, PRESIGNER = "gateway.proxy.lambda_handler.handler", "presigner.lambda_handler.handler"
EDGE = "edge_auth.lambda_function.lambda_handler"
USAGE_PLANS = "gateway.functions.usage_plans_handler.handler"  # nothing here stands for API Gateway's own API
FIRST: dict[str, events.Event] = {
    AUTHORIZER: events.authorizer("PUT", "/proxy/a.png", UPLOAD),
    PRESIGNER: events.rest("GET", "/nowhere", {}),
}
"""What each function is asked at its start: the least that it answers."""


class Site:
    """The package, a table with one tenant and its key, and a sandbox of each function that was asked for."""

    def __init__(self, package: Path, folder: Path, endpoint: str) -> None:
        self.key = stocked_table(endpoint)
        self.package = package
        self._folder, self._variables = folder, variables(endpoint)
        self._sandboxes: dict[str, Sandbox] = {}

    def asked(self, handler: str, event: events.Event) -> Any:
        """What the function answers to an event."""
        if handler not in self._sandboxes:
            function = Function(package=self.package, handler=handler, variables=self._variables, region=REGION)
            sandbox = Sandbox(function, self._folder / handler, is_answer=lambda answer: "errorType" not in answer)
            self._sandboxes[handler] = sandbox
            sandbox.start(FIRST[handler])
        return self._sandboxes[handler](event)

    def logs(self) -> str:
        """All that the functions wrote."""
        return "".join(sandbox.log.read_text() for sandbox in self._sandboxes.values())

    def stop(self) -> None:
        """End every sandbox."""
        for sandbox in self._sandboxes.values():
            sandbox.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Nothing of a credential is in any log at the end."""
    if told := local_dynamodb.why_not():
        pytest.skip(told)
    folder = tmp_path_factory.mktemp("functions")
    with ExitStack() as stack:
        try:
            site = Site(build(folder), folder, stack.enter_context(local_dynamodb.serving()))
        except NoRuntimeError as error:
            pytest.skip(f"the package or the Lambda runtime can't be had here: {error}")
        stack.callback(site.stop)
        yield site
        logs = site.logs()
        assert [word for word in (site.key, "Signature=", "AKID", "Traceback") if word in logs] == []


def credential(site: Site) -> dict[str, str]:
    """The header that says who asks."""
    return {"Authorization": f"Bearer {site.key}"}


def body_of(answer: dict[str, Any]) -> Any:
    """The JSON of a proxy integration's answer."""
    text = base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
    return json.loads(text)


def test_every_function_of_the_templates_is_asked() -> None:
    """A function that is added to a template is asked here, too; the edge's has a package and a suite of its own."""
    handlers = {
        function["Properties"]["Handler"]
        for name in ("regional", "edge")
        for function in of_type(template(name), "AWS::Serverless::Function").values()
    }

    assert handlers == {*FIRST, EDGE, USAGE_PLANS}


def test_the_authorizer_answers_its_documented_event(site: Site) -> None:
    """With a policy for exactly this request, and a context of texts alone."""
    event = events.authorizer("PUT", "/proxy/a.png", {**UPLOAD, **credential(site)})
    answer = site.asked(AUTHORIZER, event)

    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", event["methodArn"])
    assert answer["context"]["key"] == "acme/a.png"
    assert {type(value) for value in answer["context"].values()} == {str}


def test_the_authorizer_denies_with_the_problem(site: Site) -> None:
    """A key that nobody has, and a name that leaves the prefix."""
    for path, headers, code in (
        ("/proxy/a.png", {"Authorization": "Bearer ugk_none"}, "token-invalid"),
        ("/proxy/../globex/a.png", credential(site), "name-invalid"),
    ):
        answer = site.asked(AUTHORIZER, events.authorizer("PUT", path, {**UPLOAD, **headers}))

        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
        assert code in json.dumps(answer["context"])


@pytest.mark.parametrize("made", [events.rest, events.http, events.function_url], ids=lambda made: made.__name__)
def test_the_presigner_plans_for_each_kind_of_event(site: Site, made: Callable[..., events.Event]) -> None:
    """The URL that it signs names the bucket in its own Region, and all that was declared is signed."""
    headers = {**credential(site), "Content-Type": "application/json", "Content-Length": "60"}
    answer = site.asked(PRESIGNER, made("POST", "/uploads", headers, PLAN))

    assert answer["statusCode"] == 201, answer
    plan = body_of(answer)
    assert plan["key"] == "acme/a.png"
    assert plan["url"].startswith("https://uploads-111122223333.s3.eu-central-1.amazonaws.com/acme/a.png?")
    assert "content-length%3Bcontent-type" in plan["url"]


def test_the_presigner_redirects_and_refuses(site: Site) -> None:
    """`PUT /presigned`, a preflight, and a caller without a credential."""
    redirect = site.asked(
        PRESIGNER, events.rest("PUT", "/presigned/a.png", {**UPLOAD, **credential(site), "If-None-Match": "*"})
    )
    nobody = site.asked(PRESIGNER, events.rest("POST", "/uploads", {"Content-Type": "application/json"}, PLAN))
    preflight = site.asked(
        PRESIGNER, events.rest("OPTIONS", "/uploads", {"Origin": PAGE, "Access-Control-Request-Method": "POST"})
    )

    assert (redirect["statusCode"], nobody["statusCode"], preflight["statusCode"]) == (307, 401, 204)
    assert body_of(nobody)["type"] == "urn:upload-gateway:problem:token-missing"
    assert nobody["multiValueHeaders"]["www-authenticate"]
