"""Every bound of a sized plan broken on purpose at the real S3: it refuses, and nothing is stored, on each strategy."""

import base64
import secrets
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.model import MetadataRule, Minted, Policy, TenantId
from gateway.policy.problems import Refusal
from presigner.plans import CreateUpload, wanted
from tests.presigner.bench_of_parts import Bench, caller

BODY = b"exactly these bytes"
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
WRONG = base64.b64encode(b"\0\0\0\0").decode()
POLICY = Policy(
    tenant=TenantId("bounds"),
    types={"*/*": ()},
    overwrite=True,
    metadata=MetadataRule(keys=("*",)),
    key="{tenant}/{name}",
)
ELSEWHERE, VICTIM = "bounds/elsewhere.bin", "victim/there.bin"
STRATEGIES = ("put", "post", "multipart")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request to S3 as the plan wants it: `fields` are those of a form, None for a PUT."""

    url: str
    body: bytes
    headers: dict[str, str]
    fields: dict[str, str] | None
    key: str

    def answer(self) -> httpx.Response:
        """S3's answer."""
        if self.fields is None:
            return httpx.put(self.url, content=self.body, headers=self.headers)
        return httpx.post(self.url, data=self.fields, files={"file": ("f", self.body)}, headers=self.headers)

    def with_said(self, name: str, value: str) -> "Sent":
        """The same with another header, or field of a form."""
        if self.fields is None:
            return replace(self, headers={**self.headers, name: value})
        return replace(self, fields={**self.fields, name: value})

    def with_url(self, old: str, new: str) -> "Sent":
        """The same to another URL."""
        assert old in self.url
        return replace(self, url=self.url.replace(old, new, 1))

    def with_key(self, key: str) -> "Sent":
        """The same for another key."""
        return self.with_url(self.key, key) if self.fields is None else self.with_said("key", key)

    def with_query(self, query: str) -> "Sent":
        """The same with something before its query."""
        return replace(self, url=self.url.replace("?", f"?{query}&", 1) if "?" in self.url else f"{self.url}?{query}")


@pytest.fixture
def bench(store: EmbeddedS3, tmp_path: Path) -> Iterator[Bench]:
    """A process of the gateway."""
    made = Bench(store, tmp_path)
    yield made
    made.close()


def planned(bench: Bench, strategy: str) -> tuple[Sent, str]:
    """A plan for `BODY` under a name of its own, what a client sends for it, and its id."""
    said: dict[str, Any] = {
        "name": f"{secrets.token_hex(6)}.bin",
        "size": len(BODY),
        "content_type": "text/plain",
        "strategy": strategy,
    }
    said["checksum"] = {"algorithm": "crc32", "value": CRC32}
    said["metadata"] = {"k": "v"}
    body = CreateUpload.model_validate(said)
    plan = bench.plan(caller(POLICY), wanted(body, POLICY, Minted(at=bench.now(), uuid="u")))
    assert not isinstance(plan, Refusal)
    plan = bench.run(bench.planner.whole(plan))
    part = plan["parts"][0] if strategy == "multipart" else plan
    sent = Sent(url=part["url"], body=BODY, headers=part["headers"], fields=plan["fields"], key=plan["key"])
    return sent, plan["id"]


BROKEN: dict[str, Callable[[Sent], Sent]] = {
    "longer": lambda sent: replace(sent, body=BODY + b"!"),
    "shorter": lambda sent: replace(sent, body=BODY[:-1]),
    "empty": lambda sent: replace(sent, body=b""),
    "other key": lambda sent: sent.with_key(ELSEWHERE),
    "other tenant": lambda sent: sent.with_key(VICTIM),
}
BESIDE: dict[str, Callable[[Sent], Sent]] = {
    "uploads": lambda sent: sent.with_query("uploads"),
    "acl": lambda sent: sent.with_query("acl"),
    "copy": lambda sent: replace(sent, headers={**sent.headers, "x-amz-copy-source": "/demo-objects/bounds/source"}),
}
WHOLE: dict[str, Callable[[Sent], Sent]] = {
    "other type": lambda sent: sent.with_said("content-type", "text/html"),
    "other checksum": lambda sent: sent.with_said("x-amz-checksum-crc32", WRONG),
    "other bytes": lambda sent: replace(sent, body=b"x" * len(BODY)),
    "other metadata": lambda sent: sent.with_said("x-amz-meta-k", "w"),
    "more metadata": lambda sent: sent.with_said("x-amz-meta-other", "w"),
}
OF_A_PART: dict[str, Callable[[Sent], Sent]] = {
    "other number": lambda sent: sent.with_url("partNumber=1", "partNumber=2"),
    "no number": lambda sent: sent.with_url("partNumber=1&", ""),
    "other upload": lambda sent: sent.with_url("uploadId=", "uploadId=0"),
}
CASES = [
    *((strategy, name, change) for strategy in STRATEGIES for name, change in BROKEN.items()),
    *((strategy, name, change) for strategy in ("put", "multipart") for name, change in BESIDE.items()),
    *((strategy, name, change) for strategy in ("put", "post") for name, change in WHOLE.items()),
    *(("multipart", name, change) for name, change in OF_A_PART.items()),
]


def held(bench: Bench, sealed: str) -> tuple[object, ...]:
    """What S3 holds of the upload, or beside it."""
    upload = bench.own(caller(POLICY), sealed)
    assert not isinstance(upload, Refusal)
    keys = (upload.key, ELSEWHERE, VICTIM)
    parts = bench.run(bench.storage.parts(upload.key, upload.upload_id)) if upload.upload_id else ()
    return (*(bench.run(bench.storage.look(key)) for key in keys), parts)


@pytest.mark.parametrize(("strategy", "name", "change"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_a_broken_bound_is_refused(bench: Bench, strategy: str, name: str, change: Callable[[Sent], Sent]) -> None:
    """And nothing is stored, neither there nor elsewhere."""
    sent, sealed = planned(bench, strategy)

    answer = change(sent).answer()

    assert answer.status_code >= 400, (name, answer.text)
    assert held(bench, sealed) == (None, None, None, ())


@pytest.mark.parametrize("name", BESIDE)
def test_what_a_form_says_beside_its_fields_means_nothing(bench: Bench, name: str) -> None:
    """No query and no header makes another operation of it: it is refused, or what was planned is stored."""
    sent, sealed = planned(bench, "post")

    answer = BESIDE[name](sent).answer()

    done = bench.complete(caller(POLICY), sealed)
    assert isinstance(done, dict) if answer.status_code == 201 else held(bench, sealed) == (None, None, None, ())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_late_request_is_refused(bench: Bench, strategy: str) -> None:
    """What was signed too long ago is worth nothing."""
    bench.later = -1000.0
    sent, sealed = planned(bench, strategy)
    bench.later = 0.0

    answer = sent.answer()

    assert (answer.status_code, "expired" in answer.text.lower() or "Policy" in answer.text) == (403, True), answer.text
    assert held(bench, sealed) == (None, None, None, ())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_was_planned_is_stored(bench: Bench, strategy: str) -> None:
    """So that it is the change that is refused, and not the request."""
    sent, sealed = planned(bench, strategy)

    answer = sent.answer()
    done = bench.complete(caller(POLICY), sealed)

    assert answer.status_code in {200, 201}, answer.text
    assert isinstance(done, dict), done
    assert (done["size"], done["key"]) == (len(BODY), sent.key)
