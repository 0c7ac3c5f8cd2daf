"""What Lambda@Edge takes of a function's definition, and what no linter of CloudFormation says it refuses.

Pure: a resource's properties in, sentences out. Not part of the package. Source: CloudFront Developer Guide,
"Restrictions on Lambda@Edge" and "Quotas on Lambda@Edge"; the numbers are those that every edition of the page took for
viewer-request functions. SAM copies `Globals.Function` into each function of a template, so hand those over as well.
"""

from collections.abc import Mapping
from typing import Any, Final

MOST_MEMORY: Final = 128
MOST_SECONDS: Final = 5
RUNTIMES: Final = frozenset({"python3.12", "python3.13"})
"""Those that `make edge-package` builds for."""

REFUSED: Final[Mapping[str, str]] = {
    "Environment": "environment variables",
    "Layers": "layers",
    "Tracing": "X-Ray tracing",
    "TracingConfig": "X-Ray tracing",
    "VpcConfig": "a VPC",
    "DeadLetterQueue": "a dead-letter queue",
    "DeadLetterConfig": "a dead-letter queue",
    "ImageUri": "a container image",
    "ImageConfig": "a container image",
    "KmsKeyArn": "a key of the customer's for the package or the environment",
    "ProvisionedConcurrencyConfig": "provisioned concurrency",
    "SnapStart": "SnapStart",
    "FileSystemConfigs": "a file system",
    "RuntimeManagementConfig": "a runtime that is not updated automatically",
}
"""Properties of `AWS::Serverless::Function` and `AWS::Lambda::Function` that the edge does not have."""


def faults(properties: Mapping[str, Any], globals_: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """All that is wrong with a function's properties for a viewer request, each as a sentence.

    `globals_` is the template's `Globals.Function`; the function's own properties win over it.
    """
    merged = {**(globals_ or {}), **properties}
    found = [f"{name}: Lambda@Edge has no {what}." for name, what in REFUSED.items() if merged.get(name)]
    found += _machine(merged) + _sizes(merged)
    if merged.get("AutoPublishAlias") is None and "Code" not in merged:
        found.append("AutoPublishAlias: CloudFront takes a numbered version, so one must be published.")
    return tuple(found)


def _machine(merged: Mapping[str, Any]) -> list[str]:
    found = []
    if merged.get("Architectures", ["x86_64"]) != ["x86_64"]:
        found.append("Architectures: Lambda@Edge runs on x86_64 alone.")
    if merged.get("PackageType", "Zip") != "Zip":
        found.append("PackageType: Lambda@Edge takes zips alone.")
    if str(merged.get("Runtime")) not in RUNTIMES:
        found.append(f"Runtime: the package is built for {' and '.join(sorted(RUNTIMES))}.")
    return found


def _sizes(merged: Mapping[str, Any]) -> list[str]:
    found = []
    if _over(merged.get("MemorySize", 128), MOST_MEMORY):
        found.append(f"MemorySize: a viewer-request function has {MOST_MEMORY} MB.")
    if _over(merged.get("Timeout", 3), MOST_SECONDS):
        found.append(f"Timeout: a viewer-request function has {MOST_SECONDS} s.")
    storage = merged.get("EphemeralStorage")
    if storage is not None and _over(storage.get("Size") if isinstance(storage, Mapping) else storage, 512):
        found.append("EphemeralStorage: Lambda@Edge has 512 MB.")
    return found


def _over(value: object, most: int) -> bool:
    """Whether this is more, or no number that could be told (an intrinsic function)."""
    return type(value) is not int or value > most
