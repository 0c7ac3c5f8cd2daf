"""A running demo with tenants of its own, and a client for its upload API."""

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx

COMMAND = Path(sys.executable).parent / "upload-gateway"

PART = 5_242_880
"""The smallest part size, so that two parts are soon sent."""

RULES: Mapping[str, Any] = {
    "version": 1,
    "types": {"*/*": []},
    "metadata": {"keys": ["*"]},
    "multipart": {"threshold": 6_000_000, "part_size": PART, "max_age": 3600},
}

TENANTS: Mapping[str, Mapping[str, Any]] = {
    "free": {"overwrite": True},
    "once": {"overwrite": False},
    "other": {"overwrite": True},
    "strict": {"overwrite": False, "checksum": "required"},
    "unique": {"overwrite": False, "key": "{tenant}/{uuid}/{name}"},
    "mine": {"overwrite": True, "owner": "subject"},
    "signs": {"overwrite": True, "clients": ["uppy-sign"], "size": {"min": 1, "max": 12_000_000}},
    "signs-once": {"overwrite": False, "clients": ["uppy-sign"]},
    "keys": {"overwrite": True, "clients": ["sts"]},
    "own-keys": {"overwrite": True, "clients": ["sts"], "key": "{tenant}/{subject}/{name}"},
    "idle": {"status": "suspended"},
    "slow": {"overwrite": True, "rate": {"per_second": 0.001, "burst": 2}},
    "pair-a": {"overwrite": True, "owner": "subject", "clients": ["uppy", "uppy-sign"]},
    "pair-b": {"overwrite": True, "owner": "subject", "clients": ["uppy", "uppy-sign"]},
    "sized": {"overwrite": True, "clients": []},
    "narrow": {"overwrite": True, "size": {"min": 10, "max": 11_000_000}, "types": {"text/plain": [".txt"]}},
    "plain": {"overwrite": True, "metadata": {"keys": ["caption"]}},
    "tight": {"overwrite": True, "quota": {"bytes": 20_000_000, "objects": 5}},
    "full": {"overwrite": True, "quota": {"bytes": 20_000_000, "objects": 2}},
}


def write_tenants(folder: Path) -> None:
    """The documents of the tests' tenants."""
    folder.mkdir(parents=True)
    for tenant, rules in TENANTS.items():
        (folder / f"{tenant}.json").write_text(json.dumps({**RULES, "tenant": tenant, **rules}))


class Gateway:
    """A running demo; answers are httpx responses, bodies JSON."""

    def __init__(self, data: Path, pid: int) -> None:
        self.pid = pid
        self.data = data
        self.demo: dict[str, Any] = json.loads((data / "demo.json").read_text())
        self.http = httpx.Client(base_url=self.demo["url"], timeout=60)
        self.s3 = httpx.Client(timeout=60)
        self.token = cache(self._token)

    def _token(self, tenant: str, subject: str) -> str:
        command = [str(COMMAND), "token", "--data", str(self.data), "--tenant", tenant, "--subject", subject]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def call(
        self, method: str, path: str, body: Any = None, *, tenant: str = "free", subject: str = "ann", **headers: str
    ) -> httpx.Response:
        """One call of the upload API."""
        sent = {"authorization": f"Bearer {self.token(tenant, subject)}", **headers}
        return self.http.request(method, path, json=body, headers=sent)

    def plan(self, size: int, *, tenant: str = "free", subject: str = "ann", **wanted: Any) -> dict[str, Any]:
        """A plan that must be granted."""
        body = {"name": "a.bin", "size": size, "content_type": "application/octet-stream", **wanted}
        answer = self.call("POST", "/uploads", body, tenant=tenant, subject=subject)
        assert answer.status_code == 201, answer.text
        plan: dict[str, Any] = answer.json()
        return plan

    def send(self, part: Mapping[str, Any], body: bytes) -> httpx.Response:
        """A part, as a client sends it."""
        return self.s3.put(part["url"], content=body, headers=part["headers"])

    def send_all(self, plan: Mapping[str, Any], body: bytes) -> list[dict[str, Any]]:
        """Every part; what complete is to be told."""
        done, at = [], 0
        for part in plan["parts"]:
            answer = self.send(part, body[at : at + part["size"]])
            assert answer.status_code == 200, answer.text
            done.append({"number": part["number"], "etag": answer.headers["etag"]})
            at += part["size"]
        return done

    def close(self) -> None:
        """Let the connections go."""
        self.http.close()
        self.s3.close()


def code(answer: httpx.Response) -> str:
    """The problem's code."""
    return str(answer.json()["type"]).rpartition(":")[2]


def pointers(answer: httpx.Response) -> list[str]:
    """What the problem points at."""
    return [fault["pointer"] for fault in answer.json()["errors"]]
