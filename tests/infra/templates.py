"""The deployment's templates as plain values: short forms of intrinsic functions read as their long ones."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
Value = Any


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads CloudFormation's tags."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> Value:
    value: Value
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def template(name: str) -> dict[str, Any]:
    """One template of `infra`."""
    found: dict[str, Any] = yaml.load((ROOT / "infra" / f"{name}.yaml").read_text(), _Loader)
    return found


def walk(value: Value, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Value]]:
    """Every value in a value, with where it is."""
    yield path, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from walk(member, (*path, str(name)))


def references(value: Value) -> set[str]:
    """What a value refers to: parameters, resources and pseudo parameters, by their names."""
    found: set[str] = set()
    for path, inner in walk(value):
        if path and path[-1] == "Ref":
            found.add(inner.split(".")[0])
        elif path and path[-1] == "Fn::GetAtt":
            found.add(inner[0])
        elif path and path[-1] == "Fn::Sub":
            found |= {name.split(".")[0] for name in re.findall(r"\$\{([^}!]+)\}", inner)}
    return found


def of_type(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The resources of a type, by their logical ids."""
    return {name: resource for name, resource in document["Resources"].items() if resource["Type"] == kind}
