"""What a change of tenants' documents comes to: a plan for a folder of them, made before anything is changed."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from gateway.client.admin import Admin, Current, Document
from gateway.client.errors import RefusedError, UsageError
from gateway.client.pointers import line_of
from gateway.client.problem import Problem
from gateway.policy.problems import Fault
from gateway.policy.strict_json import loads

SUFFIX: Final = ".json"


class Kind(StrEnum):
    """What happens to a tenant."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tenant of a plan: `document` is what is sent, `after` the same with its defaults; `base` None: it is new.

    `differing` are decisions of the past that would be others.
    """

    kind: Kind
    tenant: str
    base: Current | None
    document: Document | None
    after: Document | None
    differing: tuple[Mapping[str, Any], ...] = ()


def pretty(document: object) -> str:
    """A document as people read and edit it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def diff(before: object, after: object, *, names: tuple[str, str] = ("in force", "yours")) -> list[str]:
    """The lines that differ, with some around them, as `diff -u` has it; none where nothing does."""
    old, new = (("" if each is None else pretty(each)).splitlines() for each in (before, after))
    return list(difflib.unified_diff(old, new, *names, n=2, lineterm=""))


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The members that differ, by their dotted names."""
    return sorted(_changed(before or {}, after or {}, ""))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict) and name != "types":
            yield from _changed(old, new, f"{prefix}{name}.")
        elif old != new:
            yield prefix + name


def faults(text: str, problem: Problem, name: str) -> list[str]:
    """What is wrong with a document, a line a fault, at the line of the text where it is."""
    told = problem.errors or (("", problem.detail),)
    return [f"{name}:{line_of(text, pointer)}: {pointer or '/'}: {detail}" for pointer, detail in told]


def read(text: str) -> Document | Problem:
    """The document of a text, strictly."""
    value = loads(text)
    if isinstance(value, Fault):
        return Problem(status=400, code="request-invalid", detail=value.detail)
    if not isinstance(value, dict):
        return Problem(status=400, code="request-invalid", detail="a tenant's document is an object")
    return value


def planned(admin: Admin, folder: Path, *, prune: bool) -> list[Step]:
    """What would make the gateway's tenants those of the folder; raises UsageError with everything that is wrong."""
    texts = _texts(folder)
    wrong: list[str] = []
    steps: list[Step] = []
    for path, text in texts.items():
        document = read(text)
        if isinstance(document, Problem):
            wrong += faults(text, document, path.name)
            continue
        try:
            steps.append(_step(admin, path.stem, document))
        except RefusedError as error:
            if error.problem.code != "request-invalid":
                raise
            wrong += faults(text, error.problem, path.name)
    if wrong:
        raise UsageError("Nothing was changed, because these documents are wrong:\n" + "\n".join(wrong))
    return steps + (list(_pruned(admin, {step.tenant for step in steps})) if prune else [])


def _texts(folder: Path) -> dict[Path, str]:
    """The files `{tenant}.json` of a folder, by name."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))
        texts = {path: path.read_text("utf-8") for path in paths}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder} can't be read: {getattr(error, 'strerror', None) or error}.") from None
    if not texts:
        raise UsageError(f"There is no document (TENANT{SUFFIX}) in {folder}.")
    return texts


def _step(admin: Admin, tenant: str, document: Document) -> Step:
    base = admin.find(tenant)
    tried = admin.try_out(tenant, document, base)
    after = tried["document"]
    kind = Kind.CREATE if base is None else Kind.UNCHANGED if base.document == after else Kind.CHANGE
    if kind is Kind.CHANGE and base is not None and base.is_kept_in_a_file:
        raise UsageError(f"{tenant} is kept in a file by the gateway itself, which is where it can be changed.")
    return Step(
        kind=kind, tenant=tenant, base=base, document=document, after=after, differing=tuple(tried["differing"])
    )


def _pruned(admin: Admin, wanted: Iterable[str]) -> Iterator[Step]:
    for document in admin.tenants():
        tenant = str(document["tenant"])
        base = admin.find(tenant) if tenant not in wanted else None
        if base is not None and not base.is_kept_in_a_file:
            yield Step(kind=Kind.DELETE, tenant=tenant, base=base, document=None, after=None)


def carry_out(admin: Admin, step: Step, reason: str) -> None:
    """Do what a step says, against the state that it was planned for; raises RefusedError."""
    if step.document is not None and step.kind in {Kind.CREATE, Kind.CHANGE}:
        admin.put(step.tenant, step.document, step.base, reason)
    elif step.kind is Kind.DELETE and step.base is not None:
        admin.delete(step.tenant, step.base, reason)
