"""The pages over HTTP: what is served, what holds a browser to it, and that nothing else is reachable."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from gateway.server.pages import PAGES, Bundle, Page, page_routes
from presigner.application import create_application

STORAGE = "https://bucket.s3.eu-central-1.amazonaws.com"
SCRIPT = b"export {};" * 1000


def ask(folder: Path, path: str, method: str = "GET", encoding: str = "identity") -> httpx.Response:
    """What the routes over this bundle answer."""
    application = create_application([page_routes(Bundle.read(folder), storage_origin=STORAGE)])

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, headers={"accept-encoding": encoding})

    return asyncio.run(asked())


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A bundle of three pages and one script."""
    (tmp_path / "assets").mkdir()
    for page in PAGES:
        (tmp_path / page.file).write_text(f"<!doctype html><title>{page.path}</title>")
    (tmp_path / "assets" / "upload-ABC.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "upload-ABC.js.gz").write_bytes(b"packed")
    return tmp_path


def directives(policy: str) -> Mapping[str, str]:
    """A Content-Security-Policy by directive."""
    return dict(item.strip().partition(" ")[::2] for item in policy.split(";"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_a_page_is_served_with_the_headers_that_hold_a_browser_to_it(built: Path, page: Page) -> None:
    """No inline code, no other host, no frame, no guessing of types, and the page is looked at anew each time."""
    served = ask(built, page.path)
    assert served.status_code == 200
    assert served.headers["content-type"] == "text/html; charset=utf-8"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["referrer-policy"] == "no-referrer"
    assert served.headers["cache-control"] == "no-cache"
    policy = directives(served.headers["content-security-policy"])
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in served.headers["content-security-policy"]


def test_only_the_upload_page_may_reach_storage(built: Path) -> None:
    """The console and the reference speak to nobody but the gateway."""
    reached = {page.path: directives(ask(built, page.path).headers["content-security-policy"]) for page in PAGES}
    assert reached["/"]["connect-src"] == f"'self' {STORAGE}"
    assert reached["/console"]["connect-src"] == reached["/docs"]["connect-src"] == "'self'"


def test_an_asset_is_kept_for_ever_and_compressed_where_the_client_takes_it(built: Path) -> None:
    """Its name carries a hash, so what is under it never changes."""
    plain = ask(built, "/assets/upload-ABC.js")
    assert (plain.content, plain.headers["content-type"]) == (SCRIPT, "text/javascript; charset=utf-8")
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    packed = ask(built, "/assets/upload-ABC.js", "HEAD", "gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-length"] == str(len(b"packed"))


@pytest.mark.parametrize(
    "path",
    [
        "/assets/", "/assets/other.js", "/assets/upload-ABC.js.gz", "/assets/..%2fupload.html",
        "/assets/%2e%2e/upload.html", "/upload.html", "/console/", "/console/x",
    ],
)  # fmt: skip
def test_nothing_but_the_table_is_reachable(built: Path, path: str) -> None:
    """No spelling of a path leads to another file."""
    answer = ask(built, path)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:upload-gateway:problem:not-found")


@pytest.mark.parametrize("path", ["/", "/console", "/docs", "/assets/upload-ABC.js"])
def test_pages_are_only_read(built: Path, path: str) -> None:
    """Another method is refused with what is allowed."""
    answer = ask(built, path, "POST")
    assert (answer.status_code, answer.json()["type"]) == (405, "urn:upload-gateway:problem:method-not-allowed")
    assert set(re.split(r", ?", answer.headers["allow"])) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/", "/console", "/docs", "/assets/x.js"])
def test_a_tree_without_pages_says_how_to_make_them(tmp_path: Path, path: str) -> None:
    """Not a blank page and not a 500."""
    answer = ask(tmp_path / "none", path)
    assert answer.status_code == 404
    assert "make web" in answer.json()["detail"]


def test_the_built_pages_have_no_inline_code_and_find_their_assets() -> None:
    """What the policy would block is not in them, and every address they name is served."""
    bundle = Bundle.read()
    if not bundle.pages:
        pytest.skip("The pages are not built here: run `make web`.")
    for page in PAGES:
        text = bundle.pages[page.file].decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?://", text)
        named = re.findall(r"(?:src|href)=\"/assets/([^\"]+)\"", text)
        assert named
        assert set(named) <= set(bundle.assets)


def test_the_bundle_carries_the_licences_of_what_is_in_it() -> None:
    """Every package that the pages are made of asks for that, and the pages that have them say where they are."""
    bundle = Bundle.read()
    if not bundle.pages:
        pytest.skip("The pages are not built here; run `make web`")
    (name,) = [name for name in bundle.assets if name.startswith("licenses-")]
    told = re.findall(r"^((?:@[a-z-]+/)?[a-z-]+) \d+\.\d+\.\d+$", bundle.assets[name].decode(), re.MULTILINE)

    assert told == ["diff", "jsonc-parser", "preact", "swagger-ui-dist"]
    for page in ("console.html", "docs.html"):
        assert f'<link rel="license" href="/assets/{name}">' in bundle.pages[page].decode()
