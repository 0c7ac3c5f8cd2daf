"""`upload-gateway serve` over DynamoDB Local: two gateways of two workers each hold one quota together."""

import uuid
from pathlib import Path

import httpx
import pytest

from tests.stores import local_dynamodb
from tests.stores.places import DynamoPlace
from tests.workers.running import Ground, serving
from tests.workers.standing import storm

pytestmark = pytest.mark.xdist_group("dynamodb")

PLACES = 10
EACH = 12


def test_gateways_on_one_table_are_one_gateway(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one stored counts for the other, and what an operator changes at one holds at both within the lifetime."""
    if told := local_dynamodb.why_not():
        pytest.skip(told)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with local_dynamodb.serving() as endpoint:
        place = DynamoPlace(endpoint, f"serve-{uuid.uuid4().hex}")
        place.table().create()
        store = {"kind": "dynamodb", "table": place.name, "region": "eu-central-1", "endpoint": endpoint}
        environment = ground.environment(
            **{f"STORE__{name.upper()}": value for name, value in store.items()},
            WORKERS="2",
            TENANTS__FOLDER=str(_empty(ground.folder)),
            TENANTS__POLICY_LIFETIME="0",
        )
        del environment["UPLOAD_GATEWAY_STORE__PATH"]
        with serving(environment) as one, serving(environment) as other:
            document = {"version": 1, "tenant": "acme", "types": {"*/*": []}, "quota": {"objects": PLACES}}
            operator = {"authorization": f"Bearer {ground.token(admin=True)}", "if-none-match": "*"}
            made = httpx.put(f"{one.url}/admin/tenants/acme", json=document, headers=operator)
            outcomes = [
                storm(gateway.url, ground.token(), [("proxy", f"{at}-{number}", b"x") for number in range(EACH)])
                for at, gateway in enumerate((one, other))
            ]
            ready = httpx.get(f"{other.url}/readyz").json()

    assert made.status_code == 201, made.text
    assert ready["status"] == "ready"
    assert outcomes[0] == {"200": PLACES, "quota-exceeded": EACH - PLACES}
    assert outcomes[1] == {"quota-exceeded": EACH}


def _empty(folder: Path) -> Path:
    """A folder without documents."""
    (folder / "none").mkdir()
    return folder / "none"
