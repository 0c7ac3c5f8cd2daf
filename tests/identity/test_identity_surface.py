"""What the room shows to others: its names, its errors, its table of problems, what its import costs."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gateway.identity
from gateway.identity import errors, refusals
from gateway.identity.errors import JwtBaseError, JwtExpiredError
from gateway.policy.problems import CATALOGUE, Code

ROOM = Path(gateway.identity.__file__).parent
HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


def kinds() -> list[type[JwtBaseError]]:
    """Every class of the tree."""
    return [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, JwtBaseError)]


def test_what_is_exported_is_sorted_and_all_there_is() -> None:
    """One explicit list, as in the file; each name comes from the module that the type checker takes it from."""
    tree = ast.parse(Path(gateway.identity.__file__).read_text())
    checked = {
        (alias.name, node.module)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = gateway.identity._HOMES

    assert sorted(gateway.identity.__all__) == list(gateway.identity.__all__)
    assert checked == {(name, f"gateway.identity.{home}") for home, names in homes.items() for name in names}
    assert set(gateway.identity.__all__) == {name for name, _ in checked} <= set(dir(gateway.identity))


@pytest.mark.parametrize("name", gateway.identity.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    """Imported at its first use, and the same ever after."""
    assert getattr(gateway.identity, name) is getattr(gateway.identity, name)


def test_a_name_that_is_not_exported_is_none() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(gateway.identity, "nothing")  # noqa: B009 - the name must reach the module's own lookup


def test_every_error_is_exported_and_in_the_tree_of_the_docstring() -> None:
    """The tree is the module's documentation, so it has to be right."""
    names = {kind.__name__ for kind in kinds()}

    assert names <= set(gateway.identity.__all__)
    assert all(name in (errors.__doc__ or "") for name in names)


def test_every_error_has_a_problem() -> None:
    """One table; a class that is added and forgotten there breaks the build."""
    assert set(refusals.PROBLEMS) == set(kinds())


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_problem_is_rendered(kind: type[JwtBaseError]) -> None:
    """401 with a challenge, 503 with a wait, 500 with neither."""
    error = kind("uri", "reason") if issubclass(kind, errors.FetchError) else kind("message")
    refusal = refusals.refusal(error)
    challenged = any(name == "www-authenticate" for name, _ in refusal.headers)

    assert refusal.status in (401, 500, 503)
    assert challenged == (refusal.status == 401)
    assert (refusal.retry_after is not None) == (refusal.status == 503)
    assert '"' not in refusal.detail


def test_a_missing_expiry_is_no_expiry() -> None:
    """A new token of the same kind would be as bad."""
    assert refusals.refusal(JwtExpiredError("Missing exp claim", actual=None)).code is Code.TOKEN_INVALID
    assert refusals.refusal(JwtExpiredError("Expired", actual=1)).code is Code.TOKEN_EXPIRED


def test_codes_of_the_table_are_of_the_catalogue() -> None:
    """And of the three kinds that a credential can lead to."""
    assert {code for code, _ in refusals.PROBLEMS.values()} <= set(CATALOGUE)


def test_the_room_imports_the_standard_library_and_cryptography_alone() -> None:
    """So that the edge can carry it."""
    allowed = sys.stdlib_module_names | {"cryptography", "gateway"}
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in allowed
                assert not name.startswith("gateway.") or name.startswith(
                    ("gateway.bounded", "gateway.identity", "gateway.policy")
                )


def test_an_import_brings_no_event_loop_and_no_other_room() -> None:
    """What is not needed to verify is not loaded: asyncio, the test issuer, a framework."""
    code = "import sys, gateway.identity; print('\\n'.join(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )

    assert not loaded & {"asyncio", "gateway.identity.testing", "http.server", "boto3", "fastapi", "gateway.server"}


def test_no_module_reads_the_environment_or_asserts() -> None:
    """Configuration is given, and `-O` changes nothing."""
    for path in ROOM.glob("*.py"):
        tree = ast.parse(path.read_text())
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree))
        assert "environ" not in {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_every_test_that_the_reference_names_exists() -> None:
    """The tables of the documentation are promises."""
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", (REPOSITORY / "docs" / "reference" / "identity.md").read_text()))
    there = {name for path in HERE.glob("test_*.py") for name in re.findall(r"def (test_[a-z0-9_]+)", path.read_text())}

    assert len(named) > 40
    assert named <= there
