"""The upload API in this process, over a real S3 and a store that outlives a restart, by a clock of ours."""

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from gateway.admission import Admission
from gateway.allowance import Allowance, Caller
from gateway.identity.credential import Credential
from gateway.journal import Journal
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.model import Minted, Policy, Principal
from gateway.policy.problems import Code, Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.multipart import Multipart
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Answer, Timeouts, Upstream
from gateway.tenants.stores import Stores, open_sqlite
from presigner.access import opened, permitted
from presigner.bodies import CompletedPart, CompleteRequest, PartsRequest
from presigner.completion import Completer
from presigner.ending import end_expired
from presigner.idempotency import Replays
from presigner.life import Life, SignedParts
from presigner.planner import Planner
from presigner.plans import Wanted
from presigner.redirect import Presigner
from presigner.register import Register
from presigner.sealing import Sealer
from presigner.signing import PlanSigner
from presigner.upload import Upload

Result = TypeVar("Result")

SEALING_KEY = bytes(range(32))


async def at_once(call: Callable[[], Result]) -> Result:
    """An `Aside` that waits for nobody."""
    return call()


class Nobody:
    """Verifies nothing: callers are given."""

    def authenticate(self, presented: Credential) -> Principal | Refusal:
        """Nobody."""
        del presented
        return Refusal(code=Code.TOKEN_INVALID, detail="nobody")

    async def authenticate_async(self, presented: Credential) -> Principal | Refusal:
        """Nobody."""
        return self.authenticate(presented)

    def get(self, tenant: str) -> Policy | None:
        """No policy."""
        del tenant
        return None


def caller(policy: Policy, subject: str = "ann") -> Caller:
    """A subject of the tenant, who may upload."""
    who = Principal(tenant=policy.tenant, issuer="i", subject=subject, scopes=frozenset({"files:write"}))
    return Caller(principal=who, policy=policy, request_id="r")


class Bench:
    """One process of the gateway; `restart` makes another of what is kept: the bucket, the store, the sealing key."""

    def __init__(self, store: EmbeddedS3, place: Path) -> None:
        self.s3 = store
        self.place = place
        self.began = time.time()
        self.later = 0.0
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.start()

    def now(self) -> float:
        """This process's clock: it stands still unless the test moves it."""
        return self.began + self.later

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine."""
        return self.loop.run_until_complete(work)

    def start(self) -> None:
        """Everything anew."""
        self.upstream: Upstream = self.run(self.stack.enter_async_context(Upstream(timeouts=Timeouts())))
        endpoint = Endpoint.at(self.s3.endpoint, self.s3.bucket)
        signer = Signer(self.s3.identities.signer, self.s3.region)
        completer = Signer(self.s3.identities.completer, self.s3.region)
        self.stores: Stores = open_sqlite(self.place / "gateway.sqlite")
        journal = Journal(clock=self.now)
        self.storage = Multipart(upstream=self.upstream, endpoint=endpoint, signer=completer, clock=time.time)
        self.register = Register(uploads=self.stores.uploads, ledger=self.stores.ledger, aside=at_once, clock=self.now)
        self.sealer = Sealer([SEALING_KEY], secrets.token_bytes)
        allowance = Allowance(rates=self.stores.rates, ledger=self.stores.ledger, aside=at_once, clock=self.now)
        mint = lambda: Minted(at=self.now(), uuid=str(uuid.uuid4()))  # noqa: E731
        plan_signer = PlanSigner(endpoint=endpoint, signer=signer)
        self.planner = Planner(
            admission=Admission(Nobody(), Nobody(), mint, allowance, journal),
            presigner=Presigner(endpoint=endpoint, signer=signer, clock=self.now),
            signer=plan_signer,
            sealer=self.sealer,
            storage=self.storage,
            register=self.register,
            clock=self.now,
            new_id=lambda: secrets.token_hex(12),
        )
        self.life = Life(
            storage=self.storage,
            register=self.register,
            signer=plan_signer,
            sealer=self.sealer,
            clock=self.now,
            journal=journal,
        )
        self.completer = Completer(
            storage=self.storage,
            register=self.register,
            clock=self.now,
            journal=journal,
            replays=Replays(
                store=self.stores.idempotency, aside=at_once, clock=self.now, new_token=lambda: secrets.token_hex(8)
            ),
        )

    def restart(self) -> None:
        """Another process: nothing is left of this one but what it stored."""
        self.run(self.stack.aclose())
        self.stack = AsyncExitStack()
        self.start()

    def close(self) -> None:
        """Let everything go."""
        self.run(self.stack.aclose())
        self.loop.close()

    def plan(self, who: Caller, wanted: Wanted) -> dict[str, Any] | Refusal:
        """`POST /uploads`."""
        return self.run(self.planner.plan(who, wanted))

    def own(self, who: Caller, sealed: str) -> Upload | Refusal:
        """The upload, as every call begins."""
        return permitted(who) or opened(sealed, who, self.sealer, self.now())

    def urls(self, who: Caller, sealed: str, *numbers: int) -> SignedParts | Refusal:
        """`POST /uploads/{id}/parts`."""
        upload = self.own(who, sealed)
        if isinstance(upload, Refusal):
            return upload
        return self.run(self.life.urls(upload, who, PartsRequest(numbers=list(numbers))))

    def complete(
        self, who: Caller, sealed: str, claimed: list[CompletedPart] | None = None
    ) -> dict[str, Any] | Refusal:
        """`POST /uploads/{id}/complete`."""
        upload = self.own(who, sealed)
        if isinstance(upload, Refusal):
            return upload
        return self.run(self.completer.complete(upload, sealed, who, CompleteRequest(parts=claimed)))

    def abort(self, who: Caller, sealed: str) -> Refusal | None:
        """`DELETE /uploads/{id}`."""
        upload = self.own(who, sealed)
        return upload if isinstance(upload, Refusal) else self.run(self.life.abort(upload, sealed, who))

    def detail(self, who: Caller, sealed: str) -> dict[str, Any] | Refusal:
        """`GET /uploads/{id}`."""
        upload = self.own(who, sealed)
        return upload if isinstance(upload, Refusal) else self.run(self.life.detail(upload, sealed))

    def listed(self, who: Caller) -> set[str]:
        """The ids of `GET /uploads`, all pages."""
        found: set[str] = set()
        cursor: str | None = None
        while True:
            page = self.run(self.life.page(who, limit=3, cursor=cursor))
            assert not isinstance(page, Refusal)
            found |= {each["id"] for each in page["uploads"]}
            cursor = page["cursor"]
            if cursor is None:
                return found

    def sweep(self) -> None:
        """End what is over."""
        while self.run(end_expired(self.register, self.storage, self.sealer, Journal(clock=self.now))):
            pass

    def send(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        """A client's PUT to S3."""
        sent = (*(headers or {}).items(), ("content-length", str(len(body))))
        return self.run(self.upstream.ask("PUT", url, sent, body=body, most=65_536))
