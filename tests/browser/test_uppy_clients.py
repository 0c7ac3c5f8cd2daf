"""Uppy 4, 5 and 6 as they come from the registry, on a page of another origin, before a real gateway and a real S3.

Versions 4 and 5 send the token as a header. Version 6 is driven in two ways: as a client of Companion, where a ticket
in the path is all it can carry, and with a signer.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route

from tests.browser.stage import HERE, MIB, MODULES, Stage, Visit, bundle, random_file

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        not (MODULES / "esbuild").exists(), reason="The clients are not installed: npm ci in tests/browser"
    ),
]

CLIENTS: Final = ("uppy4", "uppy5", "uppy6", "uppy6-sign")

THREE_PARTS: Final = 12 * MIB
"""Uppy's own parts are 5 MiB."""

PATIENCE: Final = 60_000
"""Milliseconds: Uppy itself waits some seconds between attempts."""


def mostly_long(short: str) -> list[Any]:
    """All clients, but in the suite only one: the four speak to the gateway in two ways, and each way has its turn."""
    return [pytest.param(name, marks=() if name == short else pytest.mark.long) for name in CLIENTS]


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, stage: Stage) -> str:
    """The client's name, its page on the other site."""
    name: str = request.param
    page = stage.pages / f"{name}.html"
    if not page.exists():
        version = name.partition("-")[0]
        bundle(HERE / "client.js", stage.pages / f"{name}.js", version)
        page.write_text(
            f'<!doctype html><meta charset="utf-8"><input type="file" multiple><script src="{name}.js"></script>'
        )
    return name


def options(stage: Stage, client: str, token: str) -> dict[str, Any]:
    """What the page gives Uppy: as the how-to says."""
    headers = {"authorization": f"Bearer {token}"}
    if client == "uppy6-sign":
        return {"options": {}, "sign": {"url": f"{stage.url}/s3/sign", "headers": headers}}
    if client == "uppy6":
        return {"options": {"companionEndpoint": f"{stage.url}/t/{ticket(stage, token)}"}}
    # Two parts at once: were it all of them, none would have arrived when a test interrupts them.
    return {"options": {"endpoint": stage.url, "headers": headers, "limit": 2}}


def ticket(stage: Stage, token: str) -> str:
    """A ticket for this token; a token that is worth nothing gets none, and stands for itself."""
    with stage.demo.client(token) as http:
        return str(http.post("/uploads/tickets").json().get("ticket", token))


def started(visit: Visit, stage: Stage, client: str, *, restore: bool = False, token: str | None = None) -> Page:
    """The page with Uppy on it."""
    visit.page.goto(f"{stage.site}/{client}.html")
    start(visit.page, {**options(stage, client, token or stage.token()), "restore": restore})
    return visit.page


def start(page: Page, config: dict[str, Any]) -> None:
    """Set Uppy up."""
    page.evaluate("config => start(config)", config)


def upload(page: Page, *files: Path) -> None:
    """Give Uppy files, and begin."""
    page.set_input_files("input", list(map(str, files)))
    page.wait_for_function("count => uppy.getFiles().length === count", arg=len(files))
    page.evaluate("() => { uppy.upload().catch(() => undefined); }")


def outcome(page: Page) -> list[int]:
    """How many were stored and how many failed."""
    page.wait_for_function("window.outcome() !== null", timeout=PATIENCE)
    return list(page.evaluate("window.outcome()"))


def said(page: Page) -> str:
    """All that Uppy said to its user."""
    return " ".join(filter(None, page.evaluate("window.said")))


def underway(page: Page) -> None:
    """Wait until S3 has a part."""
    page.wait_for_function("window.parts > 0", timeout=PATIENCE)


def part_numbers(urls: list[str]) -> list[int]:
    """The parts that requests to S3 sent."""
    return [int(number) for url in urls for number in parse_qs(urlsplit(url).query).get("partNumber", [])]


def interrupted(page: Page, number: int, times: int, how: Callable[[Route], None]) -> list[str]:
    """Do something to the first requests that send this part to S3; the requests so far."""
    seen: list[str] = []

    def handle(route: Route) -> None:
        if route.request.method == "PUT":
            seen.append(route.request.url)
        if route.request.method == "PUT" and len(seen) <= times:
            how(route)
        else:
            route.continue_()

    page.route(re.compile(rf"partNumber={number}(&|$)"), handle)
    return seen


def test_a_single_file_is_stored(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """With a name that must be encoded on its way."""
    name = f"{client} süß + 1.bin"
    digest = random_file(tmp_path / name, MIB)
    page = started(visit, stage, client)
    upload(page, tmp_path / name)
    assert outcome(page) == [1, 0], said(page)
    assert stage.stored(f"acme/{name}") == digest


def test_parts_become_the_file(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """Two files in parts at once."""
    files = [tmp_path / f"{client}-parts-{number}.bin" for number in (1, 2)]
    digests = [random_file(file, THREE_PARTS + 17) for file in files]
    page = started(visit, stage, client)
    upload(page, *files)
    assert outcome(page) == [2, 0], said(page)
    assert [stage.stored(f"acme/{file.name}") for file in files] == digests


@pytest.mark.parametrize("client", mostly_long("uppy6"), indirect=True)
def test_pause_and_resume_send_no_part_twice(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """What S3 had when it was paused is not sent again."""
    file = tmp_path / f"{client}-pause.bin"
    digest = random_file(file, 2 * THREE_PARTS)
    page = started(visit, stage, client)
    visit.slow(8 * MIB)
    upload(page, file)
    underway(page)
    page.evaluate("uppy.pauseAll()")
    page.wait_for_load_state("networkidle")
    sent = part_numbers(visit.sent("PUT", "partNumber="))
    visit.requests.clear()
    visit.slow(-1)
    page.evaluate("uppy.resumeAll()")
    assert outcome(page) == [1, 0], said(page)
    again = part_numbers(visit.sent("PUT", "partNumber="))
    assert sent
    assert set(sent) - set(again), "nothing was kept"
    assert stage.stored(f"acme/{file.name}") == digest


@pytest.mark.parametrize("client", mostly_long("uppy5"), indirect=True)
def test_after_a_reload_it_goes_on(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """With Uppy's own memory of files, @uppy/golden-retriever; what S3 has is not sent again."""
    file = tmp_path / f"{client}-reload.bin"
    digest = random_file(file, 2 * THREE_PARTS)
    page = started(visit, stage, client, restore=True)
    page.set_input_files("input", str(file))
    page.wait_for_function("uppy.getFiles().length === 1")
    page.wait_for_timeout(2000)  # Golden Retriever writes at most every half second, and says when to nobody
    visit.slow(8 * MIB)
    page.evaluate("() => { uppy.upload().catch(() => undefined); }")
    underway(page)
    page.reload()
    visit.slow(-1)
    sent = part_numbers(visit.sent("PUT", "partNumber="))
    visit.requests.clear()
    start(page, {**options(stage, client, stage.token()), "restore": True})
    assert outcome(page) == [1, 0], said(page)
    assert set(sent) - set(part_numbers(visit.sent("PUT", "partNumber="))), "nothing was kept"
    assert stage.stored(f"acme/{file.name}") == digest


@pytest.mark.parametrize("client", mostly_long("uppy5"), indirect=True)
def test_a_url_that_expires_on_the_way_does_not_end_the_upload(
    stage: Stage, visit: Visit, tmp_path: Path, client: str
) -> None:
    """Uppy 4 and 5 have it signed anew; 6 says that it failed, and goes on where it was when its user retries."""
    file = tmp_path / f"{client}-expired.bin"
    digest = random_file(file, THREE_PARTS)
    page = started(visit, stage, client)
    tries = interrupted(page, 2, 1, past)
    upload(page, file)
    if client.startswith("uppy6"):
        assert outcome(page) == [0, 1]
        page.evaluate("() => { uppy.retryAll(); }")
    assert outcome(page) == [1, 0], said(page)
    assert len(tries) == 2
    assert stage.stored(f"acme/{file.name}") == digest


def past(route: Route) -> None:
    """Let S3 see the URL of another year: it answers as to any that has expired."""
    route.continue_(url=re.sub(r"X-Amz-Date=\d{4}", "X-Amz-Date=2019", route.request.url))


@pytest.mark.parametrize("client", mostly_long("uppy6"), indirect=True)
def test_a_part_that_fails_twice_is_sent_a_third_time(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """A connection that breaks."""
    file = tmp_path / f"{client}-flaky.bin"
    digest = random_file(file, THREE_PARTS)
    page = started(visit, stage, client)
    tries = interrupted(page, 2, 2, lambda route: route.abort("connectionreset"))
    upload(page, file)
    assert outcome(page) == [1, 0], said(page)
    assert len(tries) == 3
    assert stage.stored(f"acme/{file.name}") == digest


def test_a_wrong_token_stores_nothing(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """Every way that a token takes, and Uppy says that it failed."""
    file = tmp_path / f"{client}-wrong.bin"
    random_file(file, 1000)
    page = started(visit, stage, client, token="wrong")
    upload(page, file)
    assert outcome(page) == [0, 1]
    assert said(page)
    assert not visit.sent("PUT", stage.storage())
    assert not visit.sent("POST", stage.storage())


def test_a_refusal_is_shown_in_the_gateways_own_words(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """In parts and in one piece; as a client of Companion version 6 shows its user no more than the status."""
    page = started(visit, stage, client)
    sentence = stage.refusal(
        stage.token(), {"name": "program.exe", "size": 1, "content_type": "application/octet-stream"}
    )
    for size in (1000, 6 * MIB):
        file = tmp_path / f"{client}-{size}.exe"
        random_file(file, size)
        page.evaluate("() => { window.said = []; uppy.clear(); }")
        upload(page, file)
        assert outcome(page) == [0, 1]
        assert (sentence if client != "uppy6" else "Bad Request") in said(page)


@pytest.mark.long
def test_a_gibibyte_arrives_as_it_is(stage: Stage, visit: Visit, tmp_path: Path, client: str) -> None:
    """Through Chromium onto the real S3, equal by checksum."""
    file = tmp_path / f"{client}-gibibyte.bin"
    digest = random_file(file, 1024 * MIB)
    page = started(visit, stage, client)
    upload(page, file)
    page.wait_for_function("window.outcome() !== null", timeout=900_000)
    assert outcome(page) == [1, 0], said(page)
    assert stage.stored(f"acme/{file.name}") == digest
