"""API keys on all three backends: a device that can't do OIDC uploads like anybody else, within its key."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.identity import mint_api_key
from gateway.tenants.stores import open_sqlite

COMMAND = Path(sys.executable).parent / "upload-gateway"
BACKENDS = ("proxy", "presigned", "edge")


class Demo:
    """A running demo whose store of keys we may write to, as the admin API does."""

    def __init__(self, data: Path) -> None:
        self.url = json.loads((data / "demo.json").read_text())["url"]
        self.keys = open_sqlite(data / "gateway.sqlite").keys

    def key(self, **changes: Any) -> str:
        """A new key of acme's: its text."""
        record: dict[str, Any] = {"tenant": "acme", "name": "device", "scopes": ["files:write"], "now": time.time()}
        minted = mint_api_key(**{**record, **changes})
        assert self.keys.create(minted.record)
        return minted.text

    def outcomes(self, name: str, headers: dict[str, str]) -> list[str]:
        """What each backend says of a PUT: a status, or a problem's code."""
        return asyncio.run(self._outcomes(name, headers))

    async def _outcomes(self, name: str, headers: dict[str, str]) -> list[str]:
        async with aiohttp.ClientSession(headers={"Content-Type": "text/plain", **headers}) as session:
            return [await self._outcome(session, f"{self.url}/{backend}/{name}") for backend in BACKENDS]

    @staticmethod
    async def _outcome(session: aiohttp.ClientSession, url: str) -> str:
        async with session.put(url, data=b"from a device") as answer:
            body: dict[str, Any] = await answer.json(content_type=None) if answer.status >= 400 else {}
            return str(body.get("type", answer.status)).rpartition(":")[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    data = tmp_path_factory.mktemp("api-keys")
    command = [str(COMMAND), "demo", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("curl "):
                break
        yield Demo(data)
        process.terminate()


def test_a_key_as_bearer_works_on_every_backend(demo: Demo) -> None:
    """The same credential, three ways to S3."""
    assert demo.outcomes("bearer.txt", {"Authorization": f"Bearer {demo.key()}"}) == ["200"] * 3


def test_a_key_in_its_own_header_is_refused_where_it_would_reach_s3(demo: Demo) -> None:
    """A client that follows a redirect would repeat it."""
    assert demo.outcomes("header.txt", {"x-api-key": demo.key()}) == ["200", "header-not-allowed", "200"]


def test_a_key_is_held_to_its_name_prefix(demo: Demo) -> None:
    """A device writes where it may, and nowhere else of its tenant."""
    bearer = {"Authorization": f"Bearer {demo.key(name_prefix='camera-7/')}"}

    assert demo.outcomes("camera-7/a.txt", bearer) == ["200"] * 3
    assert demo.outcomes("camera-8/a.txt", bearer) == ["name-not-allowed"] * 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scopes": ["files:read"]}, "scope-missing"),
        ({"now": 1_000_000.0, "expires_at": 2_000_000.0}, "token-expired"),
        ({"tenant": "initech"}, "tenant-unknown"),
    ],
)
def test_a_key_is_refused_for_what_its_record_says(demo: Demo, changes: dict[str, Any], code: str) -> None:
    """The record decides: scopes, expiry, tenant."""
    assert demo.outcomes("refused.txt", {"Authorization": f"Bearer {demo.key(**changes)}"}) == [code] * 3


def test_a_revoked_key_is_nobodys_at_once(demo: Demo) -> None:
    """There is no cache between a revocation and the next request of the demo."""
    text = demo.key()
    bearer = {"Authorization": f"Bearer {text}"}
    assert demo.outcomes("revoked.txt", bearer) == ["200"] * 3

    demo.keys.revoke("acme", text.split("_")[1])

    assert demo.outcomes("revoked.txt", bearer) == ["token-invalid"] * 3


def test_a_changed_key_is_nobodys(demo: Demo) -> None:
    """Any character of it."""
    text = demo.key()
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")

    assert demo.outcomes("changed.txt", {"Authorization": f"Bearer {changed}"}) == ["token-invalid"] * 3
