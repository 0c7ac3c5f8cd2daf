"""Who the client is when a proxy stands in front: what trusted proxies say, and nobody else.

`X-Forwarded-For` is read from its end, where the nearest proxy wrote: the first address that is no trusted proxy's is
the client. `X-Forwarded-Proto` counts as the nearest one wrote it. Both headers stay in the request as they are; from
an untrusted peer they mean nothing.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from gateway.asgi.direct import Answer, Direct
from gateway.asgi.wire import Application, Receive, Scope, Send

UNIX: Final = "unix"
"""Among trusted proxies: whoever connects to a Unix socket."""

_FOR: Final = b"x-forwarded-for"
_PROTO: Final = b"x-forwarded-proto"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxies:
    """Networks whose word counts; `unix` for the Unix socket's clients."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Of addresses, networks and `unix`; anything else is a `ValueError`."""
        named = tuple(entries)
        networks = tuple(ipaddress.ip_network(entry) for entry in named if entry != UNIX)
        return cls(networks=networks, unix=UNIX in named)

    def __bool__(self) -> bool:
        return self.unix or bool(self.networks)

    def trusts(self, address: str | None) -> bool:
        """Whether this peer is a trusted proxy; None is one on the Unix socket."""
        if address is None:
            return self.unix
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self.networks)

    def client(self, peer: str | None, said: str) -> str | None:
        """The client's address by what the header says, as far as it can be believed."""
        client = peer
        for entry in reversed(said.split(",")):
            if not self.trusts(client):
                break
            parsed = _address(entry.strip())
            if parsed is None:
                break
            client = str(parsed)
        return client


class Forwarded:
    """Puts the client's address and scheme into the scope of a request that came through a trusted proxy (ASGI)."""

    def __init__(self, application: Application, trusted: TrustedProxies) -> None:
        self._application = application
        self._trusted = trusted

    def direct(self, raw_path: bytes) -> Answer | None:
        """What the application answers directly; nothing of it asks who the client is."""
        return self._application.direct(raw_path) if isinstance(self._application, Direct) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        peer = scope["client"][0] if scope.get("client") else None
        if self._trusted.trusts(peer):
            scope = self._seen_through(scope, peer)
        await self._application(scope, receive, send)

    def _seen_through(self, scope: Scope, peer: str | None) -> Scope:
        said = [value.decode("latin-1") for name, value in scope["headers"] if name == _FOR]
        protos = [value for name, value in scope["headers"] if name == _PROTO]
        seen = {**scope}
        if said:
            client = self._trusted.client(peer, ",".join(said))
            seen["client"] = scope["client"] if client == peer else (client, 0)
        if protos:
            nearest = protos[-1].rpartition(b",")[2].strip().lower()
            seen["scheme"] = nearest.decode("ascii") if nearest in (b"http", b"https") else scope["scheme"]
        return seen


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, ipaddress.IPv6Address) else parsed
