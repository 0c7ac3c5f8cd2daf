"""The reference page of the settings, made from the model: `python -m gateway.settings.reference > settings.md`."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.settings.model import Settings
from gateway.settings.reading import NESTED, PREFIX

_HEAD: Final = f"""# Settings

`upload-gateway serve --config FILE` reads a TOML file once, when it starts. Every setting can be given, or given
otherwise, in the environment, which wins: `s3.signer.secret_key` is
`{PREFIX}S3{NESTED}SIGNER{NESTED}SECRET_KEY`. A list is written there with commas or as JSON, a list of
tables as JSON. A setting that is not known and a value of another type are refused, all faults at once, each with its
place.

Secrets don't print themselves. Instead of any value, `{{file = "/run/secrets/name"}}` takes what that file holds,
without its last line break.
"""

_LISTS: Final = {"issuers", "operators"}
"""Tables that there may be several of."""


def page() -> str:
    """The page, in Markdown."""
    schema = Settings.model_json_schema()
    sections = [_HEAD, _section("", schema, schema, "At the top.")]
    sections += (_section(*each) for each in _tables("", schema, schema))
    return "\n".join(sections)


Entry = tuple[str, Mapping[str, Any], Mapping[str, Any], str]
"""A table's name, its schema, the whole schema, and what the table is."""


def _tables(above: str, table: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Entry]:
    """Every table below this one, in order."""
    for name, member in table["properties"].items():
        for inner in _objects(member, schema):
            place = f"{above}{name}"
            yield place, inner, schema, f"{member.get('description', '')} {inner.get('description', '')}"
            yield from _tables(f"{place}.", inner, schema)


def _objects(member: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tables that a member may be."""
    alternatives = member.get("anyOf") or member.get("oneOf") or [member.get("items", member)]
    named = [each["$ref"].rpartition("/")[2] for each in alternatives if "$ref" in each]
    return [schema["$defs"][name] for name in named if "properties" in schema["$defs"][name]]


def _section(place: str, table: Mapping[str, Any], schema: Mapping[str, Any], about: str) -> str:
    title = f"## `[[{place}]]`" if place in _LISTS else f"## `[{place}]`"
    lines = [] if not place else [title, "", " ".join(about.split()), ""]
    lines += ["| setting | type | default | |", "| --- | --- | --- | --- |"]
    required = table.get("required", ())
    for name, member in table["properties"].items():
        if _objects(member, schema):
            continue
        default = "**required**" if name in required else _default(member)
        meaning = " ".join(str(member.get("description", "")).replace("|", "\\|").split())
        lines.append(f"| `{name}` | {_type(member, schema)} | {default} | {meaning} |")
    return "\n".join([*lines, ""])


def _default(member: Mapping[str, Any]) -> str:
    value = member.get("default")
    return "" if value is None else f"`{json.dumps(value)}`"


def _type(member: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if reference := member.get("$ref"):
        member = schema["$defs"][reference.rpartition("/")[2]]
    if several := member.get("anyOf"):
        return next(_type(each, schema) for each in several if each.get("type") != "null")
    if "const" in member or "enum" in member:
        return " or ".join(f"`{value}`" for value in member.get("enum", [member.get("const")]))
    if member.get("format") == "path":
        return "path"
    kind = str(member.get("type"))
    if kind == "array":
        return f"list of {_type(member.get('items', {}), schema)}"
    if member.get("format") == "password":
        return "secret"
    named = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    return named.get(kind, kind) + _bounds(member)


def _bounds(member: Mapping[str, Any]) -> str:
    least, most = member.get("minimum"), member.get("maximum")
    if "exclusiveMinimum" in member:
        return f", more than {member['exclusiveMinimum']:g}"
    if least is None or most is None:
        return ""
    return f", {least:g} to {most:g}"


if __name__ == "__main__":
    sys.stdout.write(page())
