"""Two sources, one value: a TOML file and the environment, which wins; or all that is wrong, each with its place.

A member `s3.signer.secret_key` is `UPLOAD_GATEWAY_S3__SIGNER__SECRET_KEY` in the environment, where a list is JSON or
text with commas and a list of tables is JSON. Anywhere, `{file = "/run/secrets/key"}` stands for what the file holds.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from gateway.settings.issuers import PRIVATE
from gateway.settings.model import Settings

PREFIX: Final = "UPLOAD_GATEWAY_"
NESTED: Final = "__"

_SAID: Final = {
    "extra_forbidden": "this setting is not known",
    "missing": "this setting is required",
    "union_tag_invalid": 'kind is "sqlite" or "dynamodb"',
    "union_tag_not_found": 'kind is required: "sqlite" or "dynamodb"',
}
"""Sentences for what the validator says in words of its own."""

_LONGEST_FILE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where (a member, a variable, a file), and a sentence that never holds the value."""

    place: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}" if self.place else self.detail


class SettingsError(Exception):
    """The settings can't be used; `faults` are all of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("the settings are not valid:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = faults


def read(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings of the file and the environment over it; raises `SettingsError` with every fault."""
    faults: list[Fault] = []
    members = {} if file is None else _from_file(file)
    variables: dict[str, str] = {}
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX):
            _put(members, name, text, variables, faults)
    members = _without_files(members, "", faults)
    try:
        settings = Settings.model_validate_json(json.dumps(members, default=str), context=_context(members))
    except ValidationError as error:
        faults += (_fault(each, variables) for each in error.errors(include_input=False, include_url=False))
        raise SettingsError(tuple(faults)) from None
    if faults:
        raise SettingsError(tuple(faults))
    return settings


def _from_file(file: Path) -> dict[str, Any]:
    """What the file says; one that can't be read is the only fault, for all others would follow from it."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        detail = f"the file can't be read ({error.strerror})"
    except UnicodeDecodeError:
        detail = "the file is not UTF-8"
    except tomllib.TOMLDecodeError as error:
        detail = f"the file is not TOML: {error}"
    raise SettingsError((Fault(str(file), detail),))


def _context(members: Mapping[str, Any]) -> dict[str, Any]:
    tenants = members.get("tenants")
    return {PRIVATE: tenants.get(PRIVATE) is True if isinstance(tenants, dict) else False}


def _put(members: dict[str, Any], name: str, text: str, variables: dict[str, str], faults: list[Fault]) -> None:
    """Put a variable's value where its name says."""
    path = name.removeprefix(PREFIX).lower().split(NESTED)
    schema = _schema_at(path)
    if schema is None:
        faults.append(Fault(name, "this setting is not known"))
        return
    table = members
    for part in path[:-1]:
        inner = table.get(part)
        table[part] = table = dict(inner) if isinstance(inner, dict) else {}
    table[path[-1]] = _value(text, schema)
    variables[".".join(path)] = name


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    """The text as a value of the type that the member has; as text where it is none, which is a fault later."""
    kinds = [kind.get("type") for kind in _alternatives(schema)]
    if "array" in kinds and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if "string" in kinds:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


_SCHEMA: Final = Settings.model_json_schema()


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas that a value may have, references followed."""
    if reference := schema.get("$ref"):
        schema = _SCHEMA["$defs"][reference.rpartition("/")[2]]
    several = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if several is None:
        yield schema
    for each in several or ():
        yield from _alternatives(each)


def _schema_at(path: list[str]) -> Mapping[str, Any] | None:
    """The schema of a member; None where there is no such member."""
    found: list[Mapping[str, Any]] = [_SCHEMA]
    for part in path:
        found = [
            each["properties"][part]
            for schema in found
            for each in _alternatives(schema)
            if part in each.get("properties", {})
        ]
    return found[0] if found else None


def _without_files(value: Any, place: str, faults: list[Fault]) -> Any:
    """The value with `{file = …}` replaced by what the files hold, their last line break taken off."""
    if isinstance(value, dict):
        if set(value) == {"file"} and isinstance(value["file"], str):
            return _content(Path(value["file"]), place, faults)
        return {name: _without_files(inner, f"{place}.{name}".lstrip("."), faults) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_files(inner, f"{place}[{index}]", faults) for index, inner in enumerate(value)]
    return value


def _content(file: Path, place: str, faults: list[Fault]) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(_LONGEST_FILE).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        said = (error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8"
        faults.append(Fault(place, f"{file} can't be read ({said})"))
        return ""


def _fault(error: Any, variables: Mapping[str, str]) -> Fault:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in _location(error["loc"])).lstrip(
        "."
    )
    detail = _SAID.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return Fault(variables.get(place.partition("[")[0], place), detail)


def _location(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Without the name of the alternative that was chosen, which is no member."""
    if location[:1] == ("store",) and location[1:2] in {("sqlite",), ("dynamodb",)}:
        return (location[0], *location[2:])
    return location
