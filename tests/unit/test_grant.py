"""A grant: what S3 must see, and that nobody but the decision can make one."""

import ast
import copy
import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.policy import grant as grant_module
from gateway.policy.decide import decide
from gateway.policy.grant import Grant
from gateway.policy.model import (
    Algorithm,
    Backend,
    Carriage,
    Checksum,
    Intent,
    MetadataRule,
    Minted,
    Policy,
    Principal,
    TenantId,
)

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "presigner", "edge_auth")


def granted(**changes: object) -> Grant:
    policy = Policy(
        tenant=TenantId("acme"),
        types={"*/*": ()},
        metadata=MetadataRule(keys=("*",)),
        object_headers=("expires", "content-language"),
        overwrite=bool(changes.pop("overwrite", False)),
    )
    caller = Principal(tenant="acme", issuer="i", subject="s", scopes=frozenset({"files:write"}))
    intent = Intent(
        carriage=Carriage(backend=Backend.PROXY),
        name="a b.png",
        size=0,
        content_type=None,
        checksum=None,
        create_only=False,
        metadata=(),
        object_headers=(),
        minted=Minted(at=0.0, uuid="0" * 32),
    )
    outcome = decide(caller, policy, dataclasses.replace(intent, **changes))  # type: ignore[arg-type]
    assert isinstance(outcome, Grant)
    return outcome


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (("content-length", "0"), ("if-none-match", "*"))),
        ({"overwrite": True}, (("content-length", "0"),)),
        ({"overwrite": True, "create_only": True}, (("content-length", "0"), ("if-none-match", "*"))),
        (
            {"overwrite": True, "content_type": "Image/PNG; a=b"},
            (("content-length", "0"), ("content-type", "Image/PNG; a=b")),
        ),
        (
            {"overwrite": True, "checksum": Checksum(Algorithm.CRC64NVME, "AAAAAAAAAAA=")},
            (("content-length", "0"), ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")),
        ),
        (
            {"overwrite": True, "checksum": Checksum(Algorithm.MD5, "1B2M2Y8AsgTpgAmY7PhCfg==")},
            (("content-length", "0"), ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")),
        ),
        (
            {
                "size": 5,
                "content_type": "a/b",
                "checksum": Checksum(Algorithm.CRC32, "AAAAAA=="),
                "metadata": (("b", "2"), ("a", "")),
                "object_headers": (("expires", "0"), ("content-language", "de")),
            },
            (
                ("content-length", "5"),
                ("content-type", "a/b"),
                ("x-amz-checksum-crc32", "AAAAAA=="),
                ("if-none-match", "*"),
                ("expires", "0"),
                ("content-language", "de"),
                ("x-amz-meta-b", "2"),
                ("x-amz-meta-a", ""),
            ),
        ),
    ],
)
def test_s3_sees_exactly_what_was_granted(changes: dict[str, object], expected: tuple[tuple[str, str], ...]) -> None:
    """Length always, the rest as declared, and create-only where the tenant never overwrites."""
    assert granted(**changes).s3_headers() == expected


def forge(mint: object) -> Grant:
    fields = {field.name: getattr(granted(), field.name) for field in dataclasses.fields(Grant)}
    return Grant(**fields, mint=mint)


@pytest.mark.parametrize("mint", [None, True, object(), "mint"])
def test_a_grant_is_not_built_without_the_mint(mint: object) -> None:
    """The constructor wants the very object that the decision holds."""
    with pytest.raises(TypeError, match="made by decide"):
        forge(mint)


def subclass(_: Grant) -> object:
    return type("Loose", (Grant,), {"__post_init__": lambda _self, _mint: None})


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        (lambda grant: dataclasses.replace(grant, size=9), ValueError),
        (lambda grant: dataclasses.replace(grant, size=9, mint=None), TypeError),
        (copy.copy, TypeError),
        (copy.deepcopy, TypeError),
        (pickle.dumps, TypeError),
        (subclass, TypeError),
        (lambda grant: setattr(grant, "size", 9), dataclasses.FrozenInstanceError),
        (lambda grant: delattr(grant, "checksum"), dataclasses.FrozenInstanceError),
        (lambda grant: grant.__dict__, AttributeError),
    ],
)
def test_a_grant_is_neither_changed_nor_copied(attempt: Callable[[Grant], object], error: type[Exception]) -> None:
    """What was decided is what is enacted."""
    grant = granted()

    with pytest.raises(error):
        attempt(grant)


def named(node: ast.AST) -> tuple[object, ...]:
    match node:
        case ast.ImportFrom():
            return tuple("MINT" if alias.name == "*" else alias.name for alias in node.names)
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=name):
            return (name,)
        case _:
            return ()


def importers_of_the_mint() -> set[str]:
    """Every module that names the mint in any way: an import of it or of everything, an attribute, a string."""
    paths = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if any("MINT" in named(node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    }


def test_only_the_decision_holds_the_mint() -> None:
    """No other module of the project imports it, reaches for it or imports all there is."""
    assert grant_module.MINT is not None
    assert importers_of_the_mint() == {"gateway/policy/decide.py", "gateway/policy/grant.py"}
