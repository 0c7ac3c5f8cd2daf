"""What the console is for everybody: by keyboard, for screen readers, in the dark, on a phone, with any content."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Route, expect

from gateway.policy.document import parse, render
from gateway.policy.model import Policy
from gateway.tenants.policies import Change
from gateway.tenants.sqlite import Database, SqlitePolicies
from tests.browser.operator_console import AXE, BASE, Begin, Scheme
from tests.browser.stage import IMAGES, Stage

pytestmark = pytest.mark.xdist_group("browser")

VIEWS = ("policy", "history", "usage", "keys", "try", "decisions")
HOSTILE = '<img src=x onerror="window.pwned=1">'


@contextmanager
def tenants(stage: Stage, count: int) -> Iterator[None]:
    """So many more tenants, written past the API for the sake of time."""
    database = Database(stage.demo.data / "gateway.sqlite")
    policies = SqlitePolicies(database)
    change = Change(at=time.time(), by="test")
    names = [f"zz-{number:04d}" for number in range(count)]
    with database.writing():
        made = []
        for name in names:
            policy = parse({"version": 1, "tenant": name})
            assert isinstance(policy, Policy)
            made.append(policies.create(policy.tenant, render(policy), change))
    yield
    with database.writing():
        for name, version in zip(names, made, strict=True):
            policies.delete(name, getattr(version, "etag", ""), change)
    database.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_keeps_the_rules_of_accessibility(begin: Begin, scheme: Scheme) -> None:
    """WCAG 2.2 A and AA and the best practices, contrast included, also with faults, answers and questions in sight."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed; npm ci in tests/browser")
    out = begin(scheme=scheme, token="")
    out.show("", "Sign in")
    found = {"sign in": out.broken_rules()}
    operator = begin(scheme=scheme)
    operator.show("/tenants", "Tenants")
    expect(operator.page.get_by_role("link", name="acme")).to_be_visible()
    found["tenants"] = operator.broken_rules()
    for view in VIEWS:
        operator.tenant("acme", view)
        if view == "try":
            operator.button("Try").click()
            expect(operator.page.get_by_role("heading", name="Granted")).to_be_visible()
        if view == "policy":
            operator.button("Add an issuer").click()
            operator.label("Limit the rate").check()
            operator.label("Smallest size").fill("x")
            expect(operator.faults("Smallest size")).to_be_visible()
            found["faults"] = operator.broken_rules()
            operator.json.fill("{")
            expect(operator.page.locator(".notice.bad")).to_be_visible()
        found[view] = operator.broken_rules()
    operator.button("Delete").click()
    found["question"] = operator.broken_rules()

    assert {view: rules for view, rules in found.items() if rules} == {}


def test_the_keyboard_is_enough(begin: Begin, operator_token: str) -> None:
    """From signing in to a saved change, with a focus that is seen all the way."""
    operator = begin(token="")
    operator.put("acme", overwrite=True)
    keyboard = operator.page.keyboard
    operator.show("", "Sign in")
    expect(operator.label("Token")).to_be_focused()
    keyboard.insert_text(operator_token)
    keyboard.press("Enter")
    expect(operator.page.get_by_role("link", name="acme")).to_be_visible()
    operator.tab_to("acme")
    keyboard.press("Enter")
    expect(operator.page.get_by_role("heading", level=1)).to_have_text("acme Policy")
    operator.tab_to("Objects may be replaced")
    keyboard.press("Space")
    operator.tab_to("Go to review and save ↓")
    keyboard.press("Enter")
    expect(operator.page.get_by_role("heading", name="Review and save")).to_be_focused()
    operator.accepted()
    operator.tab_to("Reason")
    keyboard.type("By keyboard")
    keyboard.press("Enter")
    expect(operator.page.locator(".toast")).to_have_text("Saved, and in force.")
    operator.tenant("acme")
    operator.tab_to("History")
    keyboard.press("Enter")
    expect(operator.page.get_by_role("heading", level=1)).to_be_focused()
    operator.tab_to("Roll back to 1")
    keyboard.press("Enter")
    expect(operator.page.get_by_role("dialog")).to_be_visible()
    operator.tab_to("Roll back")
    keyboard.press("Enter")
    expect(operator.page.get_by_role("row").nth(1)).to_contain_text("in force")
    expect(operator.page.get_by_role("dialog")).to_have_count(0)


def test_what_is_in_a_tenant_is_text_and_nothing_else(begin: Begin, stage: Stage) -> None:
    """Names, reasons, patterns and keys that would be elements or scripts anywhere else."""
    operator = begin()
    issuers = [{"issuer": "https://id.example/%3Cscript%3E", "audience": [HOSTILE], "subject_claim": HOSTILE}]
    hostile = {"types": {"*/*": []}, "names": {"deny_extensions": []}, "scopes": ["<svg/onload=pwned=1>"]}
    operator.put("evil", issuers=issuers, metadata={"keys": []}, **hostile)
    operator.client.post(f"{BASE}/evil/keys", json={"name": HOSTILE, "scopes": ["a"], "name_prefix": HOSTILE})
    found = operator.client.get(f"{BASE}/evil")
    headers = {"if-match": found.headers["etag"], "x-change-reason": HOSTILE}
    operator.client.put(f"{BASE}/evil", json={**found.json(), "url_lifetime": 60}, headers=headers).raise_for_status()
    operator.put("evil", scopes=["files:write"])
    with stage.demo.client(stage.token("evil")) as client:
        client.put("/proxy/%3Cimg%20src=x%20onerror=pwned=1%3E", content=b"x", headers={"content-type": HOSTILE})
    seen = []
    for view in VIEWS:
        operator.tenant("evil", view)
        if view in ("history", "keys", "decisions"):
            expect(operator.page.get_by_role("region").first).to_contain_text("<img")
            seen.append(operator.page.get_by_role("region").first.inner_text().count("<img"))
    elements = operator.page.evaluate("document.querySelectorAll('main img, main script, main svg').length")
    operator.forget("evil")

    assert all(seen)
    assert elements == 0
    assert operator.page.evaluate("typeof window.pwned") == "undefined"


@pytest.mark.parametrize("width", [320, 640])
def test_nothing_is_cut_off_on_a_narrow_screen(begin: Begin, width: int) -> None:
    """Tables and JSON scroll by themselves; the page never does sideways (WCAG 2.2, 1.4.10)."""
    operator = begin(width=width)
    operator.show("/tenants", "Tenants")
    too_wide = "document.documentElement.scrollWidth - innerWidth"
    found = {"tenants": operator.page.evaluate(too_wide)}
    for view in VIEWS:
        operator.tenant("acme", view)
        found[view] = operator.page.evaluate(too_wide)

    assert {view: wide for view, wide in found.items() if wide > 0} == {}


def test_nothing_jumps_while_a_view_loads(begin: Begin) -> None:
    """All views together shift less than a single page may (0.1, web.dev's "Cumulative Layout Shift")."""
    operator = begin()
    operator.show("/tenants", "Tenants")
    for view in VIEWS:
        operator.tenant("acme", view)
        expect(operator.page.locator("main")).not_to_contain_text("Loading…")

    assert operator.page.evaluate("window.shifted") < 0.1


def test_of_many_tenants_one_is_found(begin: Begin, stage: Stage) -> None:
    """Page by page, by a search that goes on through further pages, and by its id."""
    operator = begin()
    with tenants(stage, 230):
        operator.show("/tenants", "Tenants")
        expect(operator.page.locator(".count")).to_have_text("100 tenants, of 100 loaded")
        operator.button("Load more").click()
        expect(operator.page.locator(".count")).to_have_text("200 tenants, of 200 loaded")
        operator.page.reload()
        operator.label("Search by id").fill("0229")
        expect(operator.page.locator(".count")).to_have_text("0 tenants found, of 100 loaded")
        operator.page.keyboard.press("Enter")
        expect(operator.page.get_by_role("link", name="zz-0229")).to_be_visible()
        operator.label("Search by id").fill("nobody")
        expect(operator.page.get_by_text("None of those loaded.")).to_be_visible()
        operator.page.get_by_role("link", name="Open nobody").click()
        expect(operator.page.get_by_role("alert")).to_contain_text("There is no such tenant.")


def test_a_draft_outlives_the_token(begin: Begin, stage: Stage, operator_token: str) -> None:
    """When the token ends, the gateway's sentence is shown, and after signing in the work goes on."""
    ended = stage.demo.token("--admin", "--ttl", "1")
    operator = begin()
    operator.tenant("globex")
    operator.label("A URL lives").fill("61")
    operator.accepted()

    def with_the_ended_token(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "authorization": f"Bearer {ended}"})

    operator.page.route("**/admin/**", with_the_ended_token)
    operator.label("A URL lives").fill("62")
    expect(operator.page.get_by_role("alert")).to_contain_text(re.compile("You are signed out.*token-expired"))
    operator.page.unroute("**/admin/**")
    operator.label("Token").fill(operator_token)
    operator.button("Sign in").click()
    expect(operator.label("A URL lives")).to_have_value("62")
    operator.accepted()
    operator.button("Discard the draft").click()
    expect(operator.label("A URL lives")).to_have_value(
        str(operator.client.get(f"{BASE}/globex").json()["url_lifetime"])
    )


def test_a_gateway_that_does_not_answer_is_told(begin: Begin) -> None:
    """In a sentence, with what is unknown; what was written stays."""
    operator = begin()
    operator.tenant("acme", "try")
    operator.page.context.set_offline(True)
    operator.button("Try").click()
    expect(operator.page.get_by_role("alert")).to_contain_text("The gateway did not answer.")
    operator.page.context.set_offline(False)
    operator.complaints = [each for each in operator.complaints if "ERR_INTERNET_DISCONNECTED" not in each]
    operator.button("Try").click()
    expect(operator.page.get_by_role("heading", name="Granted")).to_be_visible()


def test_the_documents_numbers_keep_their_digits(begin: Begin) -> None:
    """Also those that JavaScript can't hold, through reading, changing something else and saving."""
    operator = begin()
    operator.put("globex", quota={"bytes": 2**63 - 1, "objects": 9_007_199_254_740_993})
    operator.tenant("globex")
    expect(operator.label("Quota of objects")).to_have_value("9007199254740993")
    operator.label("Deepest name").fill("3")
    operator.save("Depth")
    saved = operator.client.get(f"{BASE}/globex").json()
    operator.put("globex", quota={}, names={})

    assert saved["quota"] == {"bytes": 2**63 - 1, "objects": 9_007_199_254_740_993}
    assert json.loads(operator.json.input_value())["names"]["max_depth"] == 3


def test_a_form_edit_leaves_the_rest_of_the_text_alone(begin: Begin) -> None:
    """How somebody laid out the JSON stays as it is; what the form adds is laid out as deep as it stands."""
    operator = begin()
    operator.tenant("acme")
    before = '{"version":1,\n    "tenant": "acme" ,\n  "size": {"min":0},  "types":{}}'
    operator.json.fill(before)
    operator.label("Smallest size").fill("7")
    operator.label("Limit the rate").check()
    expect(operator.json).to_have_value(re.compile("per_second"))
    after = operator.json.input_value()
    operator.label("Limit the rate").uncheck()
    operator.button("Discard the draft").click()

    assert after.startswith('{"version":1,\n    "tenant": "acme" ,\n  "size": {"min":7},  "types":{},\n')
    assert '"per_second": 50,\n' in after


def test_every_picture_of_the_page_for_people_is_there() -> None:
    """What docs/how-to/console.md shows exists, and what the tests make is shown."""
    page = (IMAGES.parent / "how-to" / "console.md").read_text()
    made = sorted(path.name for path in IMAGES.glob("console-*.png"))

    assert made
    assert sorted({part.split(")")[0] for part in page.split("../images/")[1:]}) == made
