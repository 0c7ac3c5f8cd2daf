"""What is done beside answering, as Lambda functions: each with the event that its source sends, over a real S3."""

import io
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.functions.settings import LambdaSettingsError
from gateway.identity.errors import FetchError
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.model import QuotaRule
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.small import SmallObjects
from gateway.tenants.ledger import Reservation
from gateway.tenants.policies import Change
from gateway.tenants.published.signing import Ring, SigningPair, unseal
from gateway.tenants.stores import Stores
from gateway.upkeep import publisher, reconciler, sweeper
from gateway.upkeep.time_left import RESERVE, WITHOUT_CONTEXT, time_left
from presigner.lambda_settings import LambdaSettings

PAIR = SigningPair.from_bytes("k1", bytes(range(32)))

SCHEDULED = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
"""EventBridge User Guide, "Events from AWS services"; EventBridge Scheduler sends what its target's input says."""


class Context:
    """Lambda's context of a function that has a minute."""

    aws_request_id = "invocation"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def environment(s3: EmbeddedS3, **more: str) -> dict[str, str]:
    """What the template says, for this S3; the operator's credentials, which may look, list and abort."""
    operator = s3.identities.operator
    return {
        "AWS_REGION": s3.region,
        "UPLOAD_GATEWAY_S3__BUCKET": s3.bucket,
        "UPLOAD_GATEWAY_S3__ENDPOINT": s3.endpoint,
        "UPLOAD_GATEWAY_S3__COMPLETER__ACCESS_KEY": operator.access_key,
        "UPLOAD_GATEWAY_S3__COMPLETER__SECRET_KEY": operator.secret_key,
        "UPLOAD_GATEWAY_STORE__TABLE": "table",
        "UPLOAD_GATEWAY_SEALING__KEYS": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        **more,
    }


def put(s3: EmbeddedS3, key: str, body: bytes) -> None:
    """Put an object as somebody who may."""
    endpoint, signer = Endpoint.at(s3.endpoint, s3.bucket), Signer(s3.identities.operator, s3.region)
    objects = SmallObjects(endpoint=endpoint, signer=lambda: signer, clock=time.time)
    assert objects.put(key, body, replaces=None, within=30.0) is not None
    objects.close()


def reserved(stores: Stores, identifier: str, key: str) -> None:
    """Room that nobody ended, whose time is over."""
    reservation = Reservation(id=identifier, tenant="acme", key=key, bytes=9, expires_at=time.time() - 1)
    stores.ledger.reserve(reservation, QuotaRule())


def test_a_sweep_ends_what_is_due(s3: EmbeddedS3, stores: Stores) -> None:
    """By what S3 holds: an object is counted, room for nothing comes back; a second sweep finds nothing."""
    put(s3, "acme/there.txt", b"four")
    reserved(stores, "there", "acme/there.txt")
    reserved(stores, "gone", "acme/gone.txt")
    out = io.StringIO()
    sweep = sweeper.wired(LambdaSettings.from_environment(environment(s3)), stores=stores, out=out)

    assert sweep(SCHEDULED, Context()) == {"code": "ok", "reservations": 2, "uploads": 0}
    assert sweep(SCHEDULED, Context()) == {"code": "ok", "reservations": 0, "uploads": 0}
    usage = stores.ledger.usage("acme")
    assert (usage.bytes, usage.objects, usage.reserved_objects) == (4, 1, 0)
    assert [json.loads(line)["outcome"] for line in out.getvalue().splitlines()] == ["stored", "released"]


def test_a_sweep_that_gets_no_answer_fails(s3: EmbeddedS3, stores: Stores) -> None:
    """So Lambda tries again, and what never succeeds gets to the queue; nothing is ended unseen."""
    reserved(stores, "there", "acme/there.txt")
    silent = environment(s3, UPLOAD_GATEWAY_S3__ENDPOINT="http://127.0.0.1:1")
    sweep = sweeper.wired(LambdaSettings.from_environment(silent), stores=stores, out=io.StringIO())

    with pytest.raises(OSError, match=r"[Rr]efused"):
        sweep(SCHEDULED, Context())
    assert stores.ledger.usage("acme").reserved_objects == 1


def test_each_tenant_has_its_hour() -> None:
    """All of them once a day; another is the first every day."""
    tenants = [f"tenant-{number}" for number in range(200)]
    hours = [reconciler.turn(tenants, hour * 3600.0) for hour in range(24)]
    tomorrow = reconciler.turn(tenants, 86_400.0)

    assert sorted(tenant for hour in hours for tenant in hour) == sorted(tenants)
    assert sorted(tomorrow) == sorted(hours[0])
    assert tomorrow != hours[0]
    assert reconciler.turn([], 0.0) == []


def test_a_comparison_mends_the_count(s3: EmbeddedS3, stores: Stores) -> None:
    """What came by another way is counted when its tenant's hour comes, and then is as counted."""
    now = time.time()
    tenant = next(name for name in (f"globex-{number}" for number in range(1000)) if reconciler.turn([name], now))
    put(s3, f"{tenant}/a.txt", b"seven..")
    settings = LambdaSettings.from_environment(environment(s3))
    compare = reconciler.wired(settings, stores=stores, out=io.StringIO(), clock=lambda: now)
    first, second = compare(SCHEDULED, Context()), compare(SCHEDULED, Context())

    assert (first["code"], second["code"]) == ("ok", "ok")
    assert first["mended"] >= 1
    assert second["mended"] == 0
    assert stores.ledger.usage(tenant).bytes == 7


def test_a_comparison_without_time_says_so(s3: EmbeddedS3, stores: Stores) -> None:
    """It is no failure, and the alarm is about its code."""

    class Late(Context):
        def get_remaining_time_in_millis(self) -> int:
            return 0

    compare = reconciler.wired(LambdaSettings.from_environment(environment(s3)), stores=stores, out=io.StringIO())

    assert compare(SCHEDULED, Late())["code"] == "unfinished"


# The publisher.


class NoIssuers:
    """No issuer answers."""

    def fetch(self, uri: str, deadline: float) -> bytes:
        del deadline
        raise FetchError(uri, "there is nothing")


def records(*keys: tuple[str, str]) -> Mapping[str, Any]:
    """What DynamoDB's stream hands over (Lambda Developer Guide, "Example event" of DynamoDB), keys only."""
    return {
        "Records": [
            {
                "eventID": "1",
                "eventName": "MODIFY",
                "eventSource": "aws:dynamodb",
                "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}, "StreamViewType": "KEYS_ONLY"},
            }
            for pk, sk in keys
        ]
    }


@pytest.fixture
def documents(s3: EmbeddedS3) -> Iterator[SmallObjects]:
    """The bucket of documents."""
    signer = Signer(s3.identities.publisher, s3.region)
    objects = SmallObjects(endpoint=Endpoint.at(s3.endpoint, s3.documents), signer=lambda: signer, clock=time.time)
    yield objects
    objects.close()


def publishing(s3: EmbeddedS3, stores: Stores) -> Any:
    """The function."""
    writer = s3.identities.publisher
    variables = {
        "UPLOAD_GATEWAY_EDGE__BUCKET": s3.documents,
        "UPLOAD_GATEWAY_EDGE__ENDPOINT": s3.endpoint,
        "UPLOAD_GATEWAY_EDGE__KEY_ID": "k1",
        "UPLOAD_GATEWAY_EDGE__SIGNING_KEY__PARAMETER": "/stage/edge",
        "UPLOAD_GATEWAY_S3__PUBLISHER__ACCESS_KEY": writer.access_key,
        "UPLOAD_GATEWAY_S3__PUBLISHER__SECRET_KEY": writer.secret_key,
    }
    settings = publisher.PublisherFunctionSettings.from_environment(environment(s3, **variables))
    return publisher.wired(settings, stores=stores, pair=PAIR, fetcher=NoIssuers())


def test_a_change_is_published_when_the_stream_tells(s3: EmbeddedS3, stores: Stores, documents: SmallObjects) -> None:
    """A schedule publishes all; a record of a policy publishes its tenant, and one of a key its owner's."""
    publish = publishing(s3, stores)
    publish(SCHEDULED, Context())
    made = stores.policies.create("acme", {"version": 1, "tenant": "acme", "types": {"*/*": []}}, Change(at=0, by="t"))
    assert published(documents, "acme") is None

    told = publish(records(("policy#acme", "now"), ("keys#acme", "k"), ("key#k", "key")), Context())

    assert told == {"code": "ok", "told": 1}
    assert published(documents, "acme") is not None
    assert made is not None


def published(documents: SmallObjects, tenant: str) -> Mapping[str, Any] | None:
    """The tenant's document as an edge believes it."""
    from gateway.tenants.published.contents import tenant_name

    found = documents.get(tenant_name(tenant), within=30.0)
    return None if found is None else unseal(found.body, tenant_name(tenant), Ring({"k1": PAIR.public})).content


def test_documents_that_can_not_be_written_are_a_failure(s3: EmbeddedS3, stores: Stores) -> None:
    """The stream keeps the records and Lambda tries again."""

    class Short(Context):
        def get_remaining_time_in_millis(self) -> int:
            return int(RESERVE * 1000)

    publish = publishing(s3, _broken(stores))

    with pytest.raises(OSError, match="documents wait"):
        publish(SCHEDULED, Short())


def _broken(stores: Stores) -> Stores:
    """The stores, whose policies nobody can read."""
    from dataclasses import replace

    from gateway.tenants.errors import StoreUnavailableError

    class Silent:
        def __getattr__(self, name: str) -> Any:
            def verb(*_: object, **__: object) -> Any:
                raise StoreUnavailableError("the test says so")

            return verb

    return replace(stores, policies=Silent())


@pytest.mark.parametrize("event", [None, [], {}, SCHEDULED, {"Records": []}])
def test_an_event_without_records_tells_of_nobody(event: object) -> None:
    """A schedule's event is whatever its target's input says."""
    assert list(publisher.changed_tenants(event)) == []


def test_a_signing_key_that_is_none_is_not_repeated() -> None:
    """Neither its text nor its bytes."""
    with pytest.raises(OSError, match=r"^the signing key is not 32 bytes in base64$"):
        publisher.signing_pair("k1", "c2VjcmV0")
    with pytest.raises(LambdaSettingsError, match="EDGE__KEY_ID is required"):
        publisher.PublisherFunctionSettings.from_environment({"AWS_REGION": "eu-central-1"})


def test_the_time_that_is_left_is_lambdas() -> None:
    """With a reserve for an orderly end."""
    assert time_left(Context()) == 60 - RESERVE
    assert time_left(None) == WITHOUT_CONTEXT
