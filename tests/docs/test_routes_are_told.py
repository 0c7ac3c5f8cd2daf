"""Every call of the upload API and of the clients that exist is in the reference."""

import secrets
import time
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from gateway.admission import Admission
from gateway.policy.model import Minted
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Credentials, Signer
from gateway.storage.upstream import Timeouts, Upstream
from presigner.composition import PresignerParts, api_routes
from presigner.sealing import Sealer
from tests.presigner.bench_of_parts import Nobody

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
TOLD = "".join((REFERENCE / page).read_text(encoding="utf-8") for page in ("uploads.md", "clients.md"))


def calls() -> list[str]:
    """The calls, written as the pages write them."""
    signer = Signer(Credentials("AK", "SK"), "eu-central-1")
    parts = PresignerParts(
        admission=Admission(Nobody(), Nobody(), lambda: Minted(at=time.time(), uuid="u")),
        endpoint=Endpoint.at("http://localhost:1", "bucket"),
        signer=signer,
        upstream=Upstream(timeouts=Timeouts()),
        sealer=Sealer([bytes(32)], secrets.token_bytes),
        clock=time.time,
        completer=signer,
    )
    routes = [route for router in api_routes(parts) for route in router.routes if isinstance(route, APIRoute)]
    return sorted(f"{method} {_written(route.path)}" for route in routes for method in route.methods or ())


def _written(path: str) -> str:
    name = "{uploadId}" if path.startswith("/s3/") else "{id}"
    return path.replace("{upload_id}", name).replace("{part_number}", "{partNumber}")


@pytest.mark.parametrize("call", calls())
def test_a_call_is_told_of(call: str) -> None:
    """Its method and its path, as a user would look for them."""
    assert f"`{call}`" in TOLD or f"`{call}?" in TOLD or f"`{call} " in TOLD
