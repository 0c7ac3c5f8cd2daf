"""A real S3 for published documents, stores in SQLite, and a clock that the test moves."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.identity.errors import FetchError
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.model import IssuerRule
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.small import SmallObject, SmallObjects
from gateway.tenants.policies import Change
from gateway.tenants.published.issuer_keys import KeyTimes
from gateway.tenants.published.leasing import Sharing
from gateway.tenants.published.publisher import Publisher, PublisherSettings
from gateway.tenants.published.signing import Document, Ring, SigningPair, unseal
from gateway.tenants.published.source import TenantStates
from gateway.tenants.published.writer import DocumentWriter
from gateway.tenants.stores import Stores, open_sqlite
from tests.stores import local_dynamodb

PAIR = SigningPair.from_bytes("k1", bytes(range(32)))
RING = Ring({"k1": PAIR.public})
SHARED = IssuerRule(
    issuer="https://login.example", audience=("gw",), tenant_claim="tenant", jwks_uri="https://k.example/j"
)
LIFETIME = 3600.0


@dataclass(slots=True)
class Clock:
    """Seconds since the epoch, as the test says."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Issuers:
    """Documents of issuers by address; whatever is not there can't be fetched. `fetched` wakes who waits for one."""

    documents: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fetched: threading.Event = field(default_factory=threading.Event)

    def fetch(self, uri: str, deadline: float) -> bytes:
        del deadline
        self.asked.append(uri)
        try:
            if uri not in self.documents:
                raise FetchError(uri, "there is nothing")
            return self.documents[uri]
        finally:
            self.fetched.set()


class Crash(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Recorded:
    """S3 with a list of what was written; before the write number `crash_at` the process ends, or S3 is silent."""

    objects: SmallObjects
    prefix: str
    written: list[str] = field(default_factory=list)
    crash_at: int | None = None
    silent: bool = False

    def get(self, key: str, *, within: float) -> SmallObject | None:
        if self.silent:
            raise ConnectionError("S3 is silent")
        return self.objects.get(key, within=within)

    def put(self, key: str, body: bytes, *, replaces: str | None, within: float) -> str | None:
        if self.silent:
            raise ConnectionError("S3 is silent")
        if self.crash_at is not None and len(self.written) >= self.crash_at:
            raise Crash
        etag = self.objects.put(key, body, replaces=replaces, within=within)
        if etag is not None:
            self.written.append(key.removeprefix(self.prefix))
        return etag

    def document(self, name: str, ring: Ring = RING) -> Document | None:
        """The document as a reader believes it."""
        found = self.objects.get(self.prefix + name, within=5.0)
        return None if found is None else unseal(found.body, name, ring)


@dataclass(slots=True, kw_only=True)
class World:
    """One deployment: stores, S3, issuers, and publishers over them."""

    stores: Stores
    s3: Recorded
    clock: Clock
    issuers: Issuers
    parts: int = 2
    publishers: list[Publisher] = field(default_factory=list)

    def publisher(self, *, pair: SigningPair = PAIR, ring: Ring = RING, sharing: Sharing | None = None) -> Publisher:
        """A publisher that knows nothing yet, as after a start."""
        made = Publisher(
            TenantStates(self.stores.policies, self.stores.keys),
            DocumentWriter(self.s3, prefix=self.s3.prefix, pair=pair, ring=ring, lifetime=LIFETIME, clock=self.clock),
            shared=[SHARED],
            fetcher=self.issuers,
            clock=self.clock,
            settings=PublisherSettings(parts=self.parts),
            key_times=KeyTimes(every=300.0, stale_limit=3600.0),
            sharing=sharing,
        )
        self.publishers.append(made)
        return made

    def tenant(self, tenant: str, **members: object) -> str:
        """Create or replace the tenant; its etag."""
        document = {"version": 1, "tenant": tenant, "types": {"*/*": []}, **members}
        current = self.stores.policies.get(tenant)
        change = Change(at=self.clock(), by="test")
        if current is None:
            made = self.stores.policies.create(tenant, document, change)
        else:
            made = self.stores.policies.replace(tenant, current.etag, document, change)
        return made.etag  # type: ignore[union-attr]

    def delete(self, tenant: str) -> None:
        """End the tenant."""
        current = self.stores.policies.get(tenant)
        assert current is not None
        self.stores.policies.delete(tenant, current.etag, Change(at=self.clock(), by="test"))


def settle(publisher: Publisher, most: int = 20) -> None:
    """Let the publisher work until nothing waits."""
    for _ in range(most):
        publisher.step()
        if not publisher.is_behind:
            return
    raise AssertionError("the publisher is still behind")


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """A running DynamoDB Local; skips where there can be none."""
    if told := local_dynamodb.why_not():
        pytest.skip(told)
    with local_dynamodb.serving() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with EmbeddedS3(tmp_path_factory.mktemp("documents") / "s3") as started:
        yield started


@pytest.fixture
def objects(s3: EmbeddedS3) -> Iterator[SmallObjects]:
    import time

    signer = Signer(s3.identities.operator, s3.region)
    made = SmallObjects(endpoint=Endpoint.at(s3.endpoint, s3.bucket), signer=lambda: signer, clock=time.time)
    yield made
    made.close()


@pytest.fixture
def new_world(objects: SmallObjects, tmp_path: Path) -> Iterator[Callable[[], World]]:
    made: list[World] = []

    def make() -> World:
        number = len(made)
        folder = tmp_path / str(number)
        folder.mkdir()
        stores = open_sqlite(folder / "gateway.sqlite")
        prefix = f"{tmp_path.name}-{number}/"
        made.append(World(stores=stores, s3=Recorded(objects, prefix), clock=Clock(), issuers=Issuers()))
        return made[-1]

    yield make
    for each in made:
        for publisher in each.publishers:
            publisher._issuer_keys.close()


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()
