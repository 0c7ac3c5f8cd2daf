"""An edge function over scripted documents: S3 as a table, two clocks, an issuer that signs tokens."""

import base64
import copy
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_auth.assembly import Clocks, assemble, throttles_near
from edge_auth.handler import Handler
from edge_auth.settings import Settings
from edge_auth.throttle import Throttles
from gateway.identity.apikeys import ApiKeyRecord
from gateway.identity.source import JwksSource
from gateway.identity.testing import ec_signer
from gateway.policy.model import IssuerRule, Policy, TenantId
from gateway.storage.sigv4 import Credentials
from gateway.storage.small import SmallObject
from gateway.tenants.published.contents import (
    IndexPart,
    Share,
    part_content,
    part_name,
    part_of,
    public_keys,
    root_content,
    tenant_content,
    tenant_name,
)
from gateway.tenants.published.signing import Document, SigningPair, seal

PAIR = SigningPair.from_bytes("k1", bytes(range(32)))
FORGER = SigningPair("k1", SigningPair.from_bytes("k1", bytes(32)).private)
START = 1_800_000_000.0
LIFETIME = 3600.0
KEY = ec_signer("one")
OWN_KEY = ec_signer("two")
SHARED = IssuerRule(
    issuer="https://login.example", audience=("gw",), tenant_claim="tenant", jwks_uri="https://l.example/j"
)
OWN = IssuerRule(issuer="https://id.acme.example", audience=("gw",), jwks_uri="https://id.acme.example/j")

EVENT: dict[str, Any] = {
    "Records": [
        {
            "cf": {
                "config": {"eventType": "viewer-request", "requestId": "id-1"},
                "request": {
                    "clientIp": "203.0.113.178",
                    "method": "PUT",
                    "uri": "/edge/a%20b.png",
                    "querystring": "",
                    "headers": {
                        "host": [{"key": "Host", "value": "d1.cloudfront.net"}],
                        "content-length": [{"key": "Content-Length", "value": "5"}],
                        "content-type": [{"key": "Content-Type", "value": "image/png"}],
                    },
                },
            }
        }
    ]
}


@dataclass(slots=True)
class Bucket:
    """Objects by key; `fault` answers instead of S3 where it is set. `asked` are the keys of all GETs."""

    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fault: Callable[[str], SmallObject | None] | None = None

    def get(self, key: str, *, within: float) -> SmallObject | None:
        del within
        self.asked.append(key)
        if self.fault is not None:
            return self.fault(key)
        body = self.objects.get(key)
        return None if body is None else SmallObject(body, '"e"')


@dataclass(slots=True, kw_only=True)
class Edge:
    """A function, the bucket it reads, and the clocks that it goes by."""

    bucket: Bucket = field(default_factory=Bucket)
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)
    wall: float = START
    mono: float = 0.0
    budget: float = 3.0
    throttle: dict[str, Any] = field(default_factory=dict)
    handler: Handler = field(init=False)
    throttles: Throttles | None = field(init=False)
    answer: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        settings = Settings.read(
            {
                "public_keys": {"k1": base64.urlsafe_b64encode(PAIR.public).decode().rstrip("=")},
                "documents": {"buckets": {"us-east-1": "documents"}, "region": "us-east-1"},
                "origins": ["https://app.example"],
                "budget": self.budget,
                "throttle": self.throttle,
            }
        )
        clocks = Clocks(wall=lambda: self.wall, monotonic=lambda: self.mono)
        self.throttles = throttles_near(settings, "us-east-1", lambda: Credentials("local", "local"), clocks)
        self.handler = assemble(settings, self.bucket, clocks, self.throttles)

    def advance(self, seconds: float) -> None:
        """Let time go by, by both clocks."""
        self.wall += seconds
        self.mono += seconds

    def put(
        self, name: str, content: dict[str, Any], *, pair: SigningPair = PAIR, version: int = 1, at: float | None = None
    ) -> bytes:
        """Publish a document that is good for an hour from `at`."""
        self.contents[name] = content
        issued = self.wall if at is None else at
        document = Document(name=name, version=version, issued_at=issued, not_after=issued + LIFETIME, content=content)
        self.bucket.objects[name] = seal(document, pair)
        return self.bucket.objects[name]

    def publish(self, *, version: int = 1, status: str = "active", api_keys: tuple[ApiKeyRecord, ...] = ()) -> None:
        """Everything there is: the operator's issuer, the tenant `acme` with one of its own, the index."""
        source = JwksSource(SHARED.issuer, SHARED.jwks_uri)
        self.put("root", root_content([SHARED], {source: public_keys([KEY.jwk])}, 2), version=version)
        self.put_acme(version=version, status=status, api_keys=api_keys)
        for number in range(2):
            part = IndexPart(
                issuers={OWN.issuer: ("acme",)} if part_of(OWN.issuer, 2) == number else {},
                api_keys={record.id: "acme" for record in api_keys if part_of(record.id, 2) == number},
            )
            self.put(part_name(number, 2), part_content(part), version=version)

    def again(self, name: str, *, pair: SigningPair = PAIR, version: int = 9, at: float | None = None) -> bytes:
        """Publish a document once more, as it was last said."""
        return self.put(name, self.contents[name], pair=pair, version=version, at=at)

    def put_acme(
        self,
        *,
        version: int = 1,
        status: str = "active",
        api_keys: tuple[ApiKeyRecord, ...] = (),
        pair: SigningPair = PAIR,
        at: float | None = None,
    ) -> bytes:
        """The document of `acme`."""
        return self.put(tenant_name("acme"), acme(status, api_keys), pair=pair, version=version, at=at)

    def limit(self, share: Share | None = None, *, version: int = 2, **limits: Any) -> None:
        """Publish `acme` with a rate or a quota, and with a share of them."""
        policy = Policy(tenant=TenantId("acme"), types={"*/*": ()}, issuers=(OWN,), **limits)
        keys = {JwksSource(OWN.issuer, OWN.jwks_uri): public_keys([OWN_KEY.jwk])}
        self.put(tenant_name("acme"), tenant_content(policy, version, keys, (), share), version=version)

    def ask(self, token: str | None = None, **changes: Any) -> tuple[int, str]:
        """The verdict on one PUT: 200 and the URI that goes on, or the status and the problem's code."""
        event = copy.deepcopy(EVENT)
        request = event["Records"][0]["cf"]["request"]
        request["headers"]["authorization"] = [{"value": f"Bearer {self.token() if token is None else token}"}]
        request.update(changes)
        self.answer = self.handler(event, None)
        if "status" not in self.answer:
            return 200, self.answer["uri"]
        return int(self.answer["status"]), json.loads(self.answer["body"])["type"].rpartition(":")[2]

    def wait(self) -> int:
        """The seconds after which the last answer says that one may come again."""
        return int(self.answer["headers"]["retry-after"][0]["value"])

    def token(self, **claims: Any) -> str:
        """A token of the operator's issuer for `acme`, good now by the function's clock."""
        standing = {"iss": SHARED.issuer, "aud": "gw", "sub": "s", "scope": "files:write", "tenant": "acme"}
        return KEY.token({**standing, "exp": self.wall + 600, **claims})

    def own_token(self, **claims: Any) -> str:
        """A token of acme's own issuer."""
        standing = {"iss": OWN.issuer, "aud": "gw", "sub": "s", "scope": "files:write"}
        return OWN_KEY.token({**standing, "exp": self.wall + 600, **claims})


def acme(status: str = "active", api_keys: tuple[ApiKeyRecord, ...] = ()) -> dict[str, Any]:
    """The content of acme's document."""
    policy = Policy(tenant=TenantId("acme"), status=status, types={"*/*": ()}, issuers=(OWN,))
    keys = {JwksSource(OWN.issuer, OWN.jwks_uri): public_keys([OWN_KEY.jwk])}
    return tenant_content(policy, 1, keys, api_keys)


def hanging(release: threading.Event, name: str, bucket: Bucket) -> Callable[[str], SmallObject | None]:
    """An S3 that does not answer about one document before it is released."""

    def fault(key: str) -> SmallObject | None:
        if key != name:
            return SmallObject(bucket.objects[key], '"e"')
        release.wait(30)
        raise TimeoutError

    return fault
