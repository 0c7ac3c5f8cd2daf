"""Each role against the calls that the code makes: all of them allowed, and nothing allowed that it never calls.

The calls are recorded at AWS's stand-ins while the packaged functions, under Lambda's runtime, are used in every way;
the file `recorded_calls.json` is what the policies are held to. A new call in the code fails the first test here; after
`UPDATE_RECORDED_CALLS=1 pytest tests/infra/test_recorded_calls.py` the second fails until its role allows it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra import events, recorded
from tests.infra.functions import Stage
from tests.infra.roles import ROLES, Role, actions_of, may, roles_of_the_templates
from tests.infra.templates import ROOT
from tests.infra.uploading import use_everything

KMS = "with a key of one's own S3 uses it in the caller's name (S3 User Guide, \"Protecting data with SSE-KMS\")"
LOGS = "Lambda writes what the function prints, in its role's name"
NOT_CALLED = {
    **{
        (role, f"kms:{a}"): KMS
        for role in ("ProxyRole", "SignerRole", "CompleterRole")
        for a in ("GenerateDataKey", "Decrypt")
    },
    **{
        (role, f"logs:{action}"): LOGS
        for role in ("AuthorizerRole", "PresignerRole", "UsagePlansRole", "EdgeRole")
        for action in ("CreateLogStream", "PutLogEvents")
    },
    ("UsagePlansScheduleRole", "lambda:InvokeFunction"): "EventBridge Scheduler calls the function in this role's name",
    ("EdgeRole", "logs:CreateLogGroup"): "its groups in other Regions are made by the first line there",
}
"""What a role allows and our code never asks for itself, and why it does."""


@pytest.mark.xdist_group("packaged-functions")
def test_the_code_makes_the_calls_that_are_written_down(stage: Stage, tmp_path: Path) -> None:
    """Every route of the functions and both of their sides of S3, by the wire."""
    use_everything(stage)
    use_the_edge(stage, tmp_path)
    names = {f"{each}-": f"{each.capitalize()}Role" for each in ("signer", "completer", "edge")}
    definition = json.loads((ROOT / "infra/proxy-api.json").read_text())
    found = recorded.lines(stage.recorder.made() | recorded.of_the_definition(definition), names)
    # The nested stack's functions, which are asked elsewhere, have their calls in test_operations.
    found = {role: calls for role, calls in found.items() if role in ROLES}
    if os.environ.get("UPDATE_RECORDED_CALLS"):
        recorded.FILE.write_text(json.dumps(found, indent=1) + "\n")

    assert _flat(found) ^ _flat(recorded.load()) == set()


def _flat(calls: recorded.Recorded) -> set[str]:
    """Each call with its role, so that a difference is told line by line."""
    return {f"{role} {line}" for role, lines in calls.items() for line in lines}


ASK_THE_EDGE = """
import json, sys
from pathlib import Path
from edge_auth.lambda_function import make
print(json.dumps(make(Path(sys.argv[1]))(json.loads(sys.argv[2]), None)))
"""


def use_the_edge(stage: Stage, folder: Path) -> None:
    """The edge function reads its parameter and looks for documents, of which there are none."""
    documents = {"buckets": {"us-east-1": "demo-objects-edge"}, "region": "us-east-1", "endpoint": stage.recorder.url}
    stage.recorder.parameters["/edge"] = json.dumps({"documents": documents})
    told = folder / "settings.json"
    parameter = {"name": "/edge", "region": "us-east-1", "endpoint": stage.recorder.url}
    told.write_text(json.dumps({"public_keys": {"k": "A" * 43}, "parameter": parameter}))
    headers = {"Authorization": "Bearer ugk_none", "Content-Length": "5", "Host": "d111111abcdef8.cloudfront.net"}
    event = json.dumps(events.viewer_request("PUT", "/edge/a.txt", headers))
    done = subprocess.run(
        [sys.executable, "-c", ASK_THE_EDGE, str(told), event],
        env={**stage.edge_credentials(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout.splitlines()[-1])["status"] == "503"


@pytest.mark.parametrize(("role", "line"), [(role, line) for role, found in recorded.load().items() for line in found])
def test_a_role_may_do_what_the_code_does(role: str, line: str) -> None:
    """Every call, as it was made: also through the bucket's policy."""
    action, resource, context = recorded.parsed(line)

    assert may(ROLES[role], action, resource, context)


def test_a_role_may_do_nothing_that_the_code_never_does() -> None:
    """What is allowed beside that has a reason here, and no reason is left over."""
    called = {(role, recorded.parsed(line)[0]) for role, found in recorded.load().items() for line in found}
    granted = {(role.name, action) for role in ROLES.values() for action in actions_of(role)}

    assert granted - called == set(NOT_CALLED)


def test_every_role_of_the_templates_is_known() -> None:
    """One that is added is recorded or says what it is for."""
    assert roles_of_the_templates() == set(ROLES)


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_no_role_is_taken_by_anybody_else(role: Role) -> None:
    """Each is a service's, or one role's of this stack; nobody in the account or outside of it can assume it."""
    for statement in role.trust():
        (kind, named), *rest = statement["Principal"].items()
        principals = named if isinstance(named, list) else [named]

        assert (rest, statement["Effect"], statement["Action"]) == ([], "Allow", "sts:AssumeRole")
        assert kind in {"Service", "AWS"}
        assert all(
            one.endswith(".amazonaws.com") if kind == "Service" else one.rpartition("/")[2] in ROLES
            for one in principals
        )
