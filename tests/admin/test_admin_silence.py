"""Issuers that lead inside: what may not be reached is not spoken to, however a name is resolved and redirected."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from gateway.identity.authenticate import Authenticator, Credential
from gateway.identity.fetch import HttpsFetcher
from gateway.identity.jwks import JwksCache
from gateway.identity.testing import Answer, LocalIssuer, Signer
from gateway.policy.problems import Code, Refusal
from tests.admin.bench import BASE, Bench, code, created, document

PUBLIC = "8.8.8.8"
"""What the resolver says first; nothing is ever sent there, because connecting fails here."""

INSIDE = [
    "127.0.0.1", "127.0.0.2", "10.0.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "0.0.0.0",
    "192.0.0.192", "::1", "::", "::ffff:127.0.0.1", "fe80::1", "fec0::1", "fd00:ec2::254", "64:ff9b::7f00:1",
    "2002:7f00:1::",
]  # fmt: skip


class Network:
    """A resolver that gives one answer after another, and sockets that reach nothing but what they must not."""

    def __init__(self, answers: Sequence[Sequence[str]], port: int) -> None:
        self.answers, self.port = list(answers), port
        self.asked = 0
        self.connected: list[str] = []

    def resolve(self, _host: str, _port: int, **_: object) -> list[Any]:
        addresses = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, self.port))
            for each in addresses
        ]

    def connect(self, address: tuple[Any, ...]) -> None:
        self.connected.append(address[0])
        raise ConnectionRefusedError


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Something inside that listens, and is never spoken to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener
        with pytest.raises(BlockingIOError):
            listener.accept()


def asked(issuer: str, key: Signer, rules: Bench, fetcher: HttpsFetcher) -> Refusal:
    """What a token of this issuer comes to."""
    now = int(rules.clock.now)
    token = key.token({"iss": issuer, "aud": "a", "sub": "eve", "iat": now, "exp": now + 600})
    cache = JwksCache(fetcher=fetcher)
    authenticator = Authenticator([], directory=rules.policies, jwks_cache=cache, clock=rules.clock)
    outcome = authenticator.authenticate(Credential(value=token, is_api_key=False))
    assert isinstance(outcome, Refusal)
    return outcome


def named(made: Bench, **issuer: Any) -> None:
    """Let the tenant name this issuer, which its document may."""

    async def go() -> None:
        async with made.client() as client:
            await created(client, document(issuers=[{"audience": ["a"], **issuer}]))

    asyncio.run(go())


@pytest.mark.parametrize("where", ["discovery", "jwks_uri"])
def test_a_name_that_leads_inside_is_not_followed(
    admin: Bench, signing_key: Signer, silent: socket.socket, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """At once, beside a public address, or at the second look: no connection goes to it."""
    port = silent.getsockname()[1]
    host = f"https://id.example.com:{port}"
    named(admin, issuer=host, **({"jwks_uri": f"{host}/keys"} if where == "jwks_uri" else {}))
    for address in INSIDE:
        ways = ([[address]], [[PUBLIC, address]], [[PUBLIC], [address]])
        for answers, connected in zip(ways, ([], [], [PUBLIC]), strict=True):
            network = Network(answers, port)
            with monkeypatch.context() as patched:
                patched.setattr(socket, "getaddrinfo", network.resolve)
                patched.setattr(socket.socket, "connect", network.connect)
                outcome = asked(host, signing_key, admin, HttpsFetcher())

            assert outcome.code in (Code.IDENTITY_UNAVAILABLE, Code.TOKEN_INVALID), address
            assert address not in outcome.detail
            assert network.asked == len(answers)
            assert network.connected == connected, address


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_inside_is_not_followed(
    private_admin: Bench, signing_key: Signer, silent: socket.socket, status: int
) -> None:
    """Not even where the operator allows private issuers: a redirect is no document."""
    target = f"http://127.0.0.1:{silent.getsockname()[1]}/keys"
    path = "/.well-known/openid-configuration"
    with LocalIssuer(signing_key) as issuer:
        issuer.answers[path] = Answer(b"", status, (("location", target),))
        named(private_admin, issuer=issuer.url)
        outcome = asked(issuer.url, signing_key, private_admin, HttpsFetcher(allow_private=True))

    assert outcome.code in (Code.IDENTITY_UNAVAILABLE, Code.TOKEN_INVALID)
    assert issuer.requests == [path]


def test_documents_that_name_what_listens_inside_reach_nobody(admin: Bench, silent: socket.socket) -> None:
    """Issuers, keys and webhooks, saved and tried: all refused, and nothing was asked."""
    port = silent.getsockname()[1]
    hosts = [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
    ]

    bodies = [
        body
        for url in (f"https://{host}:{port}/" for host in hosts)
        for body in (
            document(issuers=[{"issuer": url, "audience": ["a"]}]),
            document(issuers=[{"issuer": "https://id.example.com", "audience": ["a"], "jwks_uri": url}]),
            document(webhooks=[url]),
        )
    ]

    async def go() -> list[httpx.Response]:
        async with admin.client() as client:
            return [
                await client.put(f"{BASE}/acme{query}", json=body) for body in bodies for query in ("", "?dry_run=true")
            ]

    assert {code(answer) for answer in asyncio.run(go())} == {"request-invalid"}
