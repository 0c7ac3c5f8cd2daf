"""What is asked before an upload's own rules: the caller, the rate, and how much is unfinished already."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.model import QuotaRule
from gateway.tenants.ledger import Reservation
from presigner.register import ABORTED
from tests.presigner.gateway import Gateway, code
from tests.presigner.test_ending import Situation, run


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/uploads", {"name": 5}),
        ("POST", "/uploads", {"name": "a", "size": 1, "strategy": "post"}),
        ("GET", "/uploads?limit=x", None),
        ("POST", "/uploads/tickets", None),
        ("GET", "/uploads/x", None),
        ("POST", "/uploads/x/complete", {"parts": 1}),
        ("GET", "/s3/params", None),
        ("POST", "/s3/multipart", {}),
        ("GET", "/s3/multipart/x", None),
        ("POST", "/s3/sign", {}),
        ("GET", "/s3/sts", None),
    ],
)
def test_a_suspended_tenant_learns_nothing_else(gateway: Gateway, method: str, path: str, body: Any) -> None:
    """Whatever else is wrong with the call."""
    assert code(gateway.call(method, path, body, tenant="idle")) == "tenant-suspended"


def test_calls_about_an_upload_take_from_the_rate(gateway: Gateway) -> None:
    """What goes on with an upload is paced as what begins one is."""
    upload = gateway.plan(1, tenant="slow")
    calls = [
        gateway.call("GET", f"/uploads/{upload['id']}", tenant="slow"),
        gateway.call("POST", f"/uploads/{upload['id']}/complete", {}, tenant="slow"),
        gateway.call("GET", "/uploads", tenant="slow"),
        gateway.call("POST", "/uploads/tickets", tenant="slow"),
        gateway.call("DELETE", f"/uploads/{upload['id']}", tenant="slow"),
    ]

    assert calls[0].status_code == 200
    assert [(each.status_code, code(each)) for each in calls[1:]] == [(429, "rate-limited")] * 4
    assert all(int(each.headers["retry-after"]) > 0 for each in calls[1:])


@pytest.mark.parametrize(("ended", "crowded"), [(0, True), (1, False)])
def test_a_tenant_has_only_so_many_uploads_unfinished(
    store: EmbeddedS3, tmp_path: Path, ended: int, *, crowded: bool
) -> None:
    """Those that were ended don't count, nor do other tenants' or reservations of what has no parts."""

    async def scenario(situation: Situation) -> None:
        register = replace(situation.register, most_open=3)
        uploads = [await situation.begun(f"acme/{number}", life=3600) for number in range(3)]
        for upload in uploads[:ended]:
            await register.record(upload, upload.sealed(situation.sealer), ABORTED)
        for number in range(9):
            room = Reservation(id=str(number), tenant="acme", key=f"acme/{number}", bytes=1, expires_at=time.time())
            register.ledger.reserve(room, QuotaRule())

        assert await register.crowded("acme") is crowded
        assert not await register.crowded("globex")

    run(store, tmp_path, scenario)


def test_the_api_document_refers_to_nothing_that_is_not_there(gateway: Gateway) -> None:
    """Every `$ref` leads somewhere."""
    document = gateway.http.get("/openapi.json").json()
    text = json.dumps(document)
    for part in text.split('"$ref": "')[1:]:
        found = document
        for step in part.partition('"')[0].removeprefix("#/").split("/"):
            found = found[step]
    assert "/s3/multipart/{upload_id}/complete" in document["paths"]
