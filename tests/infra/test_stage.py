"""`scripts/stage` without an account: exactly what it would run, in which order, and when it does not."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.stage_account import Account, stage_script
from tests.infra.templates import ROOT, template

SCRIPT = stage_script()
DISTRIBUTION = "arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE"
REGIONAL = {
    "UploadBucketName": "bucket-1",
    "UploadBucketRegion": "eu-central-1",
    "TableName": "table-1",
    "ProxyUrl": "https://proxy.example/live",
    "PresignerUrl": "https://presigner.example/live",
}
EDGE = {
    "DistributionArn": DISTRIBUTION,
    "FunctionVersionArn": "arn:aws:lambda:us-east-1:111122223333:function:edge:7",
    "FunctionName": "edge",
    "EdgeUrl": "https://edge.example",
}
FILE = """
version = 0.1
[test-regional.stage]
account = "111122223333"
[test-regional.deploy.parameters]
stack_name = "ug-test"
region = "eu-central-1"
parameter_overrides = ["CreateOnly=true"]
[test-edge.deploy.parameters]
stack_name = "ug-test-edge"
region = "us-east-1"
parameter_overrides = ["UploadBucket=stale", "LogDays=30"]
[small-regional.deploy.parameters]
stack_name = "ug-small"
region = "eu-central-1"
[other-regional.stage]
account = "444455556666"
[other-regional.deploy.parameters]
stack_name = "ug-other"
region = "eu-central-1"
[adrift-regional.deploy.parameters]
stack_name = "ug-adrift"
region = "eu-central-1"
[adrift-edge.deploy.parameters]
stack_name = "ug-adrift-edge"
region = "eu-central-1"
[odd-regional.deploy.parameters]
region = "eu-central-1"
"""
WHERE = ["--config-file", "./infra/parameters.toml", "--config-env"]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An empty account that the script is signed in to; no command that is run may hold a secret."""
    made = Account(tmp_path)
    (tmp_path / "infra/parameters.toml").write_text(FILE)
    monkeypatch.setattr(SCRIPT, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with made.answering() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield made
    assert "the-secret" not in str(made.calls())  # everybody on the machine sees what is run


def run(account: Account, *arguments: str) -> int:
    """What the script answers."""
    status: int = SCRIPT.main(arguments, file=account.root / "infra/parameters.toml")
    return status


def building(part: str, stage: str = "test") -> list[str]:
    """The command that builds one stack."""
    folder = f"./build/stages/{stage}-{part}"
    return ["sam", "build", "--template-file", f"./infra/{part}.yaml", "--build-dir", folder, *WHERE, f"{stage}-{part}"]


def deploying(
    part: str, *overrides: str, stage: str = "test", confirm: tuple[str, ...] = ("--confirm-changeset",)
) -> list[str]:
    """The command that deploys one stack."""
    shown = [*confirm, "--no-fail-on-empty-changeset", "--parameter-overrides", *overrides, 'Switch="off"']
    template = f"./build/stages/{stage}-{part}/template.yaml"
    return ["sam", "deploy", "--template-file", template, *WHERE, f"{stage}-{part}", *shown]


BUILT = [building("regional"), building("edge")]
FIRST = deploying("regional", "CreateOnly=true", "Release=none")
SECOND = deploying("edge", "LogDays=30", "UploadBucket=bucket-1", "UploadRegion=eu-central-1", "Release=none")
AGAIN = deploying("regional", "CreateOnly=true", f"EdgeDistributionArn={DISTRIBUTION}", "Release=none")
SMALL = deploying("regional", "Release=none", stage="small")


def test_a_first_deployment_tells_each_stack_about_the_other(
    account: Account, capfd: pytest.CaptureFixture[str]
) -> None:
    """Package, bucket, distribution, and then the bucket's policy for it; every change set is shown first."""
    account.say("made", {"test-regional": {"ug-test": REGIONAL}, "test-edge": {"ug-test-edge": EDGE}})

    assert run(account, "deploy", "test") == 0

    assert account.calls() == [*BUILT, FIRST, SECOND, AGAIN]
    assert f"the edge function is {EDGE['FunctionVersionArn']}; before it was none" in capfd.readouterr().out


def test_a_later_deployment_does_each_stack_once(account: Account) -> None:
    """The distribution is known from the beginning."""
    account.say("stacks", {"ug-test": REGIONAL, "ug-test-edge": EDGE})

    assert run(account, "deploy", "test") == 0

    assert account.calls() == [*BUILT, AGAIN, SECOND]


def test_a_part_is_deployed_alone(account: Account) -> None:
    """The regional stack keeps what it knows of the edge; a stage without an edge has none."""
    account.say("stacks", {"ug-test": REGIONAL, "ug-test-edge": EDGE})

    assert run(account, "deploy", "test", "--part", "regional") == 0
    assert run(account, "deploy", "test", "--part", "edge") == 0
    assert run(account, "deploy", "small") == 0

    assert account.calls() == [BUILT[0], AGAIN, BUILT[1], SECOND, building("regional", "small"), SMALL]


def test_a_pipeline_is_asked_nothing(account: Account) -> None:
    """With --yes change sets are made, shown and executed."""
    account.say("stacks", {"ug-small": {}})

    assert run(account, "deploy", "small", "--yes") == 0
    assert run(account, "destroy", "small", "--yes") == 0

    assert account.calls()[1:] == [
        deploying("regional", "Release=none", stage="small", confirm=("--no-confirm-changeset",)),
        ["sam", "delete", "--stack-name", "ug-small", "--region", "eu-central-1", "--no-prompts"],
    ]


def test_what_fails_stops_the_rest(account: Account) -> None:
    """The status is `sam`'s."""
    account.say("failing", ["deploy", "delete"])
    account.say("stacks", {"ug-test": REGIONAL, "ug-test-edge": EDGE})

    assert run(account, "deploy", "test") == 3
    assert run(account, "destroy", "test") == 3

    account.say("failing", ["build"])
    assert run(account, "deploy", "test") == 3

    verbs = ["build", "build", "deploy", "delete", "build"]
    assert [call[:2] for call in account.calls()] == [["sam", verb] for verb in verbs]


def test_a_change_set_that_was_declined_leaves_the_edge_alone(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    """`sam` ends well when the operator says no; there is no bucket then."""
    assert run(account, "deploy", "test") == 1

    assert account.calls() == [*BUILT, FIRST]
    assert "no bucket for the edge" in capsys.readouterr().err


def test_destroying_says_what_is_kept_and_begins_with_the_edge(
    account: Account, capfd: pytest.CaptureFixture[str]
) -> None:
    """By name, with the reason why the function can't go yet."""
    account.say("stacks", {"ug-test": REGIONAL, "ug-test-edge": EDGE})

    assert run(account, "destroy", "test") == 0

    assert account.calls() == [
        ["sam", "delete", "--stack-name", "ug-test-edge", "--region", "us-east-1"],
        ["sam", "delete", "--stack-name", "ug-test", "--region", "eu-central-1"],
    ]
    said = capfd.readouterr().out
    assert all(
        name in said for name in ("bucket-1", "table-1", "delete-function --region us-east-1 --function-name edge")
    )


def test_the_bucket_is_not_taken_from_under_the_edge(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The edge stack has to go first."""
    account.say("stacks", {"ug-test": REGIONAL, "ug-test-edge": EDGE})

    assert run(account, "destroy", "test", "--part", "regional") == 1

    assert account.calls() == []
    assert "destroy it first" in capsys.readouterr().err


def test_verifying_runs_every_script_that_has_something_to_look_at(account: Account) -> None:
    """With the file of the token and never the token; one that fails does not keep the others from running."""
    account.say("stacks", {"ug-test": REGIONAL, "ug-test-edge": EDGE})

    assert run(account, "verify", "test", "--token-file", "token") == 1

    assert account.calls() == [
        ["proxy.py", "--url", REGIONAL["ProxyUrl"], "--token-file", "token"],
        ["presigner.py", "--url", REGIONAL["PresignerUrl"], "--token-file", "token"],
        ["edge.py", "--url", EDGE["EdgeUrl"], "--token-file", "token"],
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("deploy", "unknown"), "has no [unknown-regional"),
        (("deploy", "small", "--part", "edge"), "has no [small-edge"),
        (("deploy", "other"), "belongs in account 444455556666, and this is 111122223333"),
        (("deploy", "adrift"), "region is us-east-1, and nowhere else"),
        (("deploy", "odd"), "does not say stack_name"),
        (("verify", "test"), "--token-file"),
        (("verify", "test", "--token-file", "token"), "nothing that could be verified"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_done(
    account: Account, arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a sentence."""
    assert run(account, *arguments) == 1

    assert account.calls() == []
    assert sentence in capsys.readouterr().err


def test_without_settings_of_the_edge_nothing_is_begun(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The regional stack is not changed for an edge that can't follow."""
    (account.root / "edge.json").unlink()

    assert run(account, "deploy", "test") == 1

    assert account.calls() == []
    assert "upload-gateway edge-settings" in capsys.readouterr().err


def test_a_plan_makes_every_change_set_and_executes_none(account: Account, capfd: pytest.CaptureFixture[str]) -> None:
    """Packages go apart from those that are deployed; a stage that is not there yet has no edge to plan."""
    assert run(account, "plan", "test", "--release", "abc") == 0
    assert "ug-test-edge can't be planned before there is a stack ug-test" in capfd.readouterr().out

    account.say("stacks", {"ug-test": REGIONAL, "ug-test-edge": EDGE})
    assert run(account, "plan", "test", "--built", "--release", "abc") == 0

    changes = [call for call in account.calls() if call[1] == "deploy"]
    assert len(changes) == 3
    assert all("--no-execute-changeset --s3-prefix plan" in " ".join(call) for call in changes)
    assert all("Release=abc" in call for call in changes)
    assert len([call for call in account.calls() if call[1] == "build"]) == 2


def test_what_is_built_before_is_taken_as_it_is(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """Building asks nobody who it is; what was never built is not deployed."""
    account.say("stacks", {"ug-small": {"Release": "abc"}})
    assert run(account, "deploy", "small", "--built") == 1
    assert "is not built" in capsys.readouterr().err

    assert run(account, "build", "small") == 0
    assert capsys.readouterr().err == ""
    assert run(account, "deploy", "small", "--built") == 0
    assert run(account, "release", "small") == 0

    assert account.calls() == [building("regional", "small"), SMALL]
    assert capsys.readouterr().out == "abc\n"


def test_without_credentials_or_sam_nothing_is_begun(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is said by its name."""
    monkeypatch.setenv("PATH", str(account.root))
    assert run(account, "deploy", "test") == 1
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert run(account, "deploy", "test") == 1

    assert account.calls() == []
    said = capsys.readouterr().err
    assert "no `sam` on the path" in said
    assert "aws sso login" in said


def test_the_example_is_one_that_can_be_deployed() -> None:
    """Its tables are read, every parameter is the template's, and the outputs that are handed over are there."""
    tables = tomllib.loads((ROOT / "infra/parameters.example.toml").read_text())
    for name, table in tables.items():
        if name == "version":
            continue
        stack = SCRIPT.Stack.read(name, table)
        document = template(stack.part)

        assert {one.partition("=")[0] for one in stack.overrides} <= set(document["Parameters"])
    outputs = set(template("regional")["Outputs"]) | set(template("edge")["Outputs"])
    assert {
        *SCRIPT.CHECKS,
        *SCRIPT.KEPT,
        "Release",
        "DistributionArn",
        "FunctionVersionArn",
        "UploadBucketRegion",
    } <= outputs
    assert {"UploadBucket", "UploadRegion"} <= set(template("edge")["Parameters"])


@pytest.mark.parametrize("part", ["regional", "edge"])
def test_what_is_left_out_of_the_file_has_the_templates_default(part: str) -> None:
    """Every one of them, and nothing that has none; SAM would keep what the last deployment said."""
    said = {name: rule["Default"] for name, rule in template(part)["Parameters"].items() if "Default" in rule}

    assert SCRIPT._defaults(part) == {name: str(value) for name, value in said.items()}
    assert not any('"' in str(value) for value in said.values())
