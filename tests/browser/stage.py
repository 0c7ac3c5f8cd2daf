"""What a browser test stands on: a demo whose bucket it can look into, and pages of its own from another origin."""

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from gateway.server.pages import Bundle
from tests.admin.demo import COMMAND, Demo

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
IMAGES = HERE.parents[1] / "docs" / "images"
MIB = 1 << 20


def missing() -> str | None:
    """Why no browser test can run here."""
    if chromium() is None:
        return "Chromium is not installed; apt-get install chromium"
    return None if Bundle.read().pages else "The pages are not built here; run `make web`"


def chromium() -> str | None:
    """The browser's program."""
    return shutil.which("chromium")


@dataclass(frozen=True)
class Stage:
    """A demo, and the origin of another site whose pages may call it."""

    demo: Demo
    site: str
    pages: Path

    @property
    def url(self) -> str:
        """The gateway."""
        return self.demo.url

    def described(self) -> dict[str, Any]:
        """The demo, as it describes itself."""
        return dict(json.loads((self.demo.data / "demo.json").read_text()))

    def storage(self) -> str:
        """The origin of its S3."""
        return str(self.described()["s3_endpoint"])

    def token(self, tenant: str = "acme", *arguments: str) -> str:
        """A token of this tenant."""
        return self.demo.token("--tenant", tenant, *arguments)

    def stored(self, key: str) -> str:
        """The SHA-256 of an object, in hexadecimal."""
        said = self.described()
        client = boto3.client(
            "s3",
            endpoint_url=said["s3_endpoint"],
            region_name=said["region"],
            aws_access_key_id=said["access_key"],
            aws_secret_access_key=said["secret_key"],
        )
        digest = hashlib.sha256()
        body = client.get_object(Bucket=said["bucket"], Key=key)["Body"]
        for chunk in body.iter_chunks(MIB):
            digest.update(chunk)
        body.close()
        client.close()
        return digest.hexdigest()

    def uploads(self, token: str) -> list[dict[str, Any]]:
        """The unfinished uploads of this caller, each with what S3 has of it."""
        with self.demo.client(token) as client:
            listed = client.get("/uploads").raise_for_status().json()["uploads"]
            return [client.get(f"/uploads/{upload['id']}").raise_for_status().json() for upload in listed]

    def refusal(self, token: str, body: dict[str, Any]) -> str:
        """The sentence with which the gateway refuses this plan."""
        with self.demo.client(token) as client:
            answer = client.post("/uploads", json=body)
            assert answer.status_code >= 400
            return str(answer.json()["detail"])


@contextmanager
def staged(directory: Path) -> Iterator[Stage]:
    """A demo, and a site on another port whose origin it allows."""
    pages = directory / "site"
    pages.mkdir()
    with serving(pages) as site, running(directory / "data", site) as demo:
        yield Stage(demo=demo, site=site, pages=pages)


@contextmanager
def running(data: Path, origin: str) -> Iterator[Demo]:
    """A demo on any free port that lets pages of this origin call."""
    command = [str(COMMAND), "demo", "--port", "0", "--data", str(data), "--origin", origin]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("upload-gateway is ready"):
                    break
            yield Demo(data, json.loads((data / "demo.json").read_text())["url"])
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web site of these files; its origin."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium without a window; a root user has no sandbox."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that somebody looks at, with what its console and its requests said."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: dialog.accept())

    def sent(self, method: str, containing: str) -> list[str]:
        """The addresses of requests so far."""
        return [url for asked, url in self.requests if asked == method and containing in url]

    def slow(self, bytes_per_second: float) -> None:
        """From now on the network takes so much."""
        session = self.page.context.new_cdp_session(self.page)
        conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", conditions)

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Trusted" in message.text:
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        self.requests.append((request.method, request.url))


def bundle(entry: Path, script: Path, version: str, form: str = "iife") -> None:
    """Bundle a client's script with the packages of this version, exactly as npm has them."""
    program = MODULES / ".bin" / "esbuild"
    command = [str(program), "--bundle", f"--format={form}", f"--outfile={script}", "--log-level=warning"]
    # From its standard input it looks for packages where it runs, which is what tells the versions apart.
    subprocess.run(command, check=True, cwd=HERE / version, input=entry.read_bytes())


def random_file(path: Path, size: int) -> str:
    """A file of random bytes; its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            chunk = os.urandom(min(MIB, size - at))
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
