"""Packages are the same bytes wherever, whenever and by whomever they are built."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lambda_runtime import ROOT, RUNTIME, NoRuntimeError, scripted

BUILT_FROM = ("gateway", "presigner", "edge_auth", "scripts", *sorted(path.name for path in ROOT.glob("requirements*")))
SETTINGS = {"documents": {"endpoint": "https://s3.example", "bucket": "documents", "region": "us-east-1"}}
PACKAGES = {
    "edge": ("scripts/edge-package", "--settings", "edge.json"),
    "functions": ("scripts/function-package",),
}


def build(script: tuple[str, ...], tree: Path, output: Path, **environment: str) -> None:
    """One of the packages, by the scripts and from the sources of `tree`, with the Python of this machine."""
    options = ["--runtime", RUNTIME, "--python", sys.executable, "--output", str(output)]
    options += ["--wheels", str(ROOT / "build" / "wheels")]
    command = [sys.executable, str(tree / script[0]), *script[1:], *options]
    done = subprocess.run(
        command, cwd=tree, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the package can't be had here: {done.stderr[-500:]}")


def copied(tree: Path, time: int) -> Path:
    """The sources elsewhere, of another age, and readable by fewer."""
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tree / name)
    for path in tree.rglob("*"):
        os.utime(path, (time, time))
        path.chmod(0o700 if path.is_dir() else 0o600)
    (tree / "edge.json").write_text(json.dumps(SETTINGS))
    return tree


@pytest.mark.long
@pytest.mark.parametrize("script", PACKAGES.values(), ids=PACKAGES)
def test_a_package_is_the_same_bytes_wherever_it_is_built(script: tuple[str, ...], tmp_path: Path) -> None:
    """From trees in other places, of other ages and modes, with other umasks, time zones and hash seeds."""
    first, second = copied(tmp_path / "a", 1_000_000_000), copied(tmp_path / "longer" / "b", 1_700_000_000)
    (tmp_path / "longer" / "b" / "gateway" / "__pycache__").mkdir()
    (tmp_path / "longer" / "b" / "gateway" / "__pycache__" / "left.pyc").write_bytes(b"over")
    build(script, first, tmp_path / "1.zip", PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C")
    before = os.umask(0o077)
    try:
        build(script, second, tmp_path / "2.zip", PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
    finally:
        os.umask(before)

    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


@pytest.fixture(scope="module", params=["arm64", "x86_64"])
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The package of the functions for a machine, for the runtime of the templates."""
    output = tmp_path_factory.mktemp("package") / "functions.zip"
    try:
        scripted("scripts/function-package", "--machine", request.param, "--output", str(output))
    except NoRuntimeError as error:
        pytest.skip(f"the package can't be had here: {error}")
    with zipfile.ZipFile(output) as archive:
        yield archive


@pytest.mark.long
def test_what_is_deployed_is_plain_files_of_one_age_in_order(deployed: zipfile.ZipFile) -> None:
    """Readable by Lambda's own user, and nothing of this machine in them."""
    entries = deployed.infolist()

    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {stat.S_IMODE(entry.external_attr >> 16) & 0o444 for entry in entries} == {0o444}
    assert not any(str(ROOT).encode() in deployed.read(entry) for entry in entries if entry.filename.endswith(".pyc"))


@pytest.mark.long
def test_what_is_deployed_is_for_its_machine_and_has_no_more_than_it_needs(deployed: zipfile.ZipFile) -> None:
    """One machine's extension modules, no test, no command line, and of AWS's services those that are called."""
    names = deployed.namelist()
    machines = {name.split("-")[-3] for name in names if name.endswith("-linux-gnu.so")}
    services = {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2}

    assert len(machines) == 1
    assert services == {"apigateway", "dynamodb", "ssm", "sts"}
    assert not [name for name in names if name.startswith(("bin/", "gateway/cli", "gateway/local", "tests/"))]
    assert sum(entry.compress_size for entry in deployed.infolist()) < 16 * 1_048_576
