"""The admin API in this process: real tokens of real issuers, a real store, and a clock that is moved by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.asgi.request_id import WithRequestId
from gateway.identity.apikeys import mint_api_key
from gateway.identity.authenticate import Authenticator
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.identity.testing import LocalIssuer, Signer
from gateway.policy.model import IssuerRule
from gateway.server.admin import AdminSettings, admin_parts, admin_routes
from gateway.server.carriages import Limits, carriages
from gateway.server.opened import in_one_transaction
from gateway.tenants.aside import Threads
from gateway.tenants.cache import CacheRules, PolicyCache
from gateway.tenants.folder import TenantFolder
from gateway.tenants.layered import LayeredPolicies
from gateway.tenants.replay import RecentDecisions
from gateway.tenants.service import plainly
from gateway.tenants.sqlite import Database
from gateway.tenants.stores import Stores, sqlite_stores
from presigner.application import create_application

NOW = 1_800_000_000.0
BASE = "/admin/tenants"
MERGE_PATCH = "application/merge-patch+json"


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a test needs of the gateway: the application, its stores, and whoever signs tokens."""

    api: FastAPI
    application: WithRequestId
    place: Path
    database: Database
    stores: Stores
    policies: LayeredPolicies
    recent: RecentDecisions
    clock: Clock
    files: Path
    operators: LocalIssuer
    tenants: LocalIssuer
    key: Signer

    def operator(self, **changes: Any) -> str:
        """A token of the operators' issuer."""
        claims = {"iss": self.operators.url, "aud": "upload-gateway-admin", "sub": "ada", "scope": "tenants:admin"}
        return self._token({**claims, **changes})

    def caller(self, tenant: str = "acme", **changes: Any) -> str:
        """A token of the issuer that speaks for tenants."""
        claims = {"iss": self.tenants.url, "aud": "upload-gateway", "sub": "joe", "scope": "files:write"}
        return self._token({**claims, "tenant": tenant, **changes})

    def api_key(self, tenant: str = "acme", scopes: tuple[str, ...] = ("files:write",)) -> str:
        """A key that the store knows."""
        minted = mint_api_key(tenant=tenant, name="k", scopes=scopes, now=self.clock.now)
        self.stores.keys.create(minted.record)
        return minted.text

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client with an operator's token, or this one."""
        bearer = self.operator() if token is None else token
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application),
            base_url="http://gateway.test",
            headers={"authorization": f"Bearer {bearer}", **headers} if bearer else headers,
        )

    def _token(self, claims: dict[str, Any]) -> str:
        claims = {"iat": int(self.clock.now), "exp": int(self.clock.now) + 3600, **claims}
        return self.key.token({name: value for name, value in claims.items() if value is not None})


@contextmanager
def bench(
    place: Path, key: Signer, *, allow_private_issuers: bool = False, distributed: Stores | None = None
) -> Iterator[Bench]:
    """The admin API over an empty store in `place` (or these, which have no transactions) and an empty folder."""
    clock, files = Clock(), place / "tenants"
    files.mkdir()
    database = Database(place / "gateway.sqlite")
    stores, aside = distributed or sqlite_stores(database), Threads(4)
    recent = RecentDecisions(stores.decisions)
    folder = TenantFolder(files, allow_private_issuers=True, lifetime=0, clock=clock)
    with LocalIssuer(key) as operators, LocalIssuer(key) as tenants:
        operator_rule = _rule(operators, "upload-gateway-admin", None)
        rules = CacheRules(lifetime=0, stale_limit=0)
        cache = PolicyCache(stores.policies, clock=clock, rules=rules, allow_private_issuers=allow_private_issuers)
        policies = LayeredPolicies(folder, cache)
        settings = AdminSettings(
            carriages=carriages(Limits.NONE),
            allow_private_issuers=allow_private_issuers,
            tenant_issuers=[_rule(tenants, "upload-gateway", "tenant")],
            operator_issuers=[operator_rule],
            directory=policies,
            clock=clock,
            last_decisions=recent.last,
            kept=folder,
            together=plainly if distributed else in_one_transaction(database),
        )
        authenticator = Authenticator(
            [operator_rule], jwks_cache=JwksCache(fetcher=HttpsFetcher(allow_private=True)), clock=clock
        )
        api = create_application(
            [admin_routes(admin_parts(stores, settings, authenticator=authenticator, aside=aside))]
        )
        yield Bench(
            api=api,
            application=WithRequestId(api, lambda _: "request-1"),
            place=place,
            database=database,
            stores=stores,
            policies=policies,
            recent=recent,
            clock=clock,
            files=files,
            operators=operators,
            tenants=tenants,
            key=key,
        )
    recent.close()
    aside.close()
    database.close()


def _rule(issuer: LocalIssuer, audience: str, tenant_claim: str | None) -> IssuerRule:
    return IssuerRule(issuer=issuer.url, audience=(audience,), jwks_uri=issuer.jwks_uri, tenant_claim=tenant_claim)


def document(tenant: str = "acme", **members: Any) -> dict[str, Any]:
    """A document that is right."""
    return {"version": 1, "tenant": tenant, "types": {"image/png": [".png"]}, **members}


def code(answer: httpx.Response) -> str:
    """The problem's code, held to what every problem of ours has."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (body["status"], body["instance"]) == (answer.status_code, answer.headers["x-request-id"])
    return str(body["type"]).rpartition(":")[2]


def pointers(answer: httpx.Response) -> list[str]:
    """Where a `request-invalid` says that faults are."""
    assert code(answer) == "request-invalid", answer.text
    return sorted(error["pointer"] for error in answer.json()["errors"])


async def created(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    """Create a tenant; its etag, quotes included."""
    answer = await client.put(f"{BASE}/{body['tenant']}", json=body, headers={"if-none-match": "*"})
    assert answer.status_code == 201, answer.text
    return answer.headers["etag"]
