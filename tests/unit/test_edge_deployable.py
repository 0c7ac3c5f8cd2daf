"""What Lambda@Edge refuses of a function's definition, and other linters let pass."""

from typing import Any

import pytest

from edge_auth.deployable import REFUSED, faults

GOOD: dict[str, Any] = {
    "Runtime": "python3.13",
    "Handler": "edge_auth.lambda_function.lambda_handler",
    "CodeUri": "build/edge.zip",
    "MemorySize": 128,
    "Timeout": 5,
    "AutoPublishAlias": "live",
}


def test_a_good_definition_has_no_fault() -> None:
    """Nor one that says the default architecture."""
    assert faults(GOOD) == ()
    assert faults({**GOOD, "Architectures": ["x86_64"]}) == ()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_the_edge_does_not_have_is_named(name: str) -> None:
    """By the property, so that it can be found in the template."""
    (fault,) = faults({**GOOD, name: {"Variables": {"A": "b"}}})

    assert fault.startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Architectures": ["arm64"]}, "Architectures"),
        ({"Architectures": ["x86_64", "arm64"]}, "Architectures"),
        ({"PackageType": "Image"}, "PackageType"),
        ({"Runtime": "python3.9"}, "Runtime"),
        ({"Runtime": None}, "Runtime"),
        ({"MemorySize": 129}, "MemorySize"),
        ({"MemorySize": {"Ref": "Memory"}}, "MemorySize"),
        ({"Timeout": 6}, "Timeout"),
        ({"EphemeralStorage": {"Size": 513}}, "EphemeralStorage"),
        ({"AutoPublishAlias": None}, "AutoPublishAlias"),
    ],
)
def test_a_bound_that_is_passed_is_named(change: dict[str, Any], named: str) -> None:
    """And a value that can't be told is not taken for a small one."""
    (fault,) = faults({**GOOD, **change})

    assert fault.startswith(f"{named}: ")


def test_globals_count() -> None:
    """SAM copies them into the function."""
    assert [fault.partition(":")[0] for fault in faults(GOOD, {"Tracing": "Active", "MemorySize": 1024})] == ["Tracing"]


@pytest.mark.parametrize("name", [*sorted(REFUSED), "Architectures"])
def test_whatever_globals_would_merge_in_is_named(name: str) -> None:
    """Each of them, unless the function itself says otherwise."""
    merged = {name: ["arm64"]}

    assert [fault.partition(":")[0] for fault in faults(GOOD, merged)] == [name]
    assert faults({**GOOD, "Architectures": ["x86_64"]}, merged if name == "Architectures" else {}) == ()
