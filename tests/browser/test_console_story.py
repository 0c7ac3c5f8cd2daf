"""The operator's whole story in a real browser, before the real demo: from signing in to rolling back.

`UPDATE_IMAGES=1` writes the screenshots in docs/images anew.
"""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from gateway.tenants.ledger import Usage
from gateway.tenants.sqlite import Database, SqliteUsageHistory
from gateway.tenants.usage_history import SLOT, UsageSample
from tests.browser.operator_console import BASE, SESSION, Begin, Operator
from tests.browser.stage import Stage

pytestmark = pytest.mark.xdist_group("browser")

TYPES = {"image/png": [".png"], "text/plain": [".txt"]}


Owning = Callable[[str], Operator]


@pytest.fixture
def owning(begin: Begin) -> Iterator[Owning]:
    """An operator, and a new tenant of this name, which no other test has."""
    made: list[tuple[Operator, str]] = []

    def own(tenant: str) -> Operator:
        operator = begin()
        operator.put(tenant, types=TYPES, overwrite=True)
        made.append((operator, tenant))
        return operator

    yield own
    for operator, tenant in made:
        operator.forget(tenant)


def test_only_an_operators_token_opens_the_console(begin: Begin, stage: Stage, operator_token: str) -> None:
    """What is no token is told so, a tenant's is refused in the gateway's words, and none is ever in an address."""
    operator = begin(token="")
    page = operator.page
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    operator.show("", "Sign in")
    operator.picture("sign-in")
    operator.label("Token").fill("not a token")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This is no token")
    operator.label("Token").fill(stage.token())
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"issuer.*token-invalid.*Request \w+"))
    operator.label("Token").fill(f"Bearer {operator_token}\n")
    operator.button("Sign in").click()
    expect(page.get_by_role("heading", name="Tenants")).to_be_focused()
    expect(page.locator(".expiry")).to_have_text(re.compile(r"The token ends at \d\d:\d\d UTC, in \d+ min"))
    expect(page.get_by_role("link", name="globex")).to_be_visible()
    operator.picture("tenants")
    page.reload()
    expect(page.get_by_role("heading", name="Tenants")).to_be_visible()
    operator.button("Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    assert page.evaluate(f"sessionStorage.getItem('{SESSION}')") is None
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert not [address for address in addresses if operator_token[:40] in address or not address.startswith(stage.url)]


def test_a_tenant_is_made_by_form_and_json(begin: Begin) -> None:
    """Either view shows what the other says, at once, and what is saved is both."""
    operator = begin()
    operator.show("/tenants", "Tenants")
    operator.page.get_by_role("link", name="New tenant").click()
    operator.label("Id").fill("Vandelay")
    expect(operator.page.locator(".faults")).to_have_text(re.compile("can't be a tenant's id"))
    operator.label("Id").fill("vandelay")
    operator.button("Go on").click()
    operator.button("Add a type").click()
    operator.label("Type").fill("application/pdf")
    operator.label("Extensions of application/pdf").fill(".pdf .ps")
    operator.label("Largest size").fill("5000")
    operator.label("Quota of bytes").fill("9223372036854775807")
    operator.label("Limit the rate").check()
    operator.label("Tokens a second").fill("0.5")
    expect(operator.json).to_have_value(re.compile(r"per_second\": 0\.5"))
    by_form = operator.document()
    operator.json.fill(operator.json.input_value().replace('".ps"', '".eps"').replace("5000", "6000"))
    expect(operator.label("Extensions of application/pdf")).to_have_value(".pdf .eps")
    expect(operator.label("Largest size")).to_have_value("6000")
    expect(operator.label("Quota of bytes")).to_have_value("9223372036854775807")
    operator.accepted()
    operator.label("Reason").fill("Größer als bisher")
    operator.button("Create the tenant").click()
    expect(operator.page.get_by_role("heading", level=1)).to_have_text("vandelay Policy")
    made = operator.client.get(f"{BASE}/vandelay").json()
    history = operator.client.get(f"{BASE}/vandelay/history").json()
    operator.forget("vandelay")

    assert by_form["types"] == {"application/pdf": [".pdf", ".ps"]}
    assert (by_form["size"], by_form["rate"]["per_second"]) == ({"max": 5000}, 0.5)
    assert (made["types"], made["size"]) == ({"application/pdf": [".pdf", ".eps"]}, {"min": 0, "max": 6000})
    assert (made["quota"]["bytes"], made["rate"]["per_second"]) == (2**63 - 1, 0.5)
    assert history["versions"][0]["reason"] == "Größer als bisher"
    assert history["versions"][0]["by"].endswith("#ada")


def test_a_tenant_that_exists_is_not_made_again(begin: Begin) -> None:
    """It is told before anything could be saved, and a draft of the id is only a draft."""
    operator = begin()
    operator.show("/new", "New tenant")
    operator.label("Id").fill("acme")
    operator.button("Go on").click()
    expect(operator.page.locator(".verdict")).to_contain_text("The tenant is not in the state")
    expect(operator.page.locator("#hindrance")).to_have_text("The gateway refuses this.")


def test_broken_json_is_shown_at_its_place(owning: Owning) -> None:
    """The line is marked, the list leads there, and the form waits; mended, it goes on."""
    ada = owning("aperture")
    ada.tenant("aperture")
    good = ada.json.input_value()
    ada.json.fill(good.replace('"overwrite": true,', '"overwrite": tru,'))
    line = 1 + good[: good.index('"overwrite"')].count("\n")
    expect(ada.page.locator(".gutter .bad")).to_have_text(re.compile(rf"✕ {line}\s"))
    expect(ada.page.locator("#json-faults")).to_contain_text(f"Line {line}")
    expect(ada.json).to_have_attribute("aria-invalid", "true")
    expect(ada.label("Largest size")).to_be_disabled()
    expect(ada.page.locator("#hindrance")).to_have_text("The JSON has faults.")
    ada.page.locator("#json-faults").get_by_role("button").first.click()
    expect(ada.json).to_be_focused()
    selected = ada.page.evaluate("(({ value, selectionStart: at }) => value.slice(at, at + 3))(document.activeElement)")
    ada.json.fill(good.replace('"overwrite": true,', '"overwrite": true,\n  "overwrite": false,'))
    expect(ada.page.locator("#json-faults")).to_contain_text('"overwrite" is there twice')
    ada.json.fill("[" * 50_000)
    expect(ada.page.locator("#json-faults")).to_contain_text("this is nested deeper than 32 levels")
    ada.json.fill(
        '{"types": 5, "issuers": [1], "rate": "x", "size": 5, "scopes": [1], "backends": {}, "clients": null}'
    )
    expect(ada.page.locator(".unfit")).to_have_count(3)
    ada.label("Largest size").fill("1")
    expect(ada.json).to_have_value(re.compile(r'"size": \{\s+"max": 1\s+\}'))
    ada.json.fill(good)
    expect(ada.label("Largest size")).to_be_enabled()
    expect(ada.page.locator("#json-faults button")).to_have_count(0)

    assert selected == "tru"


def test_what_the_gateway_says_stands_at_the_field_and_at_the_line(owning: Owning) -> None:
    """A contradiction, an unknown member, an item of a list and a member of an issuer, all at once."""
    ada = owning("cyberdyne")
    ada.tenant("cyberdyne")
    ada.label("Smallest size").fill("10")
    ada.label("Largest size").fill("5")
    ada.label("Denied extensions").fill(".exe\n.tar.gz")
    ada.button("Add an issuer").click()
    ada.label("Issuer").fill("http://localhost/id?x=1")
    expect(ada.json).to_have_value(re.compile("localhost/id"))
    ada.json.fill(ada.json.input_value().replace('"overwrite"', '"overwrit": 1,\n  "overwrite"'))
    expect(ada.faults("Smallest size")).to_contain_text("min is more than max")
    expect(ada.faults("Denied extensions")).to_contain_text(re.compile(r"1.*an extension is what follows the last dot"))
    expect(ada.faults("Issuer").first).to_contain_text("this URL must not have a")
    expect(ada.label("Smallest size")).to_have_attribute("aria-invalid", "true")
    unknown = ada.page.locator("#json-faults li").filter(has_text="/overwrit")
    expect(unknown).to_contain_text("this member is not known")
    ada.page.locator("#json-faults").scroll_into_view_if_needed()
    ada.picture("validation")
    lines = ada.json.input_value().split("\n")
    told = re.search(r"Line (\d+)", unknown.inner_text())
    expect(ada.page.locator("#hindrance")).to_have_text(re.compile(r"\d faults to mend\."))
    ada.button("Save").click(force=True)
    ada.button("Discard the draft").click()
    expect(ada.page.locator("#json-faults button")).to_have_count(0)

    assert told is not None
    assert '"overwrit"' in lines[int(told[1]) - 1]
    assert ada.client.get(f"{BASE}/cyberdyne").headers["etag"].startswith('"1-')


def test_a_change_is_tried_on_the_past_before_it_is_made(owning: Owning) -> None:
    """The dry run names the decisions that would differ; what is saved has its reason in the history."""
    ada = owning("initech")
    assert ada.upload("initech", "small.txt") == 200
    assert ada.upload("initech", "large.txt", 900) == 200
    assert ada.upload("initech", "program.exe") == 400
    ada.tenant("initech")
    ada.picture("policy")
    ada.label("Largest size").fill("500")
    verdict = ada.page.locator(".verdict")
    expect(verdict).to_contain_text("Of the last 3 decisions, 1 would differ.")
    expect(verdict.get_by_role("row").nth(1)).to_contain_text(re.compile("large.txt.*granted.*size-exceeds-limit"))
    expect(ada.page.locator(".difference ins")).to_have_text(re.compile(r'\+ +"max": 500'))
    ada.page.locator("#review").scroll_into_view_if_needed()
    ada.label("Reason").fill("They asked for a cap")
    ada.picture("review")
    ada.save("They asked for a cap")
    expect(ada.page.locator("#hindrance")).to_have_text("Nothing is changed.")
    latest = ada.client.get(f"{BASE}/initech/history").json()["versions"][0]

    assert (latest["version"], latest["reason"], latest["document"]["size"]["max"]) == (2, "They asked for a cap", 500)


def test_two_operators_lose_nothing(owning: Owning) -> None:
    """Who comes second sees what changed, keeps their own changes, and decides where both changed the same."""
    ada = owning("oscorp")
    ada.tenant("oscorp")
    ada.label("Largest size").fill("500")
    ada.label("A URL lives").fill("120")
    ada.put("oscorp", size={"min": 0, "max": 700}, scopes=["files:write", "uploads"])
    ada.accepted()
    ada.label("Reason").fill("Mine")
    ada.button("Save").click()
    conflict = ada.page.get_by_role("region", name="This tenant was changed meanwhile")
    expect(conflict.get_by_role("heading")).to_be_focused()
    expect(conflict).to_contain_text("Version 2")
    expect(conflict).to_contain_text("Somebody else")
    expect(conflict.locator("ins").first).to_contain_text("uploads")
    expect(conflict).to_contain_text("1 change of yours can be made upon it: /url_lifetime.")
    ada.picture("conflict")
    conflict.get_by_label("Yours: 500").check()
    ada.button("Make my changes upon theirs").click()
    expect(conflict).to_have_count(0)
    ada.save("Both")
    saved = ada.client.get(f"{BASE}/oscorp").json()

    assert (saved["size"]["max"], saved["url_lifetime"], saved["scopes"]) == (500, 120, ["files:write", "uploads"])


def test_history_is_compared_and_gone_back_to(owning: Owning) -> None:
    """Any two versions, and the way back as a new version, with a reason."""
    ada = owning("soylent")
    ada.put("soylent", size={"min": 0, "max": 500})
    ada.put("soylent", checksum="required")
    ada.tenant("soylent", "history")
    expect(ada.page.locator(".difference ins")).to_have_text(re.compile(r'\+ +"checksum": "required"'))
    ada.label("From version").select_option("1")
    expect(ada.page.get_by_role("group", name="From version 1 to 3").locator("ins")).to_have_count(2)
    ada.picture("history")
    ada.button("Roll back to 1").click()
    dialog = ada.page.get_by_role("dialog")
    expect(dialog.locator("del")).to_have_count(2)
    dialog.get_by_label("Reason").fill("The cap is off")
    ada.dialog("Roll back").click()
    expect(ada.page.get_by_role("row").nth(1)).to_contain_text(re.compile(r"^4 in force.*The cap is off"))
    now = ada.client.get(f"{BASE}/soylent").json()

    assert (now["checksum"], now["size"]["max"]) == ("optional", 53_687_091_200_000)


def test_a_keys_secret_is_shown_once_and_works_until_it_is_revoked(owning: Owning, stage: Stage) -> None:
    """It opens the gateway; the list never has it; revoked, it opens nothing."""
    ada = owning("tyrell")
    ada.tenant("tyrell", "keys")
    ada.label("Name").fill("scanner 7")
    ada.label("Only names that begin").fill("scans/")
    ada.label("Expires").fill("2099-01-01T00:00")
    ada.button("Create the key").click()
    expect(ada.page.get_by_role("heading", name="The secret of scanner 7")).to_be_focused()
    secret = ada.label("Secret").input_value()
    ada.label("Secret").evaluate("(field) => field.value = 'ugk_' + '…'.repeat(12)")
    ada.picture("keys")
    with stage.demo.client(secret) as device:
        headers = {"content-type": "text/plain"}
        before = device.put("/proxy/scans/a.txt", content=b"a", headers=headers).status_code
        ada.button("I have it").click()
        expect(ada.label("Secret")).to_have_count(0)
        assert secret not in ada.page.content()
        ada.page.reload()
        expect(ada.page.get_by_role("row").nth(1)).to_contain_text(re.compile("scanner 7.*scans/.*2099-01-01"))
        ada.button("Revoke scanner 7").click()
        ada.dialog("Revoke").click()
        expect(ada.page.locator("td.empty")).to_have_text("There are none.")
        after = device.put("/proxy/scans/b.txt", content=b"b", headers=headers).status_code

    assert (secret[:4], before, after) == ("ugk_", 200, 401)


def test_a_decision_is_found_and_tried_again(owning: Owning) -> None:
    """Why an upload was refused: the decision, then every rule of it."""
    ada = owning("umbrella")
    ada.upload("umbrella", "report.txt")
    ada.upload("umbrella", "holiday.gif", kind="image/gif")
    ada.tenant("umbrella", "decisions")
    expect(ada.page.get_by_role("row")).to_have_count(3)
    ada.picture("decisions")
    ada.label("Show").select_option("refusal")
    expect(ada.page.get_by_role("row")).to_have_count(2)
    expect(ada.page.get_by_role("row").nth(1)).to_contain_text("type-not-allowed")
    ada.page.get_by_role("link", name="Try again").click()
    expect(ada.label("Name")).to_have_value("holiday.gif")
    ada.button("Try").click()
    expect(ada.page.get_by_role("heading", name="Refused")).to_be_visible()
    expect(ada.page.get_by_role("row", name="type")).to_contain_text("refused")
    expect(ada.page.get_by_role("row", name="size")).to_contain_text("not reached")
    ada.picture("try")
    ada.label("Content-Type").fill("text/plain")
    ada.label("Name").fill("holiday.txt")
    ada.button("Try").click()
    expect(ada.page.get_by_role("heading", name="Granted")).to_be_visible()
    expect(ada.page.locator(".facts")).to_contain_text("umbrella/holiday.txt")
    ada.label("Claims").fill("{")
    ada.button("Try").click()
    expect(ada.page.get_by_role("alert")).to_contain_text(re.compile("The question is not valid.*request-invalid"))


def test_usage_over_time_is_a_chart_and_a_table(owning: Owning, stage: Stage) -> None:
    """The chart says in words what it shows; the table has every sample."""
    ada = owning("wayne")
    ada.put("wayne", quota={"bytes": 6_000_000, "objects": None})
    ada.upload("wayne", "now.txt", 4_000_000)
    now = time.time()
    database = Database(stage.demo.data / "gateway.sqlite")
    SqliteUsageHistory(database).keep(
        UsageSample(tenant="wayne", at=now - ago * SLOT, usage=Usage(bytes=size, objects=objects))
        for ago, size, objects in ((600, 0, 0), (500, 900_000, 9), (300, 2_000_000, 17), (90, 5_000_000, 20))
    )
    database.close()
    ada.tenant("wayne", "usage")
    chart = ada.page.get_by_role("img")
    expect(chart).to_have_accessible_name("Bytes stored: 3.8 MiB now, between 0 B and 4.8 MiB in this time.")
    ada.picture("usage")
    ada.label("What").select_option("objects")
    expect(chart).to_have_accessible_name("Objects stored: 1 now, between 0 and 20 in this time.")
    ada.label("In the last").select_option("1")
    expect(chart).to_have_accessible_name("Objects stored: 1 now, between 1 and 20 in this time.")
    ada.page.get_by_text("The same as a table").click()
    expect(ada.page.get_by_role("region", name="Objects stored over time").get_by_role("row")).to_have_count(4)


def test_a_tenant_is_suspended_resumed_and_deleted(owning: Owning) -> None:
    """Each asked about first; a deletion wants the name typed."""
    ada = owning("hooli")
    ada.tenant("hooli")
    ada.button("Suspend").click()
    expect(ada.page.get_by_role("dialog")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    expect(ada.button("Suspend")).to_be_focused()
    ada.button("Suspend").click()
    ada.page.get_by_role("dialog").get_by_label("Reason").fill("Unpaid")
    ada.dialog("Suspend").click()
    expect(ada.page.locator(".whole .tag")).to_have_text("Status: ■ suspended")
    expect(ada.label("Status")).to_have_value("suspended")
    refused = ada.upload("hooli", "a.txt")
    ada.button("Resume").click()
    ada.dialog("Resume").click()
    expect(ada.page.locator(".whole .tag")).to_have_text("Status: ● active")
    ada.button("Delete").click()
    expect(ada.dialog("Delete")).to_be_disabled()
    ada.page.get_by_label("Type hooli to go on").fill("hooli")
    ada.dialog("Delete").click()
    expect(ada.page.get_by_role("heading", name="Tenants")).to_be_visible()
    expect(ada.page.get_by_role("link", name="hooli")).to_have_count(0)
    gone = ada.client.get(f"{BASE}/hooli").status_code

    assert (refused, gone) == (403, 404)


def test_a_tenant_kept_in_a_file_is_shown_and_not_changed(begin: Begin, stage: Stage) -> None:
    """The list and its page say so, and there is nothing to save, suspend, delete or roll back."""
    operator = begin()
    file = stage.demo.data / "tenants" / "filed.json"
    file.write_text(json.dumps({"version": 1, "tenant": "filed"}))
    try:
        operator.show("/tenants", "Tenants")
        expect(operator.page.get_by_role("row", name="filed")).to_contain_text("kept in a file")
        operator.tenant("filed")
        expect(operator.page.get_by_text("Kept in a file.")).to_be_visible()
        expect(operator.json).not_to_be_editable()
        expect(operator.label("Largest size")).to_be_disabled()
        for name in ("Save", "Suspend", "Delete"):
            expect(operator.button(name)).to_have_count(0)
    finally:
        file.unlink()
