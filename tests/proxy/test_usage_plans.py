"""Usage plans kept in step with tenants' rates, and what API Gateway's model then does with a call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.functions import usage_plans
from gateway.functions.settings import LambdaSettingsError
from gateway.functions.usage_keys import Throttle, deployment_name, shared_key, tenant_key, throttle, usage_key
from gateway.functions.usage_plans import Changes, Deployment, TooManyTenantsError, UsagePlans
from gateway.functions.usage_plans_handler import UsagePlanSettings, kept
from gateway.policy.model import Policy, RateRule, TenantId
from gateway.proxy.authorizer import allowed
from gateway.tenants.pages import MAX_PAGE
from gateway.tenants.policies import Change
from gateway.tenants.stores import open_sqlite
from tests.proxy.test_api_gateway_model import S3, call
from tests.proxy.usage_plans import PretendedPlans

STAGE = Deployment(name="stage", api="api", stage="live")
RATES: tuple[RateRule | None, ...] = (
    None,
    RateRule(per_second=10, burst=20),
    RateRule(per_second=9.5, burst=20),
    RateRule(per_second=1 / 86_400, burst=1),
    RateRule(per_second=10, burst=20, per="subject"),
)


def policy(tenant: str, rate: RateRule | None = None) -> Policy:
    """A tenant with a rate."""
    return Policy(tenant=TenantId(tenant), rate=rate)


@pytest.mark.parametrize(
    ("rate", "expected"),
    list(
        zip(
            RATES,
            [None, *(Throttle(rate=rate, burst=burst) for rate, burst in ((10, 20), (10, 20), (1, 1))), None],
            strict=True,
        )
    ),
)
def test_a_plan_is_never_tighter_than_the_rate(rate: RateRule | None, expected: Throttle | None) -> None:
    """Rounded up; a rate of each subject's own says nothing about all of them together."""
    assert throttle(policy("acme", rate)) == expected


@given(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{0,63}", fullmatch=True),
)
def test_values_are_ones_that_api_gateway_takes_and_nobody_shares(tenant: str, name: str) -> None:
    """20 to 128 characters; no tenant is everybody, and no tenant of another deployment has the same."""
    values = {
        tenant_key(name, tenant),
        tenant_key(name + "x", tenant),
        tenant_key(name, tenant + "x"),
        shared_key(name),
    }

    assert deployment_name(name) == name
    assert len(values) == 4
    assert all(20 <= len(value) <= 128 for value in values)


@pytest.mark.parametrize("name", ["", "1stage", "a.b", "a" * 65, "stage\n", "stäge"])
def test_a_deployment_has_a_name_of_its_own(name: str) -> None:
    """Anything else could be made to look like another's."""
    with pytest.raises(ValueError, match="letter"):
        deployment_name(name)


def test_tenants_of_one_rate_share_a_plan_and_have_a_key_each() -> None:
    """Also those without a rate, so that they have a key when they get one."""
    client = PretendedPlans()
    policies = [policy(f"t{at}", rate) for at, rate in enumerate(RATES)]

    assert UsagePlans(client, STAGE).synchronise(policies) == Changes(made=8, moved=5, removed=0)

    assert client.members() == {
        "stage.tenant.t0": "stage.plan.unlimited",
        "stage.tenant.t1": "stage.plan.10-20",
        "stage.tenant.t2": "stage.plan.10-20",
        "stage.tenant.t3": "stage.plan.1-1",
        "stage.tenant.t4": "stage.plan.unlimited",
    }
    assert all(plan["apiStages"] == [{"apiId": "api", "stage": "live"}] for plan in client.plans.values())


def test_what_is_right_is_left_alone() -> None:
    """A second time only looks, at every page of it."""
    client = PretendedPlans()
    policies = [policy(f"t{at}", rate) for at, rate in enumerate(RATES)]
    UsagePlans(client, STAGE).synchronise(policies)
    client.called.clear()

    assert UsagePlans(client, STAGE).synchronise(policies) == Changes(made=0, moved=0, removed=0)

    assert {name.partition("_")[0] for name in client.called} == {"get"}


@given(st.lists(st.dictionaries(st.sampled_from("abcde"), st.sampled_from(RATES), max_size=5), min_size=1, max_size=4))
def test_whatever_was_there_before_the_plans_are_the_policies(history: list[dict[str, RateRule | None]]) -> None:
    """Nothing that nobody needs is left, and nothing of another deployment is touched."""
    client = PretendedPlans()
    UsagePlans(client, Deployment(name="stage2", api="other", stage="live")).synchronise([policy("a", RATES[1])])
    others = client.members()
    for state in history:
        UsagePlans(client, STAGE).synchronise([policy(tenant, rate) for tenant, rate in state.items()])

        expected = {STAGE.key(t): STAGE.plan(throttle(policy(t, rate))) for t, rate in state.items()}
        assert client.members() == others | expected
        assert {plan["name"] for plan in client.plans.values()} == set(client.members().values())


def test_more_than_there_is_room_for_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the tenants would be worse than none."""
    monkeypatch.setattr(usage_plans, "MOST_KEYS", 2)
    client = PretendedPlans()

    with pytest.raises(TooManyTenantsError):
        UsagePlans(client, STAGE).synchronise([policy(tenant) for tenant in "abc"])

    assert client.keys == client.plans == {}


def counted(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """An authorizer whose tenant is in the path; `everybody` has no rate, `nobody` no key."""
    tenant = event["path"].split("/")[2]
    rule = None if tenant == "everybody" else RATES[1]
    said = {"key": f"{tenant}/a.txt", "answer_x_request_id": "minted"}
    key = {} if tenant == "nobody" else {"usageIdentifierKey": usage_key("stage", policy(tenant, rule))}
    return {**allowed(tenant, event["methodArn"], said), **key}


def test_a_call_counts_against_the_plan_of_its_tenant() -> None:
    """One tenant's burst is its own; who has no rate waits for nobody."""
    plans = PretendedPlans(lambda: 0.0)
    UsagePlans(plans, STAGE).synchronise([policy("acme", RATES[1]), policy("globex", RATES[1])])
    shared = plans.create_api_key(name="stage-everybody", value=shared_key("stage"), enabled=True)["id"]
    plan = plans.create_usage_plan(name="stage-everybody", apiStages=[])["id"]
    plans.create_usage_plan_key(usagePlanId=plan, keyId=shared, keyType="API_KEY")
    s3 = S3()
    asked = [*["acme"] * 22, "globex", *["everybody"] * 25]

    answers = call(
        s3,
        *(("PUT", f"/proxy/{tenant}/a.txt") for tenant in asked),
        authorizer=counted,
        conditions=frozenset({"HasPlans"}),
        metered=plans.metered,
    )

    assert [answer.status_code for answer in answers] == [*[200] * 20, 429, 429, 200, *[200] * 25]
    assert answers[20].json()["type"].endswith(":rate-limited")
    assert len(s3.sent) == 46


def test_a_tenant_that_is_too_new_is_told_to_try_again() -> None:
    """Its key is made within minutes; a key that the client sends is nobody's."""
    plans = PretendedPlans(lambda: 0.0)
    UsagePlans(plans, STAGE).synchronise([policy("acme", RATES[1])])
    s3 = S3()

    answers = call(
        s3,
        ("PUT", "/proxy/globex/a.txt"),
        ("PUT", "/proxy/nobody/a.txt"),
        authorizer=counted,
        conditions=frozenset({"HasPlans"}),
        metered=plans.metered,
        headers={"x-api-key": tenant_key("stage", "acme")},
    )

    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["retry-after"] == "60"
    assert answers[0].json()["type"].endswith(":storage-unavailable")
    assert s3.sent == []


def test_without_plans_no_key_is_asked_for() -> None:
    """The switch is off by default."""
    s3 = S3()

    (answer,) = call(s3, ("PUT", "/proxy/nobody/a.txt"), authorizer=counted)

    assert answer.status_code == 200


def test_the_function_reads_every_page_of_tenants_and_removes_what_it_made(tmp_path: Path) -> None:
    """Whatever a schedule sends is an order to look; `remove` alone is another."""
    store = open_sqlite(tmp_path / "stores").policies
    for at in range(MAX_PAGE + 1):
        document = {"version": 1, "tenant": f"t{at}", "rate": {"per_second": 5, "burst": 5}, "types": {"image/png": []}}
        store.create(f"t{at}", document, Change(at=0.0, by="the suite"))
    client = PretendedPlans()

    assert kept(client, STAGE, store, {"time": "now"})["made"] == MAX_PAGE + 2
    assert kept(client, STAGE, store, {"remove": True})["removed"] == MAX_PAGE + 2

    assert client.keys == client.plans == {}


def test_the_function_says_what_its_environment_lacks() -> None:
    """All at once."""
    with pytest.raises(
        LambdaSettingsError, match=r"REGION.*TABLE.*USAGE_PLANS.*API.*STAGE|USAGE_PLANS.*REGION.*TABLE.*API.*STAGE"
    ):
        UsagePlanSettings.from_environment({})
