"""The admin API of the real demo: a change is in force on every backend when its answer is there, and stays."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.admin.bench import BASE, MERGE_PATCH
from tests.admin.demo import Demo, demo

BACKENDS = ("proxy", "presigned", "edge", "files")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for the tests that leave it as it was."""
    with demo(tmp_path_factory.mktemp("admin") / "data") as made:
        yield made


def outcomes(client: httpx.Client, name: str) -> list[str]:
    """What each backend and the upload API say to one upload: a status, or a problem's code."""
    headers = {"content-type": "text/plain"}
    answers = [client.put(f"/{backend}/{backend}-{name}", content=b"hello", headers=headers) for backend in BACKENDS]
    answers.append(client.post("/uploads", json={"name": name, "size": 5, "content_type": "text/plain"}))
    return [_outcome(answer) for answer in answers]


def _outcome(answer: httpx.Response) -> str:
    body: dict[str, Any] = answer.json() if answer.status_code >= 400 else {}
    return str(body.get("type", answer.status_code)).rpartition(":")[2]


def patched(operator: httpx.Client, tenant: str, patch: dict[str, Any]) -> None:
    etag = operator.get(f"{BASE}/{tenant}").headers["etag"]
    answer = operator.patch(
        f"{BASE}/{tenant}", content=json.dumps(patch), headers={"if-match": etag, "content-type": MERGE_PATCH}
    )
    assert answer.status_code == 200, answer.text


def test_a_change_is_in_force_everywhere_at_once(running: Demo) -> None:
    """Suspended, limited, back: each next request through each way meets the new document."""
    with (
        running.client(running.token("--admin")) as operator,
        running.client(running.token("--tenant", "acme")) as acme,
    ):
        before = outcomes(acme, "a.txt")
        patched(operator, "acme", {"status": "suspended"})
        suspended = outcomes(acme, "b.txt")
        patched(operator, "acme", {"status": None, "size": {"max": 4}})
        limited = outcomes(acme, "c.txt")
        patched(operator, "acme", {"size": None})
        after = outcomes(acme, "d.txt")

    assert before == after == ["200", "307", "200", "200", "201"]
    assert suspended == ["tenant-suspended"] * 5
    assert limited == ["size-exceeds-limit"] * 5


def test_a_key_opens_every_backend_until_it_is_revoked(running: Demo) -> None:
    """Made, used, narrowed to its prefix, revoked; and it opens nothing of the operator's."""
    with running.client(running.token("--admin")) as operator:
        wanted = {"name": "scanner", "scopes": ["files:write"], "name_prefix": "edge-"}
        key = operator.post(f"{BASE}/acme/keys", json=wanted).json()
        with running.client(key["secret"]) as device:
            used = outcomes(device, "k.txt")
            admin = _outcome(device.get(BASE))
            operator.delete(f"{BASE}/acme/keys/{key['id']}")
            revoked = outcomes(device, "k.txt")

    assert used == ["name-not-allowed", "name-not-allowed", "200", "name-not-allowed", "name-not-allowed"]
    assert admin == "token-invalid"
    assert revoked == ["token-invalid"] * 5


def test_what_was_decided_is_what_a_dry_run_tries(running: Demo) -> None:
    """The uploads that the demo took are tried again under the new document."""
    with (
        running.client(running.token("--admin")) as operator,
        running.client(running.token("--tenant", "acme")) as acme,
    ):
        acme.put("/proxy/dry.txt", content=b"hello", headers={"content-type": "text/plain"})
        document = {**operator.get(f"{BASE}/acme").json(), "types": {"image/*": []}}
        tried = operator.put(f"{BASE}/acme?dry_run=true", json=document).json()
        again = outcomes(acme, "e.txt")

    assert ("dry.txt", "type-not-allowed") in {
        (each["name"], each["would_be"].get("code")) for each in tried["differing"]
    }
    assert again == ["200", "307", "200", "200", "201"]


def test_a_keys_last_use_outlives_a_restart(tmp_path: Path) -> None:
    """It is written beside the requests, and at the end what was not written yet."""
    data = tmp_path / "data"
    with demo(data) as first, first.client(first.token("--admin")) as operator:
        key = operator.post(f"{BASE}/acme/keys", json={"name": "scanner", "scopes": ["files:write"]}).json()
        with first.client(key["secret"]) as device:
            device.put("/proxy/a.txt", content=b"hello", headers={"content-type": "text/plain"})
    with demo(data) as second, second.client(second.token("--admin")) as operator:
        seen = operator.get(f"{BASE}/acme/keys").json()["keys"][0]["last_used_at"]

    assert key["last_used_at"] is None
    assert seen is not None


def test_tenants_outlive_a_restart_and_a_deleted_one_stays_deleted(tmp_path: Path) -> None:
    """The demo's two are there on the first start only; files stand over the store."""
    data = tmp_path / "data"
    with demo(data) as first, first.client(first.token("--admin")) as operator:
        listed = [each["tenant"] for each in operator.get(BASE).json()["tenants"]]
        etag = operator.get(f"{BASE}/acme").headers["etag"]
        operator.delete(f"{BASE}/acme", headers={"if-match": etag})
        operator.put(f"{BASE}/initech", json={"version": 1, "tenant": "initech"})
    (data / "tenants" / "globex.json").write_text(json.dumps({"version": 1, "tenant": "globex", "url_lifetime": 60}))
    with demo(data) as second, second.client(second.token("--admin")) as operator:
        kept = {each["tenant"]: each["url_lifetime"] for each in operator.get(BASE).json()["tenants"]}

    assert listed == ["acme", "globex"]
    assert kept == {"globex": 60, "initech": 900}
