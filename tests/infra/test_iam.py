"""The small IAM against the rules that AWS publishes; each table names the page of the IAM User Guide it is from."""

from typing import Any

import pytest

from tests.infra.iam import Call, allowed, holds

ROLE, OTHER_ACCOUNT = "arn:aws:iam::111122223333:role/app", "arn:aws:iam::444455556666:role/app"
OBJECT = "arn:aws:s3:::bucket/a/b"


def said(effect: str, **members: Any) -> list[dict[str, Any]]:
    """One statement."""
    return [{"Effect": effect, "Action": "s3:GetObject", "Resource": "*", **members}]


YES, NO, SILENT = said("Allow"), said("Deny"), said("Allow", Action="s3:PutObject")
GRANT, REFUSE = said("Allow", Principal={"AWS": ROLE}), said("Deny", Principal="*")
ROOT = said("Allow", Principal={"AWS": "arn:aws:iam::111122223333:root"})


@pytest.mark.parametrize(
    ("identity", "resource", "expected"),
    [
        (YES, [], True),
        (SILENT, [], False),
        (SILENT, GRANT, True),
        (SILENT, ROOT, False),
        (YES + NO, GRANT, False),
        (YES, REFUSE, False),
        (YES, said("Deny", Principal={"AWS": "arn:aws:iam::111122223333:role/else"}), True),
        (YES, said("Deny", Principal={"AWS": "111122223333"}), False),
        ([], [], False),
    ],
)
def test_within_an_account_either_allows_and_each_denies(
    identity: list[dict[str, Any]], resource: list[dict[str, Any]], expected: bool
) -> None:
    """ "Policy evaluation for requests within a single account"."""
    assert allowed(Call(who=ROLE, action="s3:GetObject", resource=OBJECT), identity, resource) is expected


@pytest.mark.parametrize(
    ("identity", "resource", "expected"), [(YES, [], False), (SILENT, "grant", False), (YES, "grant", True)]
)
def test_between_accounts_both_must_allow(identity: list[dict[str, Any]], resource: Any, expected: bool) -> None:
    """ "Cross-account policy evaluation logic"."""
    granted = said("Allow", Principal={"AWS": OTHER_ACCOUNT}) if resource else []

    assert allowed(Call(who=OTHER_ACCOUNT, action="s3:GetObject", resource=OBJECT), identity, granted) is expected


def test_a_session_and_a_boundary_only_narrow() -> None:
    """ "Session policies", "Permissions boundaries for IAM entities"."""
    call = Call(who=ROLE, action="s3:GetObject", resource=OBJECT)

    assert allowed(call, YES, [], session=YES, boundary=YES)
    assert not allowed(call, YES, [], session=SILENT)
    assert not allowed(call, YES, [], boundary=SILENT)
    assert not allowed(call, SILENT, [], session=YES, boundary=YES)
    assert not allowed(call, YES, [], session=NO)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"Action": "s3:Get*"}, True),
        ({"Action": "S3:getobject"}, True),
        ({"Action": "s3:GetObject?"}, False),
        ({"Action": ["s3:PutObject", "s3:*Object"]}, True),
        ({"Resource": "arn:aws:s3:::bucket/*"}, True),
        ({"Resource": "arn:aws:s3:::bucket/a"}, False),
        ({"Resource": "arn:aws:s3:::bucket/[a]/b"}, False),
        ({"Resource": "ARN:aws:s3:::bucket/*"}, False),
        ({"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/team}/*"}, True),
        ({"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/none}/*"}, False),
        ({"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/none, 'a'}/*"}, True),
    ],
)
def test_actions_and_resources_are_matched(members: dict[str, Any], expected: bool) -> None:
    """ "IAM JSON policy elements": Action has no case, Resource has; `*` and `?`; variables."""
    call = Call(who=ROLE, action="s3:GetObject", resource=OBJECT, context={"aws:PrincipalTag/team": "a"})

    assert allowed(call, said("Allow", **members), []) is expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::other/*"}, True),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::bucket/*"}, False),
    ],
)
def test_everything_but(statement: dict[str, Any], expected: bool) -> None:
    """ "IAM JSON policy elements: NotAction" and "NotResource"."""
    assert allowed(Call(who=ROLE, action="s3:GetObject", resource=OBJECT), [statement], []) is expected


@pytest.mark.parametrize(
    ("operator", "found", "wanted", "expected"),
    [
        ("StringEquals", "a", ["a", "b"], True),
        ("StringEquals", "A", "a", False),
        ("StringEquals", None, "a", False),
        ("StringEquals", "ab", "a*", False),
        ("StringNotEquals", None, "a", True),
        ("StringNotEquals", "b", ["a", "b"], False),
        ("StringEqualsIgnoreCase", "A", "a", True),
        ("StringLike", "abc", "a*", True),
        ("StringLike", None, "*", False),
        ("StringNotLike", "abc", "a*", False),
        ("StringNotLike", None, "a*", True),
        ("StringEqualsIfExists", None, "a", True),
        ("StringEqualsIfExists", "b", "a", False),
        ("StringNotEqualsIfExists", None, "a", True),
        ("NumericGreaterThan", "3600001", "3600000", True),
        ("NumericGreaterThan", "3600000", 3600000, False),
        ("NumericGreaterThan", None, "1", False),
        ("NumericLessThanEquals", "10", "9", False),
        ("NumericLessThanEquals", "many", "9", False),
        ("NumericNotEquals", "10", "9", True),
        ("DateGreaterThan", "2026-11-23T12:00:00Z", "2026-11-23T11:00:00Z", True),
        ("Bool", "true", True, True),
        ("Bool", "false", "true", False),
        ("Bool", None, "false", False),
        ("BoolIfExists", None, "false", True),
        ("Null", None, "true", True),
        ("Null", "", "true", False),
        ("Null", "x", "false", True),
        ("IpAddress", "203.0.113.9", "203.0.113.0/24", True),
        ("NotIpAddress", "203.0.113.9", "203.0.113.0/24", False),
        ("ArnLike", "arn:aws:sns:us-east-1:111122223333:topic", "arn:aws:sns:*:*:topic", True),
        ("ArnLike", "arn:aws:sns:us-east-1:111122223333:topic", "arn:aws:sns:*:topic", False),
        ("ArnEquals", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/*", True),
        ("ArnNotEquals", "arn:aws:iam::1:role/a", ["arn:aws:iam::1:role/b", "arn:aws:iam::1:role/a"], False),
        ("ArnNotEquals", None, "arn:aws:iam::1:role/a", True),
        ("ForAllValues:StringEquals", None, "a", True),
        ("ForAllValues:StringEquals", ("a", "b"), ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", ("a", "z"), ["a", "b"], False),
        ("ForAnyValue:StringEquals", None, "a", False),
        ("ForAnyValue:StringLike", ("x", "abc"), "a*", True),
        ("ForAnyValue:StringEquals", ("x", "y"), "a", False),
    ],
)
def test_a_condition_is_judged(operator: str, found: Any, wanted: Any, expected: bool) -> None:
    """ "Condition operators", "Set operators for multivalued context keys"; a missing key makes negations true."""
    keys = {} if found is None else {"k": (found,) if isinstance(found, str) else found}

    assert holds({operator: {"K": wanted}}, keys) is expected


def test_all_operators_and_keys_of_a_statement_must_hold() -> None:
    """ "Multiple context keys and values": AND between operators and keys, OR between values."""
    condition = {"StringEquals": {"a": ["1", "2"], "b": "3"}, "Bool": {"c": "true"}}

    assert holds(condition, {"a": ("2",), "b": ("3",), "c": ("true",)})
    assert not holds(condition, {"a": ("2",), "b": ("3",), "c": ("false",)})
    assert not holds(condition, {"a": ("2",), "c": ("true",)})


def test_services_and_strangers() -> None:
    """ "AWS service principals"; a statement for everybody is also for those who sign nothing."""
    service = said("Allow", Principal={"Service": "cloudfront.amazonaws.com"})

    assert allowed(Call(who="cloudfront.amazonaws.com", action="s3:GetObject", resource=OBJECT), [], service)
    assert not allowed(Call(who="logs.amazonaws.com", action="s3:GetObject", resource=OBJECT), [], service)
    assert allowed(Call(who="anonymous", action="s3:GetObject", resource=OBJECT), [], said("Allow", Principal="*"))
    assert not allowed(Call(who="anonymous", action="s3:GetObject", resource=OBJECT), [], service)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (said("Deny", NotPrincipal={"AWS": ROLE}), NotImplementedError),
        (said("Deny", Principal={"Federated": "x"}), NotImplementedError),
        (said("Deny", Principal="*", Condition={"StringMatches": {"a": "b"}}), KeyError),
    ],
)
def test_what_it_does_not_know_is_an_error(statement: list[dict[str, Any]], error: type[Exception]) -> None:
    """A guess could let a test pass that should not."""
    call = Call(who=ROLE, action="s3:GetObject", resource=OBJECT, context={"a": "b"})
    with pytest.raises(error):
        allowed(call, YES, statement)
