"""Quotas and rates through the real server: never more than the tenant may hold, whoever asks at once."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

COMMAND = Path(sys.executable).parent / "upload-gateway"

TENANTS: dict[str, dict[str, Any]] = {
    "fifty": {"quota": {"bytes": None, "objects": 50}},
    "bytes": {"quota": {"bytes": 5_000, "objects": None}},
    "told": {
        "rate": {"per_second": 0.01, "burst": 5, "per": "tenant"},
        "quota": {"bytes": 1_000, "objects": 20},
    },
    "paced": {"rate": {"per_second": 0.01, "burst": 20, "per": "tenant"}},
}


class Demo:
    """A running demo and tokens for its tenants."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = json.loads((data / "demo.json").read_text())["url"]

    def token(self, tenant: str) -> str:
        command = [str(COMMAND), "token", "--data", str(self.data), "--tenant", tenant]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    async def storm(self, tenant: str, targets: list[str], size: int) -> Counter[str]:
        """PUT to all targets at once; how many of each outcome: a status, or a problem's code."""
        headers = {"Authorization": f"Bearer {self.token(tenant)}", "Content-Type": "application/octet-stream"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

            async def put(target: str) -> str:
                async with session.put(
                    f"{self.url}{target}", data=b"x" * size, headers=headers, allow_redirects=False
                ) as answer:
                    body: dict[str, Any] = await answer.json(content_type=None) if answer.status >= 400 else {}
                    return str(body.get("type", answer.status)).rpartition(":")[2]

            return Counter(await asyncio.gather(*map(put, targets)))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    data = tmp_path_factory.mktemp("quota")
    (data / "tenants").mkdir()
    for tenant, limits in TENANTS.items():
        document = {"version": 1, "tenant": tenant, "types": {"*/*": []}, "overwrite": True, **limits}
        (data / "tenants" / f"{tenant}.json").write_text(json.dumps(document))
    with subprocess.Popen(
        [COMMAND, "demo", "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("curl "):
                break
        yield Demo(data)
        process.terminate()


def test_two_hundred_uploads_at_once_fill_a_quota_of_fifty_exactly(demo: Demo) -> None:
    """Fifty are stored, the rest are told why, and nobody is told anything else."""
    targets = [f"/proxy/{number}" for number in range(200)]

    outcomes = asyncio.run(demo.storm("fifty", targets, size=10))

    assert outcomes == {"200": 50, "quota-exceeded": 150}


def test_a_quota_holds_over_all_backends_together(demo: Demo) -> None:
    """URLs that were given out count like uploads that were made."""
    targets = [f"/{backend}/{number}" for number in range(10) for backend in ("proxy", "presigned", "edge")]

    outcomes = asyncio.run(demo.storm("bytes", targets, size=500))

    assert outcomes["200"] + outcomes["307"] == 10
    assert outcomes["quota-exceeded"] == 20


def test_a_burst_is_admitted_exactly(demo: Demo) -> None:
    """A hundred requests at once take the twenty tokens that there are."""
    outcomes = asyncio.run(demo.storm("paced", [f"/presigned/{number}" for number in range(100)], size=1))

    assert outcomes == {"307": 20, "rate-limited": 80}


def test_every_answer_says_what_is_left(demo: Demo) -> None:
    """Of the rate and of the quota, each a policy of its own: answers of the proxy, redirects, plans, and refusals."""
    headers = {"Authorization": f"Bearer {demo.token('told')}", "Content-Type": "a/b"}
    plan = {"name": "p", "size": 50, "content_type": "a/b"}

    async def ask() -> list[tuple[int, str, str]]:
        async with aiohttp.ClientSession(headers=headers) as session:
            calls: list[tuple[str, str, dict[str, Any]]] = [
                ("PUT", "/proxy/a", {"data": b"x" * 100}),
                ("PUT", "/presigned/b", {"data": b"x" * 200}),
                ("POST", "/uploads", {"json": plan, "headers": {"Content-Type": "application/json"}}),
                ("GET", "/uploads", {}),
                ("PUT", "/proxy/c", {"data": b"x" * 900}),
                ("PUT", "/proxy/d", {"data": b"x"}),
            ]
            found = []
            for method, path, more in calls:
                async with session.request(method, demo.url + path, allow_redirects=False, **more) as answer:
                    said = answer.headers
                    assert len(said.getall("ratelimit", [])) == 1
                    found.append((answer.status, said["ratelimit"], said["ratelimit-policy"]))
            return found

    found = asyncio.run(ask())

    policies = '"rate";q=5;w=500, "bytes";q=1000;qu="content-bytes", "objects";q=20'
    assert {each[2] for each in found} == {policies}
    assert [(status, left.partition(";t=")[0], left.split(", ")[1:]) for status, left, _ in found] == [
        (200, '"rate";r=4', ['"bytes";r=900', '"objects";r=19']),
        (307, '"rate";r=3', ['"bytes";r=700', '"objects";r=18']),
        (201, '"rate";r=2', ['"bytes";r=650', '"objects";r=17']),
        (200, '"rate";r=1', []),
        (429, '"rate";r=0', ['"bytes";r=650', '"objects";r=17']),
        (429, '"rate";r=0', []),
    ]
