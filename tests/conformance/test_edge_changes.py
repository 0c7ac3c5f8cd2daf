"""What an operator changes through the admin API reaches an edge that knows published documents alone."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.demo import DemoProcess
from tests.conformance.deployment import Base

COMMAND = Path(sys.executable).with_name("upload-gateway")
WITHIN = 30.0


class Operator:
    """An operator, and a client of the tenant `acme`, of one demo."""

    def __init__(self, state: Path, base: Base) -> None:
        self._url = f"http://{base.origin.host}:{base.origin.port}"
        self._admin = self._token(state, "--admin")
        self.client = self._token(state, "--tenant", "acme")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        """Status, decoded body and ETag of a call of the admin API."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self._send(method, path, self._admin, json.dumps(body).encode(), {"Content-Type": kind, **headers})

    def upload(self, credential: str) -> int:
        """The status of an upload through the edge."""
        return self._send("PUT", "/edge/a.txt", credential, b"hello", {"Content-Type": "text/plain"})[0]

    def patch(self, **members: Any) -> None:
        """Change the tenant."""
        etag = self.call("GET", "/admin/tenants/acme")[2]
        assert self.call("PATCH", "/admin/tenants/acme", members, **{"If-Match": etag})[0] == 200

    @staticmethod
    def _token(state: Path, *options: str) -> str:
        command = [str(COMMAND), "token", "--data", str(state), *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def _send(
        self, method: str, path: str, credential: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, Any, str]:
        request = urllib.request.Request(self._url + path, None if method == "GET" else body, method=method)
        for name, value in {**headers, "Authorization": f"Bearer {credential}"}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None, answer.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None, ""


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    data = tmp_path_factory.mktemp("changes")
    process = DemoProcess(data, limits="machine", options=("--published-edge",))
    try:
        deployment = process.start()
        yield Operator(data / "state", deployment.base("edge"))
    finally:
        process.stop()


def becomes(ask: Callable[[], int], status: int) -> bool:
    """Whether the answer is this one before long."""
    deadline = time.monotonic() + WITHIN
    while ask() != status:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_suspension_reaches_the_edge_and_its_end_too(operator: Operator) -> None:
    """Through the store, the publisher, S3 and the function."""
    assert becomes(lambda: operator.upload(operator.client), 200)

    operator.patch(status="suspended")
    assert becomes(lambda: operator.upload(operator.client), 403)

    operator.patch(status="active")
    assert becomes(lambda: operator.upload(operator.client), 200)


def test_an_api_key_works_at_the_edge_until_it_is_revoked(operator: Operator) -> None:
    """Its record is published, not its secret."""
    wanted = {"name": "camera", "scopes": ["files:write"]}
    status, made, _ = operator.call("POST", "/admin/tenants/acme/keys", wanted)
    assert status == 201
    assert becomes(lambda: operator.upload(made["secret"]), 200)

    assert operator.call("DELETE", f"/admin/tenants/acme/keys/{made['id']}")[0] == 204
    assert becomes(lambda: operator.upload(made["secret"]), 401)


def test_a_tenant_that_was_deleted_is_unknown_at_the_edge(operator: Operator) -> None:
    """Its tokens are good, and for nobody."""
    etag = operator.call("GET", "/admin/tenants/acme")[2]

    assert operator.call("DELETE", "/admin/tenants/acme", **{"If-Match": etag})[0] == 204
    assert becomes(lambda: operator.upload(operator.client), 403)
