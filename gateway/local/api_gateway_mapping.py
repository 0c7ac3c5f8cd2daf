"""The words of an API Gateway definition, as far as ours uses them: mapping expressions and templates. Pure.

What is not known here is a `DefinitionError`, so that a definition can't use a word that was never tried.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

_NO_VALUE: Final = {"Ref": "AWS::NoValue"}
_CONTEXT: Final = re.compile(r"\$context\.([A-Za-z0-9_.]+)")
_TEST: Final = r"\$input\.body\.contains\('[^']*'\)"
_BLOCK: Final = r"(?:(?!#if|#else|#end).)*"
_IF: Final = re.compile(
    rf"#if\((?P<tests>{_TEST}(?: \|\| {_TEST})*)\)(?P<then>{_BLOCK})#else(?P<other>{_BLOCK})#end", re.DOTALL
)
_CONTAINS: Final = re.compile(r"\$input\.body\.contains\('([^']*)'\)")
_SET: Final = re.compile(r"#set\(\$context\.responseOverride\.(status|header\.[A-Za-z-]+) = '?([A-Za-z0-9 ]+)'?\)")


class DefinitionError(Exception):
    """The definition says what API Gateway would refuse, or what is not known of it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What expressions can name: `$context`, by its dotted names, and the headers of S3's answer, lower case."""

    context: Mapping[str, str]
    answer: Mapping[str, str] = field(default_factory=dict)


def mapped(expression: str, values: Values) -> str | None:
    """A mapping expression's value, None where it names nothing that is there ("Parameter mapping sources").

    Assumed: a header that is mapped from nothing is not sent.
    """
    if expression.startswith("'") and expression.endswith("'"):
        return expression[1:-1]
    place, _, name = expression.partition(".")
    if place == "context":
        return values.context.get(name)
    if expression.startswith("integration.response.header."):
        return values.answer.get(expression.removeprefix("integration.response.header.").lower())
    raise DefinitionError(f"{expression!r} is a source that is not known here")


def substituted(template: str, context: Mapping[str, str]) -> str:
    """A gateway response's body: `$context` variables and nothing else ("Gateway responses")."""
    return _CONTEXT.sub(lambda match: context.get(match[1], ""), template)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What a template made: the body, and the status and headers that it sets in the place of the mapped ones."""

    body: str
    status: int | None
    headers: Mapping[str, str]


def rendered(template: str, context: Mapping[str, str], body: str) -> Rendered:
    """What a response template makes of S3's body ("Mapping template transformations", VTL).

    `#if` over `$input.body.contains(…)` with `#else`, `#set` of status and headers ("Override your API's request and
    response parameters"), and `$context` variables are known.
    """

    def chosen(match: re.Match[str]) -> str:
        found = any(wanted in body for wanted in _CONTAINS.findall(match["tests"]))
        return match["then"] if found else match["other"]

    text = _IF.sub(chosen, template)
    overrides = dict(_SET.findall(text))
    text = _SET.sub("", text)
    if "#" in text or "$input" in text:
        raise DefinitionError("the template says what is not known here")
    status = overrides.pop("status", None)
    return Rendered(
        body=substituted(text, context),
        status=None if status is None else int(status),
        headers={name.removeprefix("header.").lower(): value for name, value in overrides.items()},
    )


def resolved(value: object, parameters: Mapping[str, str], conditions: Collection[str] = ()) -> object:
    """The definition with its `Fn::Sub` filled in and its `Fn::If` decided, as the template that includes it does.

    `conditions` are those that hold; what becomes `AWS::NoValue` is left out.
    """
    if isinstance(value, list):
        return [resolved(item, parameters, conditions) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"Fn::Sub"}:
        return re.sub(r"\$\{([A-Za-z:.]+)\}", lambda match: parameters[match[1]], value["Fn::Sub"])
    if value.keys() == {"Fn::If"}:
        condition, then, otherwise = value["Fn::If"]
        return resolved(then if condition in conditions else otherwise, parameters, conditions)
    members = {name: resolved(member, parameters, conditions) for name, member in value.items()}
    return {name: member for name, member in members.items() if member != _NO_VALUE}
