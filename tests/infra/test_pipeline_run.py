"""The pipeline from a commit to production: its workflow's own scripts, git and `scripts/stage`, over a fake account.

`make` and `sam` write down what they are told; AWS and GitHub's issuer are an endpoint of ours. Everything between is
what a runner would run.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.infra.stage_account import Account
from tests.infra.templates import ROOT
from tests.infra.workflow import Context, Done, Runner, machine

pytestmark = pytest.mark.xdist_group("pipeline-run")

WORKFLOW = yaml.safe_load((ROOT / "infra/pipeline/github-actions.yaml").read_text())
CANARY = "Rollout=Canary10Percent5Minutes"
FILE = "version = 0.1\n" + "".join(
    f"""
[{stage}-regional.stage]
account = "111122223333"
[{stage}-regional.deploy.parameters]
stack_name = "upload-gateway-{stage}"
region = "eu-central-1"
parameter_overrides = [{f'"{CANARY}"' if stage == "production" else ""}]
[{stage}-edge.stage]
settings = "edge-{stage}.json"
[{stage}-edge.deploy.parameters]
stack_name = "upload-gateway-{stage}-edge"
region = "us-east-1"
"""
    for stage in ("test", "production")
)
MAKE = """#!/bin/sh
echo "[\\"make\\", \\"$*\\"]" >> {root}/calls
if [ "$*" = install ]; then
    mkdir -p .venv/bin
    printf '#!/bin/sh\\nexec {python} "$@"\\n' > .venv/bin/python
    chmod +x .venv/bin/python
fi
"""
SMOKE = """
import json, pathlib, sys
root = pathlib.Path({root!r})
assert pathlib.Path(sys.argv[4]).read_text() == "the-key"
with (root / "calls").open("a") as calls:
    calls.write(json.dumps(["smoke", sys.argv[2]]) + "\\n")
sys.exit(sys.argv[2] in json.loads((root / "smoke").read_text()))
"""


def outputs(stage: str, part: str) -> dict[str, str]:
    """What a stack of these says of itself."""
    if part == "edge":
        arn = f"arn:aws:cloudfront::111122223333:distribution/{stage.upper()}"
        return {"DistributionArn": arn, "FunctionVersionArn": f"{stage}:1", "EdgeUrl": f"https://edge.{stage}"}
    return {"UploadBucketName": stage, "UploadBucketRegion": "eu-central-1", "ProxyUrl": f"https://proxy.{stage}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The repository that deploys, and the account that it deploys to."""

    origin: Path
    account: Account
    runner: Runner

    def commit(self, text: str) -> str:
        """Another commit, with another regional template."""
        with (self.origin / "infra/regional.yaml").open("a") as file:
            file.write(f"# {text}\n")
        return self.committed()

    def committed(self) -> str:
        """Everything that is there, as a commit's id."""
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message", "next")
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """What git says in the repository."""
        who = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "commit.gpgsign=false")
        command = ["git", *who, *arguments]
        return subprocess.run(
            command, cwd=self.origin, env=machine(), capture_output=True, text=True, check=True
        ).stdout

    def run(self, sha: str, name: str = "push", head: str = "owner/name") -> dict[str, Done]:
        """The workflow for an event."""
        event: Context = {"event_name": name, "sha": sha, "repository": "owner/name", "token": "t", "ref": "r"}
        event |= {"server_url": f"file://{self.origin.parents[1]}"}
        event |= {"event": {"pull_request": {"head": {"repo": {"full_name": head}}}}}
        (self.account.root / "calls").write_text("")
        return self.runner.run(event)

    def calls(self, name: str) -> list[list[str]]:
        """What was run under a name."""
        found = map(json.loads, (self.account.root / "calls").read_text().splitlines())
        return [[Path(call[0]).name, *call[1:]] for call in found if Path(call[0]).name == name]

    def deployed(self) -> list[tuple[str, str]]:
        """The tables that were deployed, each with its release."""
        calls = [call for call in self.calls("sam") if call[1] == "deploy"]
        return [
            (call[call.index("--config-env") + 1], next(one[8:] for one in call if one.startswith("Release=")))
            for call in calls
        ]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A first commit, an empty account, and a runner of the workflow of this tree."""
    (tmp_path / "account").mkdir()
    account = Account(tmp_path / "account")
    root = str(account.root)
    account.runnable("bin/make", MAKE.format(root=root, python=sys.executable))
    account.say("smoke", [])
    stages = [(stage, part) for stage in ("test", "production") for part in ("regional", "edge")]
    account.say("made", {f"{stage}-{part}": {_stack(stage, part): outputs(stage, part)} for stage, part in stages})
    origin = tmp_path / "owner/name"
    shutil.copytree(ROOT / "infra", origin / "infra", ignore=shutil.ignore_patterns("parameters.toml", "__pycache__"))
    (origin / "scripts").mkdir()
    for script in ("stage", "rollback"):
        shutil.copy(ROOT / "scripts" / script, origin / "scripts" / script)
    (origin / "infra/parameters.toml").write_text(FILE)
    for stage in ("test", "production"):
        (origin / f"edge-{stage}.json").write_text("{}")
    for script in ("proxy", "presigner", "edge"):
        (origin / f"infra/verify/{script}.py").write_text(SMOKE.format(root=root))
    (tmp_path / "runner").mkdir()
    with account.answering() as url:
        own = machine()
        runner = Runner(
            workflow=WORKFLOW,
            folder=tmp_path / "runner",
            environment={**own, "PATH": f"{root}/bin:{own['PATH']}", "AWS_ENDPOINT_URL": url},
            signed_in={"ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/token?a=b", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"},
            settings={
                "vars": {"AWS_ROLE": "arn:aws:iam::111122223333:role/pipeline", "AWS_REGION": "eu-central-1"},
                "secrets": {"VERIFY_KEY": "the-key"},
            },
        )
        made = Project(origin=origin, account=account, runner=runner)
        made.git("init", "--quiet")
        made.committed()
        yield made


def _stack(stage: str, part: str) -> str:
    return f"upload-gateway-{stage}{'' if part == 'regional' else '-edge'}"


def results(done: dict[str, Done]) -> dict[str, str]:
    """How each job ended."""
    return {name: job.result for name, job in done.items()}


def template_of(project: Project, stage: str) -> str:
    """The digest of the regional template that is deployed."""
    stacks = json.loads((project.account.root / "stacks").read_text())
    found: str = stacks[_stack(stage, "regional")]["Template"]
    return found


def standing(project: Project, release: str) -> None:
    """Both stages as a release left them."""
    stacks = {
        _stack(stage, part): outputs(stage, part) | {"Release": release}
        for stage in ("test", "production")
        for part in ("regional", "edge")
    }
    project.account.say("stacks", stacks)


@pytest.mark.long
def test_a_commit_goes_to_production_by_a_canary(project: Project) -> None:
    """Checked, built, deployed to the account of tests, verified there, and then the same again for production."""
    standing(project, "none")
    sha = project.commit("first")
    done = project.run(sha)

    assert results(done) == {"build": "success", "plan": "skipped", "test": "success", "production": "success"}, done
    assert ["make", "check infra-check test"] in project.calls("make")
    assert project.deployed() == [
        (f"{stage}-{part}", sha) for stage in ("test", "production") for part in ("regional", "edge")
    ]
    assert [call[1] for call in project.calls("smoke")] == [
        f"https://{what}.{stage}" for stage in ("test", "production") for what in ("proxy", "edge")
    ]
    changes = [call for call in project.calls("sam") if call[1] == "deploy"]
    assert all("--no-confirm-changeset" in call for call in changes)
    assert [CANARY in call for call in changes] == [False, False, True, False]


def test_production_goes_back_where_its_smoke_test_fails(project: Project) -> None:
    """To the commit that it had, templates and all; the workflow is red and shows no secret."""
    first = project.commit("first")
    standing(project, first)
    before = hashlib.sha256((project.origin / "infra/regional.yaml").read_bytes()).hexdigest()
    project.account.say("smoke", ["https://edge.production"])
    second = project.commit("second")
    done = project.run(second)

    assert results(done) == {"build": "success", "plan": "skipped", "test": "success", "production": "failure"}, done
    assert f"the smoke test failed; back to {first}" in done["production"].log
    assert project.deployed() == [
        (f"{stage}-{part}", sha)
        for stage, sha in (("test", second), ("production", second), ("production", first))
        for part in ("regional", "edge")
    ]
    assert template_of(project, "production") == before != template_of(project, "test")
    assert "the-secret" not in str(done)
    assert "the-key" not in str(done)


def test_a_pull_request_shows_its_change_sets_and_changes_nothing(project: Project) -> None:
    """In the job's summary; one from a fork is built and tested alone, without any role."""
    stacks = {_stack("test", part): outputs("test", part) for part in ("regional", "edge")}
    project.account.say("stacks", stacks)
    sha = project.commit("proposed")
    done = project.run(sha, "pull_request")

    assert results(done) == {"build": "success", "plan": "success", "test": "skipped", "production": "skipped"}, done
    assert "changeset of test-regional" in done["plan"].summary
    assert "changeset of test-edge" in done["plan"].summary
    assert json.loads((project.account.root / "stacks").read_text()) == stacks
    assert len(project.account.asked) == 2

    project.account.asked.clear()
    done = project.run(sha, "pull_request", head="stranger/name")
    assert results(done) == {"build": "success", "plan": "skipped", "test": "skipped", "production": "skipped"}
    assert project.account.asked == []


@pytest.mark.long
def test_what_fails_in_the_account_of_tests_never_comes_to_production(project: Project) -> None:
    """A first deployment has nothing to go back to, and says so."""
    project.account.say("smoke", ["https://proxy.test"])
    done = project.run(project.commit("first"))

    assert results(done) == {"build": "success", "plan": "skipped", "test": "failure", "production": "skipped"}
    assert "there is no commit to go back to" in done["test"].log
    assert {table for table, _ in project.deployed()} == {"test-regional", "test-edge"}


@pytest.mark.long
def test_what_was_not_built_is_not_deployed(project: Project) -> None:
    """Another digest ends the job before it asks anybody for a credential."""
    jobs = json.loads(json.dumps(WORKFLOW["jobs"]))
    jobs["test"]["env"]["BUILT"] = "0" * 64
    own = project.runner
    runner = Runner(
        workflow={**WORKFLOW, "jobs": jobs},
        folder=own.folder,
        environment=own.environment,
        signed_in=own.signed_in,
        settings=own.settings,
    )
    done = Project(origin=project.origin, account=project.account, runner=runner).run(project.commit("first"))

    assert results(done)["test"] == "failure"
    assert "not those that were tested" in done["test"].log
    assert project.account.asked == []
    assert project.deployed() == []
