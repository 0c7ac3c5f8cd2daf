"""The audit of the real gateway: one line a decision and one for what became of it, with the id that the client saw."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.identity import mint_api_key
from gateway.tenants.audit import Head, verify
from gateway.tenants.stores import open_sqlite

COMMAND = Path(sys.executable).parent / "upload-gateway"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)
PART = 5_242_880

Line = dict[str, Any]

TENANTS: dict[str, dict[str, Any]] = {
    "parts": {"multipart": {"threshold": 6_000_000, "part_size": PART, "max_age": 3600}},
    "full": {"quota": {"bytes": 10, "objects": None}},
}


class Demo:
    """A running demo, and what its audit says."""

    def __init__(self, data: Path, process: "subprocess.Popen[str]") -> None:
        self.data = data
        self.process = process
        self.url = json.loads((data / "demo.json").read_text())["url"]
        self.token = self.made("--tenant", "acme")
        self.stores = open_sqlite(data / "gateway.sqlite")
        self.http = httpx.Client(base_url=self.url, timeout=60, headers={"authorization": f"Bearer {self.token}"})

    def made(self, *arguments: str) -> str:
        """A token of the demo's issuer."""
        command = [str(COMMAND), "token", "--data", str(self.data), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def put(self, path: str, headers: dict[str, str] | None = None, *, content: bytes = PNG) -> httpx.Response:
        """A PUT of a PNG, redirects not followed."""
        return self.http.put(path, content=content, headers={"content-type": "image/png", **(headers or {})})

    def lines(self, *, least: int = 0) -> list[Line]:
        """The chain, verified, once it has so many lines."""
        deadline = time.monotonic() + 20
        while True:
            lines = list(self.stores.audit.lines())
            assert isinstance(verify(lines), Head)
            if len(lines) >= least or time.monotonic() > deadline:
                return [json.loads(line) for line in lines]
            time.sleep(0.02)

    def about(self, answer: httpx.Response, count: int) -> list[Line]:
        """The lines of one request, once there are so many."""
        deadline = time.monotonic() + 20
        while True:
            found = [line for line in self.lines() if line.get("request_id") == answer.headers["x-request-id"]]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.02)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    data = tmp_path_factory.mktemp("audit")
    (data / "tenants").mkdir()
    for tenant, rules in TENANTS.items():
        document = {"version": 1, "tenant": tenant, "types": {"*/*": []}, "overwrite": True, **rules}
        (data / "tenants" / f"{tenant}.json").write_text(json.dumps(document))
    command = [str(COMMAND), "demo", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("curl "):
                break
        running = Demo(data, process)
        yield running
        running.http.close()
        process.send_signal(signal.SIGINT)
        process.stdout.read()


def outcomes(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line["action"], line["outcome"]) for line in lines]


def test_an_upload_leaves_two_lines(demo: Demo) -> None:
    """What was decided, and what became of it; both with the id that the client saw."""
    granted, stored = demo.about(demo.put("/proxy/a.png"), 2)

    assert outcomes([granted, stored]) == [("upload", "granted"), ("upload", "stored")]
    who = {"tenant": "acme", "subject": "demo-user", "backend": "proxy", "policy_version": 1}
    expected = {**who, "key": "acme/a.png", "bytes": len(PNG), "upload": granted["upload"]}
    for line in (granted, stored):
        assert expected.items() <= line.items()
        assert line["issuer"].startswith("http://")


@pytest.mark.parametrize("base", ["presigned", "edge", "files"])
def test_every_way_leaves_its_line(demo: Demo, base: str) -> None:
    """What becomes of a redirect's upload is found out later."""
    lines = demo.about(demo.put(f"/{base}/b.png"), 1)

    assert outcomes(lines[:1]) == [("upload", "granted")]
    assert {line["backend"] for line in lines} == {"edge" if base == "files" else base}


@pytest.mark.parametrize("base", ["proxy", "presigned", "edge", "files"])
@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("a.exe", {}, {"rule": "name-not-allowed", "name": "a.exe", "bytes": len(PNG)}),
        ("a%00.png", {}, {"rule": "name-invalid"}),
        ("a.png", {"content-type": "video/mp4"}, {"rule": "type-not-allowed", "name": "a.png"}),
        ("a.png", {"x-amz-acl": "public-read"}, {"rule": "header-not-allowed", "name": "a.png"}),
    ],
)
def test_a_refusal_says_its_rule(
    demo: Demo, base: str, path: str, headers: dict[str, str], expected: dict[str, Any]
) -> None:
    """One line, whichever rule and whichever way."""
    answer = demo.put(f"/{base}/{path}", headers)
    (line,) = demo.about(answer, 1)

    assert outcomes([line]) == [("upload", "refused")]
    assert expected.items() <= line.items()
    assert answer.json()["type"].endswith(line["rule"])


def test_refusals_after_the_rules_are_lines_too(demo: Demo) -> None:
    """Quota, and bytes that are not what was declared."""
    token = {"authorization": f"Bearer {demo.made('--tenant', 'full')}"}
    (full,) = demo.about(demo.put("/proxy/a.png", token), 1)
    granted, released = demo.about(demo.put("/proxy/c.png", content=b"no picture at all"), 2)

    assert (full["outcome"], full["rule"], full["key"]) == ("refused", "quota-exceeded", "full/a.png")
    assert [(line["outcome"], line.get("rule")) for line in (granted, released)] == [
        ("granted", None),
        ("released", "content-mismatch"),
    ]


def test_a_credential_of_no_tenant_is_known_all_the_same(demo: Demo) -> None:
    """Who it is stands in the line; strangers are counted, and no line names them."""
    token = {"authorization": f"Bearer {demo.made('--tenant', 'nobody', '--subject', 'eve')}"}
    (known,) = demo.about(demo.put("/proxy/a.png", token), 1)
    stranger = demo.put("/proxy/a.png", {"authorization": "Bearer x.y.z"})

    assert (known["subject"], known["rule"], known.get("tenant")) == ("eve", "tenant-unknown", None)
    assert demo.about(stranger, 0) == []


def test_uploads_that_are_planned_completed_and_given_up_are_lines(demo: Demo) -> None:
    """Under one id that says nothing to anybody; the sealed id is in no line."""
    token = {"authorization": f"Bearer {demo.made('--tenant', 'parts')}"}
    body = {"name": "big", "size": 2 * PART, "content_type": "a/b"}
    planned = demo.http.post("/uploads", json=body, headers=token)
    plan = planned.json()
    for part in plan["parts"]:
        httpx.put(part["url"], content=bytes(part["size"]), headers=part["headers"])
    again = demo.http.post(f"/uploads/{plan['id']}/parts", json={"numbers": [1, 2]}, headers=token)
    completed = demo.http.post(f"/uploads/{plan['id']}/complete", headers=token)
    other = demo.http.post("/uploads", json=body, headers=token).json()
    aborted = demo.http.delete(f"/uploads/{other['id']}", headers=token)

    lines = [demo.about(answer, 1)[0] for answer in (planned, again, completed, aborted)]
    assert outcomes(lines) == [
        ("upload.plan", "granted"),
        ("upload.parts", "granted"),
        ("upload.complete", "stored"),
        ("upload.abort", "aborted"),
    ]
    assert len({line["upload"] for line in lines[:3]}) == 1
    assert lines[1]["count"] == 2
    assert not any(plan["id"] in json.dumps(line) for line in demo.lines())


def test_calls_that_are_refused_before_anything_is_decided_are_lines(demo: Demo) -> None:
    """Somebody else's upload, a body that is none: who tried is known."""
    token = {"authorization": f"Bearer {demo.made('--tenant', 'parts')}"}
    plan = demo.http.post("/uploads", json={"name": "x", "size": 1, "content_type": "a/b"}, headers=token).json()
    foreign = demo.http.delete(f"/uploads/{plan['id']}")
    wrong = demo.http.post("/uploads", json={"name": 1})

    assert [
        (line["action"], line["rule"], line["tenant"]) for answer in (foreign, wrong) for line in demo.about(answer, 1)
    ] == [
        ("DELETE /uploads/{upload_id}", "upload-not-found", "acme"),
        ("POST /uploads", "request-invalid", "acme"),
    ]


def test_no_line_holds_a_credential(demo: Demo) -> None:
    """Neither a token nor a key nor a URL's signature, wherever a client put one; whatever the decision."""
    minted = mint_api_key(tenant="acme", name="k", scopes=("files:write",), now=time.time())
    demo.stores.keys.create(minted.record)
    secret = minted.text
    located = demo.put("/presigned/s.png").headers["location"]
    for way in ("proxy", "presigned", "edge", "files"):
        demo.put(f"/{way}/k.png", {"authorization": f"Bearer {secret}"})
        demo.put(f"/{way}/k.png", {"x-amz-meta-note": secret})
        demo.put(f"/{way}/k.png?token={demo.token}")
        demo.put(f"/{way}/k.png", {"x-amz-security-token": secret})
        demo.put(f"/{way}/k.png", {"cookie": f"token={demo.token}"})
    last = demo.put("/proxy/last.png")
    demo.about(last, 2)

    text = "\n".join(demo.stores.audit.lines())
    signature = httpx.URL(located).params["X-Amz-Signature"]
    pieces = [secret, secret.split("_")[2], demo.token, *demo.token.split("."), signature, "X-Amz-"]
    pieces += [base64.b64encode(piece.encode()).decode() for piece in (secret, demo.token)]
    assert [piece for piece in pieces if piece in text] == []


def test_a_kill_loses_the_last_batch_at_most_and_a_stop_nothing(demo: Demo) -> None:
    """The chain is whole after both, and goes on."""
    answers = [demo.put(f"/proxy/kill-{number}.png") for number in range(20)]
    time.sleep(0)  # no pause: the last lines may not be written yet
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait(10)

    lines = demo.lines()
    ids = {line.get("request_id") for line in lines}
    kept = [answer.headers["x-request-id"] in ids for answer in answers]
    assert kept == sorted(kept, reverse=True)
    assert kept.count(False) <= 20
    assert {"token-invalid"}.isdisjoint({line.get("rule") for line in lines if line["action"] != "call"})
