"""An upload outlives the gateway: killed in the middle, its list lost, it still completes."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.presigner.gateway import COMMAND, PART, Gateway, write_tenants

BODY = bytes(range(256)) * (PART // 256) + b"the end"


@contextmanager
def running(data: Path) -> Iterator[Gateway]:
    """The demo on this directory, killed at the end."""
    with subprocess.Popen(
        [COMMAND, "demo", "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("curl "):
                break
        gateway = Gateway(data, process.pid)
        try:
            yield gateway
        finally:
            gateway.close()
            process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("lost", [False, True])
def test_an_upload_goes_on_after_a_kill(tmp_path: Path, *, lost: bool) -> None:
    """What S3 has is not sent again, and the other part goes by a fresh URL; with the list or without."""
    write_tenants(tmp_path / "tenants")
    with running(tmp_path) as gateway:
        plan = gateway.plan(len(BODY), tenant="once", name="killed.bin", strategy="multipart")
        gateway.send(plan["parts"][0], BODY[:PART]).raise_for_status()
    if lost:
        for path in tmp_path.glob("gateway.sqlite*"):
            path.unlink()

    with running(tmp_path) as gateway:
        there = gateway.call("GET", f"/uploads/{plan['id']}", tenant="once").json()
        listed = gateway.call("GET", "/uploads", tenant="once").json()["uploads"]
        fresh = gateway.call("POST", f"/uploads/{plan['id']}/parts", {"numbers": [2]}, tenant="once").json()
        gateway.send(fresh["parts"][0], BODY[PART:]).raise_for_status()
        done = gateway.call("POST", f"/uploads/{plan['id']}/complete", {}, tenant="once")
        again = gateway.call("POST", f"/uploads/{plan['id']}/complete", {}, tenant="once")

    assert ([part["number"] for part in there["parts"]], there["state"]) == ([1], "open"), json.dumps(there)
    assert [upload["id"] for upload in listed] == ([] if lost else [plan["id"]])
    assert (done.status_code, again.json()) == (200, done.json()), done.text
