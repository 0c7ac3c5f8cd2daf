"""`POST /uploads` before the framework and behind it: one call, the same answers."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.admission import Admission
from gateway.asgi.request_id import WithRequestId
from gateway.asgi.wire import Application
from gateway.cors import NO_PAGES
from gateway.identity.credential import Credential
from gateway.policy.model import Minted, Policy, Principal, TenantId
from gateway.policy.problems import Code, Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Timeouts, Upstream
from presigner.application import create_application
from presigner.composition import PresignerParts, api_routes, standalone
from presigner.sealing import Sealer

POLICY = Policy(tenant=TenantId("acme"), types={"text/plain": (".txt",)})
CALLER = Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset({"files:write"}))
PLAN = {"name": "a.txt", "size": 5, "content_type": "text/plain"}
NOW = 1_750_000_000.0


class Corridor:
    """An authenticator and a policy source; a token says what comes of it."""

    def authenticate(self, presented: Credential) -> Principal | Refusal:
        if presented.value == "bad":
            return Refusal(code=Code.TOKEN_INVALID, detail="No.")
        return replace(CALLER, scopes=frozenset()) if presented.value == "scope" else CALLER

    async def authenticate_async(self, presented: Credential) -> Principal | Refusal:
        return self.authenticate(presented)

    def get(self, _tenant: str) -> Policy | None:
        return POLICY


def parts() -> PresignerParts:
    """A presigner whose every answer depends on the request alone."""
    corridor = Corridor()
    return PresignerParts(
        admission=Admission(corridor, corridor, lambda: Minted(at=NOW, uuid="0" * 32)),
        endpoint=Endpoint.at("http://localhost:1", "demo-objects"),
        signer=Signer(Credentials("key", "secret"), "us-east-1"),
        upstream=Upstream(timeouts=Timeouts()),
        sealer=Sealer([bytes(32)], bytes),
        clock=lambda: NOW,
    )


def framework() -> Application:
    """The routes alone."""
    return WithRequestId(create_application(api_routes(parts())), lambda _scope: "id-1")


def front() -> Application:
    """The presigner as it is deployed."""
    return standalone(parts(), cors=NO_PAGES, request_ids=lambda _scope: "id-1")


def asked(
    application: Application, target: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
) -> tuple[int, Any, Any]:
    """Status, headers and what the body says but for the random id."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as client:
            return await client.request(method, target, content=body, headers=headers)

    answer = asyncio.run(ask())
    said = answer.json()
    said.pop("id", None)
    return answer.status_code, dict(sorted(answer.headers.items())), said


GOOD = {"authorization": "Bearer good"}


@pytest.mark.parametrize(
    ("target", "body", "headers", "status"),
    [
        ("/uploads", json.dumps(PLAN).encode(), GOOD, 201),
        ("/uploads", json.dumps(PLAN).encode(), {**GOOD, "accept-encoding": "gzip"}, 201),
        ("/uploads", json.dumps({**PLAN, "metadata": {"a": "x" * 2000}}).encode(), GOOD, 400),
        ("/uploads?a=1", json.dumps(PLAN).encode(), GOOD, 400),
        ("/uploads", b"{", GOOD, 400),
        ("/uploads", b"", GOOD, 400),
        ("/uploads", b'{"name": "a.txt"}', GOOD, 400),
        ("/uploads", json.dumps({**PLAN, "more": 1}).encode(), GOOD, 400),
        ("/uploads", json.dumps({**PLAN, "content_type": "image/png"}).encode(), GOOD, 415),
        ("/uploads", json.dumps({**PLAN, "overwrite": True}).encode(), GOOD, 400),
        ("/uploads", b" " * 70_000, GOOD, 413),
        ("/uploads", json.dumps(PLAN).encode(), {**GOOD, "idempotency-key": "k"}, 400),
        ("/uploads", json.dumps(PLAN).encode(), {**GOOD, "idempotency-key": "ä".encode()}, 400),
        ("/uploads", json.dumps(PLAN).encode(), {}, 401),
        ("/uploads", json.dumps(PLAN).encode(), {"authorization": "Bearer bad"}, 401),
        ("/uploads", json.dumps(PLAN).encode(), {"authorization": "Bearer scope"}, 403),
    ],
)
def test_a_plan_is_the_same_before_the_framework_and_behind_it(
    target: str, body: bytes, headers: Mapping[str, str], status: int
) -> None:
    """Status, headers and members."""
    before, behind = asked(front(), target, body, headers), asked(framework(), target, body, headers)

    assert before[0] == status, before
    assert before == behind
    assert before[1]["x-request-id"] == "id-1"


PARAMS = "/s3/params?filename=a.txt&type=text/plain"


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (PARAMS, GOOD, 200),
        (PARAMS + "&metadata[name]=a.txt", GOOD, 200),
        ("/s3/params?filename=%E2%82%AC.txt&type=", GOOD, 415),
        ("/s3/params", GOOD, 400),
        ("/s3/params?filename", GOOD, 400),
        (PARAMS + "&filename=b.txt", GOOD, 400),
        (PARAMS + "&more=1", GOOD, 400),
        ("/s3/params?filename=a.txt&type=t%0Aext", GOOD, 400),
        ("/s3/params?filename=a.png&type=image/png", GOOD, 415),
        (PARAMS, {}, 401),
        (PARAMS, {"authorization": "Bearer bad"}, 401),
        (PARAMS, {"authorization": "Bearer scope"}, 403),
    ],
)
def test_params_are_the_same_before_the_framework_and_behind_it(
    target: str, headers: Mapping[str, str], status: int
) -> None:
    """Status, headers and members, those that Uppy shows among them."""
    before, behind = asked(front(), target, b"", headers, "GET"), asked(framework(), target, b"", headers, "GET")

    assert before[0] == status, before
    assert before == behind
    assert before[1]["x-request-id"] == "id-1"
    assert status == 200 or before[2]["error"] == before[2]["message"] != ""


@pytest.mark.parametrize("target", ["/uploads/", "/Uploads", "/uploads%2F", "/uploads/x/parts", "//uploads"])
def test_nothing_else_is_answered_before_the_framework(target: str) -> None:
    """Only the path itself, byte for byte."""
    before, behind = asked(front(), target, b"{}", GOOD), asked(framework(), target, b"{}", GOOD)

    assert before == behind
    assert before[0] in {404, 405}


def test_a_defect_is_an_internal_problem(caplog: pytest.LogCaptureFixture) -> None:
    """In the catalogue's words, with its cause in the log alone."""
    application = standalone(replace(parts(), clock=_broken), cors=NO_PAGES, request_ids=lambda _scope: "id-1")

    status, _, said = asked(application, "/uploads", json.dumps(PLAN).encode(), GOOD)

    assert (status, said["type"], said["instance"]) == (500, "urn:upload-gateway:problem:internal", "id-1")
    assert "secret" not in json.dumps(said)
    assert "a secret cause" in caplog.text


def _broken() -> float:
    raise RuntimeError("a secret cause")
