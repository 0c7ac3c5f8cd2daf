"""A demo of several workers with tenants of a test's own, its bucket and its ledger: what clients did, S3 and usage.

Reservations live for a quarter of an hour and more, so that the end of their time is not waited for: they are settled
by the same function as in the gateway, with a clock that is far ahead.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from gateway.local.issuer import DevelopmentIssuer
from gateway.storage.sigv4 import Credentials
from gateway.tenants.expiry import settle_due
from gateway.tenants.ledger import Usage
from gateway.tenants.sqlite import Database
from gateway.tenants.stores import Stores, sqlite_stores
from tests.faults.bucket import Bucket

AHEAD: Final = 1_000_000.0
"""Seconds after which every reservation is due."""

TYPE: Final = {"content-type": "application/octet-stream"}

Result = TypeVar("Result")


@dataclass(slots=True, kw_only=True)
class Done:
    """What one client came to: a status or a problem's code for each step that it took."""

    steps: list[str]

    @property
    def last(self) -> str:
        """The last of them."""
        return self.steps[-1]


@dataclass(kw_only=True)
class Standing:
    """What there is to look at in a demo's directory; it outlives the demo's processes."""

    data: Path

    @cached_property
    def described(self) -> dict[str, Any]:
        """`demo.json`."""
        found: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return found

    @property
    def bucket(self) -> Bucket:
        """The bucket, with the operator's keys."""
        url = urlsplit(self.described["s3_endpoint"])
        who = Credentials(self.described["access_key"], self.described["secret_key"])
        place = {"host": url.netloc, "name": self.described["bucket"], "region": self.described["region"]}
        return Bucket(port=url.port or 80, who=who, **place)

    def tenant(self, name: str, **members: object) -> str:
        """Put a tenant in force that may upload anything but for what `members` say; a token for it."""
        document = {"version": 1, "tenant": name, "types": {"*/*": []}, "overwrite": True, **members}
        fresh = self.data / "tenants" / f"{name}.new"
        fresh.write_text(json.dumps(document))
        fresh.replace(fresh.with_suffix(".json"))
        return self.token(name)

    def token(self, tenant: str | None, *, admin: bool = False) -> str:
        """A token that outlives the test."""
        scope = "tenants:admin" if admin else "files:write"
        return DevelopmentIssuer.open(self.data).token(tenant=tenant, scope=scope, admin=admin, alg="EdDSA", ttl=86_400)

    @contextmanager
    def stores(self) -> Iterator[Stores]:
        """The gateway's stores, as one more process that uses them."""
        database = Database(self.data / "gateway.sqlite")
        try:
            yield sqlite_stores(database)
        finally:
            database.close()

    def stored(self, tenant: str) -> dict[str, int]:
        """What S3 has of the tenant: bytes by key."""
        return self.bucket.sizes(f"{tenant}/")

    def settled(self, tenant: str) -> Usage:
        """The tenant's usage when the time of all its reservations is over."""
        bucket = self.bucket

        async def look(key: str) -> int | None:
            return (await asyncio.to_thread(bucket.sizes, key)).get(key)

        async def at_once(call: Callable[[], Result]) -> Result:
            return call()

        async def settle(stores: Stores) -> None:
            clock = lambda: time.time() + AHEAD  # noqa: E731 - a clock
            while await settle_due(stores.ledger, look, at_once, clock=clock, tenant=tenant):
                pass

        with self.stores() as stores:
            asyncio.run(settle(stores))
            return stores.ledger.usage(tenant)

    def counted(self, tenant: str) -> dict[str, int]:
        """What the ledger has of the tenant: bytes by key."""
        with self.stores() as stores:
            page = stores.ledger.objects(tenant, limit=1_000)
            assert page.cursor is None
            return {each.key: each.bytes for each in page.items}


class Clients:
    """Uploads through each way in, one connection a client."""

    def __init__(self, url: str, token: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._bearer = {"authorization": f"Bearer {token}"}
        self._http = http

    async def upload(self, way: str, name: str, body: bytes) -> Done:
        """One upload, to its end or to the first refusal; a connection that breaks off is a step, too."""
        done = Done(steps=[])
        try:
            if way == "plan":
                await self._planned(done, name, body)
            elif way == "presigned":
                await self._redirected(done, name, body)
            else:
                headers = {**TYPE, **self._bearer}
                self._said(done, await self._http.put(f"{self._url}/{way}/{name}", content=body, headers=headers))
        except httpx.TransportError as error:
            done.steps.append(type(error).__name__)
        return done

    async def _planned(self, done: Done, name: str, body: bytes) -> None:
        asked = {"name": name, "size": len(body), "content_type": TYPE["content-type"], "strategy": "put"}
        plan = await self._http.post(f"{self._url}/uploads", json=asked, headers=self._bearer)
        if self._said(done, plan) != 201:
            return
        told = plan.json()
        sent = await self._http.put(told["url"], content=body, headers=told["headers"])
        if self._said(done, sent) == 200:
            completed = await self._http.post(f"{self._url}/uploads/{told['id']}/complete", headers=self._bearer)
            self._said(done, completed)

    async def _redirected(self, done: Done, name: str, body: bytes) -> None:
        headers = {**TYPE, **self._bearer, "content-length": str(len(body))}
        answer = await self._http.put(f"{self._url}/presigned/{name}", content=body, headers=headers)
        if self._said(done, answer) == 307:
            self._said(done, await self._http.put(answer.headers["location"], content=body, headers=TYPE))

    @staticmethod
    def _said(done: Done, answer: httpx.Response) -> int:
        problem = answer.headers.get("content-type") == "application/problem+json"
        done.steps.append(str(answer.json()["type"]).rpartition(":")[2] if problem else str(answer.status_code))
        return answer.status_code


def storm(url: str, token: str, wanted: list[tuple[str, str, bytes]]) -> Counter[str]:
    """All of these uploads (way, name, body) at once: how many came to what."""

    async def all_at_once() -> Counter[str]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(verify=False, limits=limits, timeout=60) as http:
            clients = Clients(url, token, http)
            return Counter(each.last for each in await asyncio.gather(*(clients.upload(*one) for one in wanted)))

    return asyncio.run(all_at_once())
