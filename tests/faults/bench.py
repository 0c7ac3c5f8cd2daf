"""The gateway as it is deployed on one machine, in this process, with a fault proxy before a real S3.

`in_gateway` runs one scenario and holds what must be so after any fault: the next upload works on both backends that
carry bytes, the bucket holds what was confirmed and nothing partial, and no task, thread, socket, file or child is
left.
"""

import asyncio
import gc
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from edge_auth.handler import make_handler
from gateway.admission import Admission
from gateway.asgi.wire import Application
from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache, JwksTimes
from gateway.identity.testing import LocalIssuer
from gateway.identity.testing import Signer as TokenSigner
from gateway.local.cloudfront import Distribution
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.policy.document import parse
from gateway.policy.model import Backend, IssuerRule, Policy
from gateway.proxy.forward import Integrity
from gateway.server.carriages import Limits, carriages
from gateway.server.composition import BASES, Parts, compose, request_id
from gateway.server.http1 import HttpLimits, Server, new_event_loop
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.demo_documents import demo_documents
from presigner.sealing import KEY_BYTES, Sealer
from tests.faults.bucket import Bucket
from tests.faults.client import PATIENCE, Answer, Client
from tests.faults.tcp import TASKS, FaultProxy, through
from tests.processes import children

CARRIERS: Final = ("proxy", "edge")
"""The backends through which the bytes go."""

PATIENT: Final = Timeouts(connect=PATIENCE, stall=PATIENCE, answer=PATIENCE)
"""For faults that the gateway must notice without a clock."""

STALL: Final = Timeouts(connect=PATIENCE, stall=0.3, answer=PATIENCE)
ANSWER: Final = Timeouts(connect=PATIENCE, stall=PATIENCE, answer=0.3)
"""For faults that only a clock can tell: one deadline is short, the other far away."""


@dataclass(slots=True, kw_only=True)
class Clock:
    """The machine's clock, and how far the gateway's is from it, in seconds."""

    wrong_by: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.wrong_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a scenario changes of the deployment."""

    timeouts: Timeouts = PATIENT
    connections: int = 64
    limits: HttpLimits | None = None
    jwks: JwksTimes | None = None


class Tenants:
    """The demo's two tenants."""

    def __init__(self) -> None:
        self._policies: dict[str, Policy] = {}
        for document in demo_documents():
            policy = parse(document)
            assert isinstance(policy, Policy)
            self._policies[policy.tenant] = policy

    def get(self, tenant: str) -> Policy | None:
        """The tenant's policy."""
        return self._policies.get(tenant)


@dataclass(slots=True, kw_only=True)
class Bench:
    """A running gateway, what stands around it, and what its clients were told."""

    place: str
    store: EmbeddedS3
    bucket: Bucket
    faults: FaultProxy
    server: Server
    issuer: LocalIssuer
    other_issuer: LocalIssuer
    token_signer: TokenSigner
    clock: Clock
    stored: dict[str, bytes] = field(default_factory=dict)
    """What must be in the bucket, by key."""
    perhaps: dict[str, bytes] = field(default_factory=dict)
    """What may be there, whole: it was all sent, and nobody confirmed it."""

    def token(self, *, tenant: str = "acme", **claims: object) -> str:
        """A token that is good by the machine's own clock, but for `claims`."""
        now = int(time.time())
        good = {"iss": self.issuer.url, "aud": "gateway", "sub": "someone", "tenant": tenant, "scope": "files:write"}
        return self.token_signer.token({**good, "iat": now, "exp": now + 600, **claims})

    def headers(self, length: int, *, token: str | None = None, **more: str) -> dict[str, str]:
        """The head's fields of an upload of `length` bytes."""
        fields = {"content-type": "application/octet-stream", "content-length": str(length)}
        return {"authorization": f"Bearer {token or self.token()}", **fields, **more}

    def target(self, backend: str, name: str) -> str:
        """Where a name of this scenario is PUT."""
        return f"/{backend}/{self.place}/{name}"

    def key(self, name: str, tenant: str = "acme") -> str:
        """The key of a name of this scenario."""
        return f"{tenant}/{self.place}/{name}"

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection to the gateway."""
        client = await Client.connect(self.server.port)
        try:
            yield client
        finally:
            await client.close()

    async def put(
        self, backend: str, name: str, body: bytes, *, token: str | None = None, **more: str
    ) -> Answer | None:
        """Upload a body whole; a 200 is remembered as a promise."""
        async with self.client() as client:
            await client.head(self.target(backend, name), self.headers(len(body), token=token, **more))
            sending = asyncio.ensure_future(client.side.send(body))
            answer = await client.answer()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        if answer is not None and answer.status == 200:
            self.stored[self.key(name)] = body
        return answer

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that another part of the machine does."""
        async with asyncio.timeout(PATIENCE):
            while not true():  # noqa: ASYNC110 - the kernel and other threads set no event
                await asyncio.sleep(0.005)

    async def look(self) -> None:
        """The bucket holds what was confirmed, whole, and nothing that was not sent whole."""
        keys = await asyncio.to_thread(self.bucket.keys, f"acme/{self.place}/")
        found = {key: await asyncio.to_thread(self.bucket.get, key) for key in keys}
        unconfirmed = {key: body for key, body in self.perhaps.items() if key in found and key not in self.stored}
        assert found.keys() == {**self.stored, **unconfirmed}.keys()
        assert all(found[key] == body for key, body in {**unconfirmed, **self.stored}.items())


def bucket_of(store: EmbeddedS3) -> Bucket:
    """The bucket of an embedded S3, as its operator sees it."""
    return Bucket(
        port=store.port or 0,
        host=f"{store.host}:{store.port}",
        name=store.bucket,
        region=store.region,
        who=store.identities.operator,
    )


Scenario = Callable[[Bench], Awaitable[None]]


def in_gateway(store: EmbeddedS3, signer: TokenSigner, place: str, scenario: Scenario, setting: Setting) -> None:
    """Run a scenario under names of its own (`place`), and hold what must be so after it."""
    with nothing_left(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_run(store, signer, place, scenario, setting))


async def _run(store: EmbeddedS3, signer: TokenSigner, place: str, scenario: Scenario, setting: Setting) -> None:
    async with _bench(store, signer, place, setting) as bench:
        own = asyncio.all_tasks()
        await scenario(bench)
        bench.faults.fault = through
        bench.clock.wrong_by = 0.0
        for backend in CARRIERS:
            await _next_upload(bench, backend)
        await bench.look()
        await bench.until(lambda: bench.server.connections == 0)
        gc.collect()
        await bench.until(lambda: all(task.get_name() == TASKS for task in asyncio.all_tasks() - own))


async def _next_upload(bench: Bench, backend: str) -> None:
    """It is taken. The scenario's short deadline holds for it, too; a busy machine may miss that: then again."""
    name, body = f"after-{backend}", b"the next upload"
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await bench.put(backend, name, body)
            assert answer is not None, backend
            if answer.status != 503:
                break
            bench.perhaps[bench.key(name)] = body
    assert answer.status == 200, (backend, answer)


@asynccontextmanager
async def _bench(store: EmbeddedS3, signer: TokenSigner, place: str, setting: Setting) -> AsyncIterator[Bench]:
    clock = Clock()
    with LocalIssuer(signer) as issuer, LocalIssuer(signer) as other:
        async with (
            FaultProxy(store.port or 0) as faults,
            Upstream(timeouts=setting.timeouts, connections=setting.connections) as upstream,
        ):
            rules = [
                IssuerRule(issuer=each.url, audience=("gateway",), jwks_uri=each.jwks_uri, tenant_claim="tenant")
                for each in (issuer, other)
            ]
            cache = JwksCache(fetcher=HttpsFetcher(allow_private=True), times=setting.jwks, clock=clock)
            authenticator = Authenticator(rules, jwks_cache=cache, clock=clock)
            application = _compose(store, authenticator, upstream, faults.port, clock)
            server = Server(application, limits=setting.limits)
            await server.start()
            try:
                yield Bench(
                    place=place,
                    store=store,
                    bucket=bucket_of(store),
                    faults=faults,
                    server=server,
                    issuer=issuer,
                    other_issuer=other,
                    token_signer=signer,
                    clock=clock,
                )
            finally:
                await server.stop(0.2)


def _compose(
    store: EmbeddedS3, authenticator: Authenticator, upstream: Upstream, port: int, clock: Clock
) -> Application:
    """As `upload-gateway demo` composes, but for the issuer, the clock and S3's port."""
    endpoint = Endpoint.at(f"http://127.0.0.1:{port}", store.bucket)
    signer = Signer(store.signer, store.region)

    def edge(admission: Admission) -> Application:
        carriage = carriages(Limits.NONE)[Backend.EDGE]
        return Distribution(
            handler=make_handler(admission, base=BASES[Backend.EDGE], carriage=carriage),
            origin=endpoint,
            access_control=signer,
            upstream=upstream,
            clock=clock,
            request_ids=request_id,
        )

    return compose(
        Parts(
            authenticator=authenticator,
            policies=Tenants(),
            endpoint=endpoint,
            signer=signer,
            upstream=upstream,
            sealer=Sealer([bytes(KEY_BYTES)], os.urandom),
            limits=Limits.NONE,
            edge=edge,
            checks={},
            integrity=Integrity.ALL,
            clock=clock,
        )
    )


@contextmanager
def nothing_left() -> Iterator[None]:
    """Hold that threads, descriptors and children are the same afterwards."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(asyncio.sleep(0))  # the first loop of a process opens descriptors that stay (libuv's signal pipe)
    gc.collect()
    before = census()
    yield
    deadline = time.monotonic() + PATIENCE
    gc.collect()
    while (after := census()) != before and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread of an answer that nobody waits for any more may be ending
    left = [f"{name}: {before[name]} before, {after[name]} after" for name in before if before[name] != after[name]]
    assert not left, "\n".join(left)


def census() -> dict[str, object]:
    """What this process holds: its threads, open descriptors (what each one is), and children."""
    return {
        "threads": sorted(str(thread.ident) for thread in threading.enumerate()),
        "descriptors": sorted(_descriptors()),
        "children": len(children("self")),
    }


def _descriptors() -> Iterator[str]:
    """What each open descriptor is, without the numbers that differ from one to the next."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a path object would not do it with one descriptor
        with suppress(FileNotFoundError):
            yield re.sub(r"[0-9]+", "N", os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115
