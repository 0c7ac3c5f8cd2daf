"""The upload page in a real browser, before a real gateway and a real S3: every state that people meet.

`UPDATE_IMAGES=1` writes the screenshots in docs/images anew.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.stage import IMAGES, MIB, MODULES, Stage, Visit, random_file

pytestmark = pytest.mark.xdist_group("browser")

LARGE = 48 * MIB
"""Six of the parts in which the page sends it."""

THREE_PARTS = 24 * MIB
SMALLEST_PART = 5 * MIB

PRIVATE_FILE = """
const name = "film.bin";
window.showOpenFilePicker = async () => {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(name, { create: true });
  if ((await handle.getFile()).size === 0) {
    const writer = await handle.createWritable();
    for (let part = 0; part < 6; part++) await writer.write(new Uint8Array(8 << 20).fill(part + 1));
    await writer.close();
  }
  return [handle];
};
"""
"""A picker whose choice is a file of the browser's own file system, with a handle like any other."""


def signed_in(visit: Visit, stage: Stage, token: str) -> Page:
    """The page with a token from its address, ready for files."""
    visit.page.goto(f"{stage.url}/#token={token}")
    expect(visit.page.locator("#signed-in")).to_be_visible()
    return visit.page


def choose(page: Page, *files: Path, button: str = "Choose files") -> None:
    """Choose files as a person does."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button, exact=True).click()
    chooser.value.set_files(list(map(str, files)))


def row(page: Page, name: str) -> Locator:
    """The upload of this name."""
    return page.locator("#list > li").filter(has=page.get_by_text(name, exact=True))


def state(page: Page, name: str) -> Locator:
    """What its row says of it."""
    return row(page, name).locator(".state")


def underway(page: Page, name: str, least: float = 0.2) -> None:
    """Wait until so much of it has gone."""
    page.wait_for_function(
        "([name, least]) => [...document.querySelectorAll('#list progress')]"
        ".some((bar) => bar.getAttribute('aria-label') === name && bar.value > least)",
        arg=[name, least],
    )


def part_numbers(urls: list[str]) -> list[int]:
    """The parts that these requests send."""
    return [int(number) for url in urls for number in parse_qs(urlsplit(url).query).get("partNumber", [])]


def picture(page: Page, name: str) -> None:
    """The screenshot of a state for the documentation: written where that is asked for, else it is there."""
    path = IMAGES / f"upload-{name}.png"
    if os.environ.get("UPDATE_IMAGES"):
        path.parent.mkdir(exist_ok=True)
        page.screenshot(path=path, animations="disabled")
    assert path.exists()


def assert_accessible(page: Page) -> None:
    """No rule of axe-core (WCAG 2.2 A and AA, best practices) is broken."""
    script = MODULES / "axe-core" / "axe.min.js"
    if not script.exists():
        pytest.skip("axe-core is not installed; npm ci in tests/browser")
    # Evaluated as the developer tools do, past the page's own policy.
    page.evaluate(f"(() => {{ {script.read_text()} }})()")
    found = page.evaluate("axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))")
    assert found == []


def test_a_file_is_stored_as_it_is(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """The page says under which key, and what is there is what was chosen."""
    page = signed_in(visit, stage, stage.token())
    picture(page, "ready")
    digest = random_file(tmp_path / "säge + 1.bin", 3 * MIB + 17)
    choose(page, tmp_path / "säge + 1.bin")
    expect(state(page, "säge + 1.bin")).to_have_text("Stored as acme/säge + 1.bin")
    assert stage.stored("acme/säge + 1.bin") == digest


def test_the_token_leaves_the_address_and_no_request_carries_it_in_one(stage: Stage, visit: Visit) -> None:
    """The fragment is taken out at once, and nothing is kept that was not asked for."""
    token = stage.token()
    page = signed_in(visit, stage, token)
    assert page.url == f"{stage.url}/"
    assert not [url for _, url in visit.requests if token in url.partition("#")[0]]
    assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [0, 0, ""]
    page.reload()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()


def test_a_token_is_kept_in_the_tab_only_for_who_asks(stage: Stage, visit: Visit) -> None:
    """With the box ticked a reload goes on; without a token again the tab forgets it."""
    page = visit.page
    page.goto(stage.url)
    picture(page, "token")
    page.get_by_label("Token", exact=True).fill(stage.token())
    page.get_by_label("Keep it in this tab").check()
    page.keyboard.press("Enter")
    expect(page.locator("#signed-in")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Use another token").click()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_wrong_token_is_refused_in_the_gateways_own_words(stage: Stage, visit: Visit) -> None:
    """At the field, and the field has the focus again."""
    page = visit.page
    page.goto(stage.url)
    page.get_by_label("Token", exact=True).fill("wrong")
    page.get_by_role("button", name="Use this token").click()
    with stage.demo.client("wrong") as client:
        sentence = client.get("/uploads").json()["detail"]
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(page.get_by_label("Token", exact=True)).to_be_focused()


def test_several_files_go_at_once_and_a_refusal_stands_at_its_own(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """What is refused is refused with the problem's sentence, and the others go on."""
    token = stage.token()
    page = signed_in(visit, stage, token)
    for name in ("one.txt", "two.csv", "three.exe", "none.txt"):
        (tmp_path / name).write_text("" if name == "none.txt" else name)
    choose(page, *sorted(tmp_path.iterdir()))
    for name in ("one.txt", "two.csv", "none.txt"):
        expect(state(page, name)).to_have_text(f"Stored as acme/{name}")
    plan = {"name": "three.exe", "size": 9, "content_type": "application/octet-stream"}
    expect(state(page, "three.exe")).to_have_text(stage.refusal(token, plan))
    expect(page.locator("#total")).to_contain_text("3 of 3 files")
    picture(page, "refused")
    page.get_by_role("button", name="Clear finished").click()
    expect(page.locator("#list > li")).to_have_count(0)
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()


def test_pause_and_resume_send_no_part_twice(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """What S3 has when it is paused is not sent again, and what is stored is the file."""
    token = stage.token("acme", "--subject", "pauses")
    page = signed_in(visit, stage, token)
    visit.slow(24 * MIB)
    digest = random_file(tmp_path / "film.bin", LARGE)
    choose(page, tmp_path / "film.bin")
    underway(page, "film.bin", 0.75)
    picture(page, "sending")
    row(page, "film.bin").get_by_role("button", name="Pause").click()
    expect(state(page, "film.bin")).to_have_text("Paused")
    expect(page.get_by_role("log")).to_contain_text("film.bin: Paused")
    page.wait_for_load_state("networkidle")
    picture(page, "paused")
    there = {part["number"] for upload in stage.uploads(token) for part in upload["parts"] if upload["size"] == LARGE}
    assert there
    visit.requests.clear()
    visit.slow(-1)
    row(page, "film.bin").get_by_role("button", name="Resume").click()
    expect(state(page, "film.bin")).to_have_text("Stored as acme/film.bin")
    assert not there & set(part_numbers(visit.sent("PUT", "partNumber=")))
    assert stage.stored("acme/film.bin") == digest


def test_after_a_reload_the_file_is_chosen_again(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """Another file is not taken for it; the right one goes on where it was."""
    page = signed_in(visit, stage, stage.token())
    visit.slow(24 * MIB)
    digest = random_file(tmp_path / "reload.bin", LARGE)
    choose(page, tmp_path / "reload.bin")
    underway(page, "reload.bin", 0.75)
    page.reload()
    visit.slow(-1)
    page = signed_in(visit, stage, token := stage.token())
    expect(state(page, "reload.bin")).to_have_text("Not finished: choose the file again to go on")
    picture(page, "interrupted")
    there = {part["number"] for upload in stage.uploads(token) for part in upload["parts"]}
    visit.requests.clear()
    (tmp_path / "other.bin").write_bytes(b"another")
    choose(page, tmp_path / "other.bin", button="Choose file reload.bin")
    expect(page.get_by_role("log")).to_contain_text("this is another file")
    choose(page, tmp_path / "reload.bin", button="Choose file reload.bin")
    expect(state(page, "reload.bin")).to_have_text("Stored as acme/reload.bin")
    assert not there & set(part_numbers(visit.sent("PUT", "partNumber=")))
    assert stage.stored("acme/reload.bin") == digest


def test_where_the_browser_keeps_a_way_to_the_file_one_click_goes_on(stage: Stage, visit: Visit) -> None:
    """The handle outlives the reload, so nobody need look for the file."""
    page = visit.page
    page.add_init_script(PRIVATE_FILE)
    page.goto(f"{stage.url}/#token={stage.token()}")
    expect(page.locator("#signed-in")).to_be_visible()
    visit.slow(24 * MIB)
    page.get_by_role("button", name="Choose files").click()
    underway(page, "film.bin", 0.5)
    page.reload()
    visit.slow(-1)
    page.goto(f"{stage.url}/#token={stage.token()}")
    expect(state(page, "film.bin")).to_have_text("Not finished")
    row(page, "film.bin").get_by_role("button", name="Resume").click()
    expect(state(page, "film.bin")).to_have_text("Stored as acme/film.bin")


def test_what_another_program_began_is_finished_here(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """On another device with other parts and another checksum; or given up."""
    file = tmp_path / "begun.bin"
    digest = random_file(file, 2 * SMALLEST_PART + 1)
    token = stage.token()
    plan = {"size": file.stat().st_size, "content_type": "application/octet-stream", "part_size": SMALLEST_PART}
    checksum = {"algorithm": "crc32c", "value": None}
    with stage.demo.client(token) as client:
        for name in ("begun.bin", "left.bin"):
            asked = {**plan, "name": name, "checksum": checksum, "strategy": "multipart"}
            begun = client.post("/uploads", json=asked).raise_for_status().json()
            first = begun["parts"][0]
            httpx.put(first["url"], content=file.read_bytes()[:SMALLEST_PART]).raise_for_status()
    page = signed_in(visit, stage, token)
    choose(page, file, button="Choose file begun.bin")
    expect(state(page, "begun.bin")).to_have_text("Stored as acme/begun.bin")
    assert sorted(part_numbers(visit.sent("PUT", "partNumber="))) == [2, 3]
    assert stage.stored("acme/begun.bin") == digest
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as ended:
        row(page, "left.bin").get_by_role("button", name="Cancel").click()
    assert ended.value.status == 204


def test_a_part_that_fails_twice_is_sent_a_third_time(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """A broken connection to S3 costs a pause, not the upload."""
    page = signed_in(visit, stage, stage.token())
    tries = interrupt(page, re.compile(r"partNumber=3&"), 2, lambda route: route.abort("connectionreset"))
    digest = random_file(tmp_path / "flaky.bin", THREE_PARTS)
    choose(page, tmp_path / "flaky.bin")
    expect(state(page, "flaky.bin")).to_have_text("Stored as acme/flaky.bin")
    assert len(tries) == 3
    assert stage.stored("acme/flaky.bin") == digest


def test_a_part_whose_answer_was_lost_is_not_sent_again(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """S3 has it: the page asks before it sends a part a second time."""
    page = signed_in(visit, stage, stage.token())

    wire = page.context.new_cdp_session(page)
    lost: list[str] = []

    def answered(event: dict[str, Any]) -> None:
        first = event["request"]["method"] == "PUT" and not lost
        if first:
            lost.append(event["request"]["url"])
        how = ("Fetch.failRequest", {"errorReason": "ConnectionReset"}) if first else ("Fetch.continueRequest", {})
        wire.send(how[0], {"requestId": event["requestId"], **how[1]})

    wire.on("Fetch.requestPaused", answered)
    wire.send("Fetch.enable", {"patterns": [{"urlPattern": "*partNumber=2&*", "requestStage": "Response"}]})
    digest = random_file(tmp_path / "unanswered.bin", THREE_PARTS)
    choose(page, tmp_path / "unanswered.bin")
    expect(state(page, "unanswered.bin")).to_have_text("Stored as acme/unanswered.bin")
    assert len(lost) == 1
    assert part_numbers(visit.sent("PUT", "partNumber=2&")) == [2]
    assert stage.stored("acme/unanswered.bin") == digest


def test_a_url_that_s3_no_longer_takes_is_signed_anew(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """S3's own 403 in mid-upload costs one more request, not the upload."""
    page = signed_in(visit, stage, stage.token())

    def stale(route: Route) -> None:
        route.continue_(url=re.sub(r"X-Amz-Date=\d{4}", "X-Amz-Date=2019", route.request.url))

    tries = interrupt(page, re.compile(r"partNumber=2&"), 1, stale)
    digest = random_file(tmp_path / "stale.bin", THREE_PARTS)
    choose(page, tmp_path / "stale.bin")
    expect(state(page, "stale.bin")).to_have_text("Stored as acme/stale.bin")
    assert len(tries) == 2
    assert stage.stored("acme/stale.bin") == digest


def test_where_storage_stays_away_trying_again_goes_on(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """After six attempts the page says what is wrong and keeps what S3 has."""
    visit.page.clock.install()
    page = signed_in(visit, stage, stage.token())
    tries = interrupt(page, re.compile(r"partNumber=3&"), 6, lambda route: route.abort("connectionreset"))
    digest = random_file(tmp_path / "away.bin", THREE_PARTS)
    choose(page, tmp_path / "away.bin")
    again = row(page, "away.bin").get_by_role("button", name="Try again")
    while not again.is_visible():
        page.clock.fast_forward(60_000)  # no attempt waits longer for the next
    expect(state(page, "away.bin")).to_have_text("The connection to storage was lost.")
    assert len(tries) == 6
    visit.requests.clear()
    again.click()
    expect(state(page, "away.bin")).to_have_text("Stored as acme/away.bin")
    assert part_numbers(visit.sent("PUT", "partNumber=")) == [3]
    assert stage.stored("acme/away.bin") == digest


@pytest.mark.long
def test_a_gibibyte_arrives_as_it_is(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """Each part verified by S3, and the whole against the checksum that is made of them."""
    page = signed_in(visit, stage, stage.token())
    digest = random_file(tmp_path / "gibibyte.bin", 1024 * MIB)
    choose(page, tmp_path / "gibibyte.bin")
    expect(state(page, "gibibyte.bin")).to_have_text("Stored as acme/gibibyte.bin", timeout=900_000)
    assert stage.stored("acme/gibibyte.bin") == digest


def test_a_token_that_ends_on_the_way_is_asked_for_and_the_upload_goes_on(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    """The gateway's own refusal in mid-upload; what was sent is not sent again."""
    page = signed_in(visit, stage, stage.token())
    expired = {"authorization": "Bearer over"}
    refused = interrupt(
        page,
        re.compile(r"/uploads/[^/]+/parts$"),
        1,
        lambda route: route.continue_(headers={**route.request.headers, **expired}),
        after=1,
    )
    digest = random_file(tmp_path / "long.bin", THREE_PARTS)
    choose(page, tmp_path / "long.bin")
    expect(page.get_by_label("Token", exact=True)).to_be_focused()
    assert len(refused) >= 2
    page.get_by_label("Token", exact=True).fill(stage.token())
    page.keyboard.press("Enter")
    expect(state(page, "long.bin")).to_have_text("Stored as acme/long.bin")
    assert stage.stored("acme/long.bin") == digest


def test_what_is_cancelled_leaves_nothing_in_storage(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """The parts that have arrived are given back, and the next file has the focus."""
    token = stage.token()
    page = signed_in(visit, stage, token)
    visit.slow(20 * MIB)
    random_file(tmp_path / "unwanted.bin", LARGE)
    choose(page, tmp_path / "unwanted.bin")
    underway(page, "unwanted.bin", 0.1)
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as ended:
        row(page, "unwanted.bin").get_by_role("button", name="Cancel").click()
    assert ended.value.status == 204
    assert "unwanted.bin" not in {upload["name"] for upload in stage.uploads(token)}
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()


def test_a_name_that_is_taken_says_so_where_nothing_may_be_overwritten(
    stage: Stage, visit: Visit, tmp_path: Path
) -> None:
    """A create-only tenant that requires a checksum: S3 refuses when the parts become an object."""
    page = signed_in(visit, stage, stage.token("globex"))
    (tmp_path / "seal.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    choose(page, tmp_path / "seal.png")
    expect(state(page, "seal.png")).to_have_text("Stored as globex/seal.png")
    page.get_by_role("button", name="Clear finished").click()
    (tmp_path / "seal.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(3000))
    choose(page, tmp_path / "seal.png")
    expect(state(page, "seal.png")).to_have_text("An object of this name exists, and this upload may only create one.")


def test_files_are_dropped_anywhere_on_the_page(stage: Stage, visit: Visit) -> None:
    """Also before there is a token: then they wait for it."""
    page = visit.page
    page.goto(stage.url)
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["dropped"], "<b onclick=x>.txt", { type: "text/plain" }));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    expect(state(page, "<b onclick=x>.txt")).to_have_text("Waiting")
    page.get_by_label("Token", exact=True).fill(stage.token())
    page.keyboard.press("Enter")
    expect(state(page, "<b onclick=x>.txt")).to_have_text("Stored as acme/<b onclick=x>.txt")


def test_a_folder_keeps_its_names(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """Each file is stored under the path that it has in the folder."""
    page = signed_in(visit, stage, stage.token())
    (tmp_path / "trip" / "day one").mkdir(parents=True)
    (tmp_path / "trip" / "day one" / "notes.txt").write_text("notes")
    choose(page, tmp_path / "trip", button="Choose a folder")
    expect(state(page, "trip/day one/notes.txt")).to_have_text("Stored as acme/trip/day one/notes.txt")


def test_the_keyboard_alone_is_enough(stage: Stage, visit: Visit, tmp_path: Path) -> None:
    """From the token to the end of an upload."""
    page = visit.page
    page.goto(stage.url)
    page.keyboard.press("Tab")
    page.keyboard.insert_text(stage.token())
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()
    (tmp_path / "keys.txt").write_text("keys")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(str(tmp_path / "keys.txt"))
    expect(state(page, "keys.txt")).to_have_text("Stored as acme/keys.txt")
    row(page, "keys.txt").get_by_role("button", name="Remove").press("Enter")
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_passes_the_rules_of_accessibility(stage: Stage, visit: Visit, tmp_path: Path, scheme: str) -> None:
    """Names, roles, contrast: asked for a token, refused, and with files done, refused and paused."""
    page = visit.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(stage.url)
    assert_accessible(page)
    page.get_by_label("Token", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert_accessible(page)
    page = signed_in(visit, stage, stage.token())
    visit.slow(20 * MIB)
    (tmp_path / f"{scheme}.txt").write_text("done")
    (tmp_path / f"{scheme}.exe").write_text("refused")
    random_file(tmp_path / f"{scheme}.bin", LARGE)
    choose(page, *sorted(tmp_path.iterdir()))
    expect(state(page, f"{scheme}.txt")).to_contain_text("Stored")
    underway(page, f"{scheme}.bin", 0.1)
    row(page, f"{scheme}.bin").get_by_role("button", name="Pause").click()
    expect(state(page, f"{scheme}.bin")).to_have_text("Paused")
    assert_accessible(page)
    picture(page, scheme)
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        row(page, f"{scheme}.bin").get_by_role("button", name="Cancel").click()


def test_the_how_to_shows_the_pictures_that_these_tests_make() -> None:
    """None is missing, and none is of a page that is no more."""
    page = IMAGES.parent / "how-to" / "upload-page.md"
    shown = set(re.findall(r"\(\.\./images/(upload-[a-z]+\.png)\)", page.read_text()))
    made = set(re.findall(r"picture\(page, \"([a-z]+)\"\)", Path(__file__).read_text())) | {"light", "dark"}
    assert shown == {f"upload-{name}.png" for name in made} == {path.name for path in IMAGES.glob("upload-*.png")}


def interrupt(
    page: Page, where: re.Pattern[str], times: int, how: Callable[[Route], None], *, after: int = 0
) -> list[str]:
    """Do something to a request that is matched, so many times, and let the others pass; the requests so far."""
    seen: list[str] = []

    def handle(route: Route) -> None:
        if route.request.method == "OPTIONS":
            route.continue_()
            return
        seen.append(route.request.url)
        if after < len(seen) <= after + times:
            how(route)
        else:
            route.continue_()

    page.route(where, handle)
    return seen
