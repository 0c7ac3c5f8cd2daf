"""A small IAM: whether policies allow a call. What it does not know is an error, never a guess.

IAM User Guide: "Policy evaluation logic" (a deny wins; within one account an identity's or the resource's allow does,
between two both must; a session's policy and a boundary only narrow), "Condition operators", "Set operators for
multivalued context keys", "Variables and tags", "Principal".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

ACCOUNT, PARTITION, REGION = "111122223333", "aws", "eu-central-1"

ANONYMOUS = "anonymous"

Statements = list[dict[str, Any]]
Values = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: who makes it (an ARN, a service, or `ANONYMOUS`), what it does to what, and its condition keys."""

    who: str
    action: str
    resource: str
    context: Mapping[str, str | Values] = field(default_factory=dict)

    @property
    def is_service(self) -> bool:
        """Whether a service of AWS makes it in its own name."""
        return self.who.endswith(".amazonaws.com")

    @property
    def keys(self) -> dict[str, Values]:
        """The condition keys, in lower case, with those that every request has."""
        own: dict[str, str | Values] = {
            "aws:principalisawsservice": str(self.is_service).lower(),
            "aws:securetransport": "true",
        }
        if not self.is_service and self.who != ANONYMOUS:
            own |= {"aws:principalarn": self.who}
        if self.who.startswith("arn:"):
            own |= {"aws:principalaccount": self.who.split(":")[4]}
        own |= {name.lower(): value for name, value in self.context.items()}
        return {name: (value,) if isinstance(value, str) else tuple(value) for name, value in own.items()}


def allowed(
    call: Call,
    identity: Statements,
    resource: Statements,
    *,
    session: Statements | None = None,
    boundary: Statements | None = None,
) -> bool:
    """Whether the caller's own statements and the resource's allow the call.

    `session` is the policy that a session was made with, `boundary` the principal's permissions boundary; None: none.
    """
    meant = [statement for statement in resource if _is_meant(statement, call)]
    own = [identity, *(each for each in (session, boundary) if each is not None)]
    if any("Deny" in _effects(statements, call) for statements in (*own, meant)):
        return False
    by_identity = all("Allow" in _effects(statements, call) for statements in own)
    by_resource = "Allow" in _effects(meant, call) and (session is None or "Allow" in _effects(session, call))
    if call.who.startswith("arn:") and call.who.split(":")[4] != ACCOUNT:
        return by_identity and by_resource
    return by_identity or by_resource


def _effects(statements: Statements, call: Call) -> set[str]:
    return {statement["Effect"] for statement in statements if _matches(statement, call)}


def _is_meant(statement: Mapping[str, Any], call: Call) -> bool:
    """Whether a resource's statement is about this caller. An account's root alone gives nobody anything."""
    if "NotPrincipal" in statement:
        raise NotImplementedError("NotPrincipal")
    principal = statement["Principal"]
    if principal == "*" or principal.get("AWS") == "*":
        return True
    named = [one for kind in ("AWS", "Service") for one in listed(principal.get(kind, []))]
    if set(principal) - {"AWS", "Service"}:
        raise NotImplementedError(f"principals {set(principal)}")
    account = call.who.split(":")[4] if call.who.startswith("arn:") else None
    of_the_account = {account, f"arn:{PARTITION}:iam::{account}:root"} if statement["Effect"] == "Deny" else set()
    return call.who in named or bool(of_the_account & set(named))


def _matches(statement: Mapping[str, Any], call: Call) -> bool:
    keys = call.keys
    acts = [like(call.action.lower(), one.lower()) for one in listed(statement.get("Action", []))]
    not_acts = [like(call.action.lower(), one.lower()) for one in listed(statement.get("NotAction", []))]
    touches = [_touches(call.resource, one, keys) for one in listed(statement.get("Resource", []))]
    not_touches = [_touches(call.resource, one, keys) for one in listed(statement.get("NotResource", []))]
    return (
        (any(acts) if "Action" in statement else not any(not_acts))
        and (any(touches) if "Resource" in statement else not any(not_touches))
        and holds(statement.get("Condition", {}), keys)
    )


def _touches(resource: str, pattern: str, keys: Mapping[str, Values]) -> bool:
    filled = _filled(pattern, keys)
    return filled is not None and bool(re.fullmatch(filled, resource, re.DOTALL))


def like(value: str, pattern: str) -> bool:
    """Whether a text is one of a pattern's: `*` any characters, `?` one."""
    return bool(re.fullmatch(_regex(pattern), value, re.DOTALL))


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)


def _filled(pattern: str, keys: Mapping[str, Values]) -> str | None:
    """A pattern with its variables filled in, as a regular expression; None where one has no single value."""
    made = ""
    for part in re.split(r"(\$\{[^}]*\})", pattern):
        if not part.startswith("${"):
            made += _regex(part)
            continue
        name, _, otherwise = part[2:-1].partition(",")
        values = (name,) if name in {"*", "?", "$"} else keys.get(name.strip().lower(), ())
        values = values or ((otherwise.strip().strip("'"),) if otherwise else ())
        if len(values) != 1:
            return None
        made += re.escape(values[0])
    return made


# ---- conditions ----


def holds(conditions: Mapping[str, Any], keys: Mapping[str, Values]) -> bool:
    """Whether all conditions of a statement hold."""
    return all(
        _holds(operator, keys.get(key.lower()), listed(wanted), keys)
        for operator, tests in conditions.items()
        for key, wanted in tests.items()
    )


def _holds(operator: str, found: Values | None, wanted: list[str], keys: Mapping[str, Values]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return str(found is None).lower() in wanted
    name, if_exists = name.removesuffix("IfExists"), name.endswith("IfExists")
    negated = "Not" in name
    test = _TESTS[name.replace("Not", "")]
    if found is None:
        return if_exists or (negated if not quantifier else quantifier == "ForAllValues")
    if quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise NotImplementedError(operator)
    if not quantifier and len(found) != 1:
        raise NotImplementedError(f"{operator} of a key with many values")
    each = [any(test(value, one, keys) for one in wanted) is not negated for value in found]
    return any(each) if quantifier == "ForAnyValue" else all(each)


def _text(value: str, wanted: str, keys: Mapping[str, Values]) -> bool:
    """Equality; variables are filled in, and nothing else is a pattern."""
    filled = _filled(wanted.replace("*", "${*}").replace("?", "${?}") if "${" in wanted else wanted, keys)
    return value == wanted if "${" not in wanted else filled is not None and bool(re.fullmatch(filled, value))


def _pattern(value: str, wanted: str, keys: Mapping[str, Values]) -> bool:
    filled = _filled(wanted, keys)
    return filled is not None and bool(re.fullmatch(filled, value, re.DOTALL))


def _arn(value: str, wanted: str, keys: Mapping[str, Values]) -> bool:
    """Each of the six parts between colons by itself, so that a wildcard does not reach into the next."""
    parts, patterns = value.split(":", 5), wanted.split(":", 5)
    return len(parts) == len(patterns) == 6 and all(
        _pattern(part, pattern, keys) for part, pattern in zip(parts, patterns, strict=True)
    )


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def test(value: str, wanted: str, _: Mapping[str, Values]) -> bool:
        try:
            return compare(read(value), read(wanted))
        except ValueError:
            return False

    return test


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text)


_TESTS: Mapping[str, Callable[[str, str, Mapping[str, Values]], bool]] = {
    "StringEquals": _text,
    "StringEqualsIgnoreCase": lambda value, wanted, keys: _text(value.lower(), wanted.lower(), keys),
    "StringLike": _pattern,
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "Bool": lambda value, wanted, _: value.lower() == wanted.lower(),
    "IpAddress": lambda value, wanted, _: ip_address(value) in ip_network(wanted, strict=False),
    **{
        f"{kind}{name}": _compared(read, compare)
        for kind, read in (("Numeric", float), ("Date", _date))
        for name, compare in (
            ("Equals", lambda a, b: bool(a == b)),
            ("LessThan", lambda a, b: bool(a < b)),
            ("LessThanEquals", lambda a, b: bool(a <= b)),
            ("GreaterThan", lambda a, b: bool(a > b)),
            ("GreaterThanEquals", lambda a, b: bool(a >= b)),
        )
    },
}


def listed(value: Any) -> list[str]:
    """One value or several, as texts."""
    return [_said(one) for one in value] if isinstance(value, list) else [_said(value)]


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
