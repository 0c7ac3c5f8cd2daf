"""The pipeline without an account: who may take its roles, what its workflow runs, and how it gets its credentials."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml  # type: ignore[import-untyped]

from tests.infra.deployed import Deployed
from tests.infra.iam import Call, allowed
from tests.infra.templates import ROOT, template

ACCOUNT = template("pipeline/account")
MADE = Deployed(ACCOUNT, Repository="owner/name", Environment="production", StackPrefix="upload-gateway")
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / "infra/pipeline/github-actions.yaml").read_text())
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]


def test_the_workflows_role_is_for_one_environment_of_one_repository() -> None:
    """Compared as a whole; anybody on GitHub has a token of the same issuer."""
    (trust,) = MADE.fill(ACCOUNT["Resources"]["PipelineExecutionRole"])["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]

    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:owner/name:environment:production",
        }
    }


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", "arn:aws:s3:::another/key"),
        ("cloudformation:ExecuteChangeSet", "arn:aws:cloudformation:eu-central-1:111122223333:stack/other/1"),
        ("cloudformation:DeleteStack", "arn:aws:cloudformation:eu-central-1:111122223333:stack/upload-gateway-test/1"),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/admin"),
        ("iam:CreateRole", "arn:aws:iam::111122223333:role/upload-gateway-x"),
        ("lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:111122223333:function:upload-gateway-x"),
        ("dynamodb:GetItem", "arn:aws:dynamodb:eu-central-1:111122223333:table/upload-gateway-x"),
    ],
)
def test_the_workflows_role_deploys_and_nothing_else(action: str, resource: str) -> None:
    """It touches nothing that its stacks have made."""
    call = Call(who="pipeline", action=action, resource=resource)

    assert not allowed(call, MADE.statements("PipelineExecutionRole"), [])


@pytest.mark.parametrize(
    ("action", "name", "expected"),
    [
        ("iam:CreateRole", "upload-gateway-test-ProxyRole", True),
        ("iam:CreateRole", "admin", False),
        ("iam:PutRolePolicy", "stage-PipelineExecutionRole", False),
        ("iam:PutRolePolicy", "stage-CloudFormationExecutionRole", False),
        ("iam:CreateUser", "upload-gateway-x", False),
    ],
)
def test_cloudformation_makes_roles_of_the_stages_alone(action: str, name: str, expected: bool) -> None:
    """Never its own, which are the pipeline's stack's (`stage` here)."""
    call = Call(who="cloudformation", action=action, resource=f"arn:aws:iam::111122223333:role/{name}")

    assert allowed(call, MADE.statements("CloudFormationExecutionRole"), []) is expected


def test_the_workflow_runs_nothing_but_what_is_in_the_repository() -> None:
    """No action of anybody's, no key, and the right to a token only where something is deployed."""
    steps = [step for job in JOBS.values() for step in job["steps"]]

    assert not any("uses" in step for step in steps)
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert {name for name, job in JOBS.items() if job.get("permissions", {}).get("id-token") == "write"} == {
        "test",
        "production",
    }
    assert {name for name, job in JOBS.items() if job.get("environment") == name} == {"test", "production"}
    assert set(re.findall(r"secrets\.(\w+)", json.dumps(JOBS))) == {"VERIFY_KEY"}
    assert not re.search(
        r"\$\{\{[^}]*github\.(event|head_ref)", json.dumps(JOBS)
    )  # what a stranger writes is no script
    for step in steps:
        assert "${{" not in step["run"].replace("${{ steps.", "")


def test_production_comes_after_the_test_and_deploys_what_was_built() -> None:
    """By its digest."""
    assert JOBS["test"]["needs"] == "build"
    assert JOBS["production"]["needs"] == ["build", "test"]
    for job in ("test", "production"):
        assert JOBS[job]["env"]["BUILT"] == "${{ needs.build.outputs.digest }}"
        assert JOBS[job]["steps"][-1]["run"] == f"infra/pipeline/deploy {job}"


class Services(BaseHTTPRequestHandler):
    """GitHub's issuer and AWS's STS."""

    asked: list[str]

    def do_GET(self) -> None:
        """A workflow's token."""
        self.asked.append(f"{self.path} {self.headers['authorization']}")
        self._answer(json.dumps({"value": "the-token"}))

    def do_POST(self) -> None:
        """Credentials for it."""
        said = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.asked.append(
            f"{said['Action'][0]} {said['RoleArn'][0]} {said['WebIdentityToken'][0]} {self.headers['authorization']}"
        )
        members = {"AccessKeyId": "ASIA", "SecretAccessKey": "the-secret", "SessionToken": "the-session"}
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
        name = "AssumeRoleWithWebIdentity"
        self._answer(
            f"<{name}Response><{name}Result><Credentials>{inner}<Expiration>2027-01-01T00:00:00Z</Expiration>"
            f"</Credentials></{name}Result></{name}Response>"
        )

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def services() -> Iterator[tuple[str, list[str]]]:
    """Where both answer, and what they were asked."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Services,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_job_gets_credentials_for_an_hour_and_shows_none(services: tuple[str, list[str]], tmp_path: Path) -> None:
    """Into a file that nobody else reads; STS is asked without a signature, since there is no key to sign with."""
    url, asked = services
    environment = {
        "PATH": os.environ["PATH"],
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/token?a=b",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        "AWS_ROLE": "arn:aws:iam::111122223333:role/pipeline",
        "AWS_ENDPOINT_URL": url,
    }
    command = [sys.executable, "infra/pipeline/sign_in.py", str(tmp_path / "credentials")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert asked == [
        "/token?a=b&audience=sts.amazonaws.com Bearer of-the-job",
        "AssumeRoleWithWebIdentity arn:aws:iam::111122223333:role/pipeline the-token None",
    ]
    assert done.stdout + done.stderr == ""
    assert stat.S_IMODE((tmp_path / "credentials").stat().st_mode) == 0o600
    assert "aws_session_token = the-session" in (tmp_path / "credentials").read_text()


def test_functions_roll_out_by_the_switch_with_alarms_of_their_own() -> None:
    """Those that clients meet; the alarms are of the function and of its API."""
    for backend, function in (("Proxy", "AuthorizerFunction"), ("Presigner", "PresignerFunction")):
        made = Deployed(template("regional"), Rollout="Canary10Percent5Minutes").resources()[function]["Properties"]

        assert made["AutoPublishAlias"] == "live"
        assert made["DeploymentPreference"] == {
            "Type": "Canary10Percent5Minutes",
            "Alarms": [function.replace("Function", "Errors"), f"{backend}ApiErrors"],
        }
