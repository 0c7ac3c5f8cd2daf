"""The pipeline without an account: who may take its roles, what its workflow runs, and how it gets its credentials."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.infra.deployed import Deployed
from tests.infra.iam import Call, allowed
from tests.infra.stage_account import Account
from tests.infra.templates import ROOT, template

ACCOUNT = template("pipeline/account")
SAID = {"Repository": "owner/name", "Environment": "production", "PlanEnvironment": "plan"}
MADE = Deployed(ACCOUNT, StackPrefix="upload-gateway", **SAID)
ROLES = {"PipelineExecutionRole": "production", "PlanRole": "plan"}
"""The roles of jobs, and the environment of each."""

WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / "infra/pipeline/github-actions.yaml").read_text())
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
DEPLOYING = {"plan", "test", "production"}


@pytest.mark.parametrize(("role", "environment"), ROLES.items())
def test_a_jobs_role_is_for_one_environment_of_one_repository(role: str, environment: str) -> None:
    """Compared as a whole; anybody on GitHub has a token of the same issuer."""
    (trust,) = MADE.fill(ACCOUNT["Resources"][role])["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": f"repo:owner/name:environment:{environment}",
        }
    }


SUBJECTS = {
    "repo:owner/name:environment:production": "PipelineExecutionRole",
    "repo:owner/name:environment:plan": "PlanRole",
    "repo:owner/name:environment:test": None,
    "repo:owner/name:environment:production2": None,
    "repo:owner/name:environment:": None,
    "repo:owner/name:ref:refs/heads/main": None,
    "repo:owner/name:ref:refs/tags/environment:production": None,
    "repo:owner/name:pull_request": None,
    "repo:owner/name2:environment:production": None,
    "repo:other/name:environment:production": None,
    "repo:OWNER/name:environment:production": None,
    "repo:owner/name:environment:Production": None,
    "repo:owner/*:environment:production": None,
    "repo:other/x:environment:production:repo:owner/name:environment:production": None,
    "": None,
}
"""What a token says of its job (GitHub Docs, "OpenID Connect reference", "Example subject claims"), and its role."""


@pytest.mark.parametrize(("subject", "expected"), SUBJECTS.items())
@pytest.mark.parametrize(
    "audience", ["sts.amazonaws.com", "https://github.com/owner", "sts.amazonaws.com.evil.example"]
)
def test_a_token_of_another_job_takes_no_role(subject: str, expected: str | None, audience: str) -> None:
    """By the same evaluation as every other policy's; of another audience it is nobody's."""
    claims = {"aud": audience, "sub": subject}
    context = {f"token.actions.githubusercontent.com:{name}": value for name, value in claims.items()}
    taken = [
        role
        for role in ROLES
        if allowed(
            Call(who="github", action="sts:AssumeRoleWithWebIdentity", resource=role, context=context),
            [
                {"Resource": "*", **{name: value for name, value in trust.items() if name != "Principal"}}
                for trust in MADE.fill(ACCOUNT["Resources"][role])["Properties"]["AssumeRolePolicyDocument"][
                    "Statement"
                ]
            ],
            [],
        )
    ]

    assert taken == ([expected] if expected and audience == "sts.amazonaws.com" else [])


STACK = "arn:aws:cloudformation:eu-central-1:111122223333:stack/upload-gateway-test/1"


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("cloudformation:CreateChangeSet", STACK, True),
        ("s3:PutObject", "arn:aws:s3:::ArtifactsBucket/plan/0123.zip", True),
        ("s3:PutObject", "arn:aws:s3:::ArtifactsBucket/0123.zip", False),
        ("s3:PutObject", "arn:aws:s3:::ArtifactsBucket/other/plan/0123.zip", False),
        ("cloudformation:ExecuteChangeSet", STACK, False),
        ("cloudformation:DeleteChangeSet", STACK, False),
        ("cloudformation:CreateStack", STACK, False),
        ("cloudformation:UpdateStack", STACK, False),
        ("cloudformation:DeleteStack", STACK, False),
        ("cloudformation:SetStackPolicy", STACK, False),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-central-1:111122223333:function:upload-gateway-x", False),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:role/CloudFormationExecutionRole", False),
    ],
)
def test_a_pull_request_makes_change_sets_and_nothing_of_them(action: str, resource: str, expected: bool) -> None:
    """What it puts lies apart from what is deployed, which is known by its digest alone."""
    assert allowed(Call(who="plan", action=action, resource=resource), MADE.statements("PlanRole"), []) is expected


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
    assert {name for name, job in JOBS.items() if job.get("permissions", {}).get("id-token") == "write"} == DEPLOYING
    assert {name for name, job in JOBS.items() if job.get("environment") == name} == DEPLOYING
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
        assert JOBS[job]["env"]["BUILT"] == f"${{{{ needs.build.outputs.{job} }}}}"
        assert JOBS[job]["steps"][-1]["run"] == f"infra/pipeline/deploy {job}"


def test_a_job_gets_credentials_for_an_hour_and_shows_none(tmp_path: Path) -> None:
    """Into a file that nobody else reads; STS is asked without a signature, since there is no key to sign with."""
    account = Account(tmp_path)
    with account.answering() as url:
        environment = {
            "PATH": os.environ["PATH"],
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/token?a=b",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
            "AWS_ROLE": "arn:aws:iam::111122223333:role/pipeline",
            "AWS_ENDPOINT_URL": url,
        }
        command = [sys.executable, "infra/pipeline/sign_in.py", str(tmp_path / "credentials")]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)

    assert account.asked == [
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
