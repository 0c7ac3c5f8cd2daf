"""Whose `X-Forwarded-…` counts, and what of it."""

import asyncio
from typing import Any

import pytest

from gateway.asgi.forwarded import Forwarded, TrustedProxies
from gateway.asgi.wire import Receive, Scope, Send

TRUSTED = TrustedProxies.of(["10.0.0.0/8", "2001:db8::1"])


def seen(trusted: TrustedProxies, peer: str | None, *headers: tuple[str, str]) -> tuple[str | None, str]:
    """The client's address and the scheme that the application sees."""
    found: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(scope)

    scope: dict[str, Any] = {
        "client": None if peer is None else (peer, 5000),
        "scheme": "http",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    unused: Any = None
    asyncio.run(Forwarded(application, trusted)(scope, unused, unused))
    client = found[0]["client"]
    return (client[0] if client else None), found[0]["scheme"]


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        pytest.param("10.0.0.1", "192.0.2.7", "192.0.2.7", id="a-trusted-proxys-word"),
        pytest.param("192.0.2.1", "192.0.2.7", "192.0.2.1", id="a-strangers-word-is-nothing"),
        pytest.param("10.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7", id="what-the-client-itself-wrote-is-nothing"),
        pytest.param("10.0.0.1", "192.0.2.7, 10.1.1.1", "192.0.2.7", id="a-chain-of-trusted-proxies"),
        pytest.param("10.0.0.1", "10.2.2.2, 10.1.1.1", "10.2.2.2", id="all-trusted-the-first-is-the-client"),
        pytest.param("10.0.0.1", "192.0.2.7, unknown", "10.0.0.1", id="no-address-ends-the-chain"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="empty"),
        pytest.param("10.0.0.1", "192.0.2.7:443", "10.0.0.1", id="a-port-is-no-address"),
        pytest.param("2001:db8::1", "2001:db8::7", "2001:db8::7", id="ipv6"),
        pytest.param("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7", id="ipv4-on-a-dual-stack-socket"),
        pytest.param(None, "192.0.2.7", None, id="a-unix-socket-is-not-trusted-by-itself"),
    ],
)
def test_the_client_is_who_trusted_proxies_say(peer: str | None, said: str, client: str | None) -> None:
    """From the end of the list, as far as it can be believed."""
    assert seen(TRUSTED, peer, ("x-forwarded-for", said))[0] == client


def test_several_headers_are_one_list() -> None:
    """RFC 9110 section 5.3: in the order they came."""
    assert seen(TRUSTED, "10.0.0.1", ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7"))[0] == "192.0.2.7"


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [("10.0.0.1", "https", "https"), ("10.0.0.1", "http, HTTPS", "https"), ("10.0.0.1", "gopher", "http"),
     ("192.0.2.1", "https", "http")],
)  # fmt: skip
def test_the_scheme_is_the_nearest_trusted_proxys(peer: str, said: str, scheme: str) -> None:
    """And only a scheme that there is."""
    assert seen(TRUSTED, peer, ("x-forwarded-proto", said))[1] == scheme


def test_the_unix_sockets_clients_are_trusted_where_the_operator_says_so() -> None:
    """Whoever may open it is a proxy of this machine."""
    trusted = TrustedProxies.of(["unix"])

    assert seen(trusted, None, ("x-forwarded-for", "192.0.2.7"))[0] == "192.0.2.7"
    assert not TrustedProxies.of([])
