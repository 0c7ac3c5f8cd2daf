"""What `sam build` makes of the templates: the same bytes each time, and functions that answer under Lambda's runtime.

It wants the SAM CLI on the path and the interpreters of the runtime that the templates name; without it says so.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.infra import events
from tests.infra.functions import FIRST, Stage, over_recorder
from tests.infra.templates import ROOT, of_type, template
from tests.lambda_runtime import RUNTIME, Function, NoRuntimeError, Sandbox

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("sam-build")]

EDGE = {
    "documents": {"buckets": {"us-east-1": "documents"}, "region": "us-east-1", "endpoint": "http://127.0.0.1:9"},
    "public_keys": {"k1": "A" * 43},
}
WHERE = {"regional": "", "operations": "Operations"}
"""Where a template's functions are below the folder of the regional stack."""


def sam(*arguments: str, **told: str) -> None:
    """Run the SAM CLI; skips where there is none, and fails with what it complains of."""
    if shutil.which("sam") is None:
        pytest.skip("there is no SAM CLI on the path")
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", **told}
    done = subprocess.run(["sam", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]


def build(part: str, folder: Path) -> Path:
    """A stack built for the Python and the machine that run this."""
    (folder.parent / "edge.json").write_text(json.dumps(EDGE))
    sam(
        "build",
        "--template-file",
        f"infra/{part}.yaml",
        "--build-dir",
        str(folder),
        SCRIPTS_PYTHON=sys.executable,
        RUNTIME=RUNTIME,
        RUNTIME_PYTHON=sys.executable,
        MACHINE="x86_64",
        EDGE_SETTINGS=str(folder.parent / "edge.json"),
    )
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Every file with its bytes and its mode."""
    return {
        str(path.relative_to(folder)): f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The regional stack, built once."""
    return build("regional", tmp_path_factory.mktemp("first") / "regional")


@pytest.fixture(scope="module")
def stage(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The functions of the built stack over a table and a bucket."""
    folders = {
        function["Properties"]["Handler"]: built / where / name
        for document, where in WHERE.items()
        for name, function in of_type(template(document), "AWS::Serverless::Function").items()
    }
    with ExitStack() as stack:
        try:
            yield stack.enter_context(over_recorder(tmp_path_factory.mktemp("sam"), folders.__getitem__))
        except NoRuntimeError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("part", ["regional", "edge"])
def test_built_twice_it_is_the_same_bytes(part: str, built: Path, tmp_path: Path) -> None:
    """Every function's folder and every template, in folders of other names."""
    first = built if part == "regional" else build(part, tmp_path / "edge")
    second = build(part, tmp_path / "again")

    assert digests(first) == digests(second)
    names = {path.partition("/")[0] for path in digests(first)}
    assert of_type(template(part), "AWS::Serverless::Function").keys() <= names


@pytest.mark.parametrize("handler", FIRST)
def test_a_built_function_imports_and_answers(stage: Stage, handler: str) -> None:
    """What `sam deploy` would send, asked with the event that AWS documents."""
    answer = stage.asked(handler, FIRST[handler])

    assert "errorType" not in answer


def test_the_built_edge_function_imports_and_answers(tmp_path: Path) -> None:
    """CloudFront's event, of somebody without a credential."""
    event = events.viewer_request("PUT", "/edge/a.txt", {"Content-Type": "text/plain", "Content-Length": "5"})
    folder = build("edge", tmp_path / "edge")
    handler = template("edge")["Resources"]["EdgeFunction"]["Properties"]["Handler"]
    variables = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    sandbox = Sandbox(Function(package=folder / "EdgeFunction", handler=handler, variables=variables), tmp_path)
    try:
        sandbox.start(event)
        answer = sandbox(event)
    finally:
        sandbox.stop()

    assert answer["status"] == "401", answer
