"""What `upload-gateway doctor` says of the edge's documents: all is well, or what a function could not use."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.doctor.edge import examined
from gateway.doctor.findings import Status
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.server.deployment import EdgeDocuments
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.tenants.published.signing import SigningPair
from gateway.tenants.published.source import TenantStates
from tests.published.conftest import LIFETIME, PAIR, World, settle

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
OTHER = SigningPair.from_bytes("k2", bytes(32))


def look(world: World, s3: EmbeddedS3, pair: SigningPair = PAIR) -> dict[str, tuple[Status, str]]:
    place = EdgeDocuments(
        endpoint=Endpoint.at(s3.endpoint, s3.bucket),
        writer=Signer(s3.identities.operator, s3.region),
        pair=pair,
        believed={},
        prefix=world.s3.prefix,
        lifetime=LIFETIME,
    )
    states = TenantStates(world.stores.policies, world.stores.keys)
    return {each.check: (each.status, each.says) for each in examined(place, states, world.clock)}


@pytest.fixture
def published(world: World) -> World:
    world.tenant("acme")
    settle(world.publisher())
    return world


def test_documents_that_a_function_can_use_are_well(published: World, s3: EmbeddedS3) -> None:
    """And every check is on its page."""
    found = look(published, s3)

    assert {status for status, _ in found.values()} == {Status.OK}
    assert all(f"`{check}`" in PAGE.read_text() for check in found)


def old(world: World) -> None:
    world.clock.now += LIFETIME * 0.8


def over(world: World) -> None:
    world.clock.now += LIFETIME


def behind(world: World) -> None:
    world.tenant("acme", status="suspended")


def absent(world: World) -> None:
    world.tenant("globex")


def garbage(world: World) -> None:
    key = f"{world.s3.prefix}tenants/acme"
    found = world.s3.objects.get(key, within=5.0)
    assert found is not None
    world.s3.objects.put(key, b"garbage", replaces=found.etag, within=5.0)


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        (old, "edge-documents", (Status.WARN, "should have been replaced")),
        (over, "edge-documents", (Status.FAIL, "its time is over")),
        (behind, "edge-documents-tenants", (Status.WARN, "acme: version 1 is published")),
        (absent, "edge-documents-tenants", (Status.WARN, "globex: it is not there")),
        (garbage, "edge-documents-tenants", (Status.WARN, "acme: it has no signature")),
    ],
)
def test_what_a_function_could_not_use_is_said(
    published: World, s3: EmbeddedS3, change: Callable[[World], None], check: str, said: tuple[Status, str]
) -> None:
    """In a sentence."""
    change(published)

    status, says = look(published, s3)[check]

    assert status is said[0]
    assert said[1] in says


def test_a_key_that_does_not_sign_is_said(published: World, s3: EmbeddedS3) -> None:
    """The settings' key is what the package believes."""
    assert look(published, s3, OTHER)["edge-documents"][0] is Status.FAIL


def test_nothing_published_is_said(world: World, s3: EmbeddedS3) -> None:
    """No publisher ever ran."""
    assert look(world, s3)["edge-documents"] == (
        Status.FAIL,
        "An edge function would refuse everybody: of the root, it is not there.",
    )
