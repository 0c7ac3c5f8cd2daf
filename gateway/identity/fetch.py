"""One small HTTPS GET, with everything about it bounded: address, time, bytes, redirects (none).

The name is resolved once, every address is judged, and the connection goes to an address that was judged, so that a
second answer of the resolver can't lead elsewhere. One deadline covers resolving, connecting, the handshake, headers
and body. The environment's proxies are not read.
"""

import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

from gateway.bounded import BoundedSocket
from gateway.identity.errors import FetchError, NonRetryableFetchError
from gateway.policy.addresses import metadata_address, public_address

MAX_BYTES: Final = 1_048_576
"""Of a body. Large providers' key sets are under 20 KB."""

DEADLINE: Final = 3.0
"""Seconds for a whole fetch, its retry included: aws-jwt-verify's response time-out."""

_HEAD_ALLOWANCE: Final = 65_536
_HEADERS: Final = (
    "Accept: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\nUser-Agent: upload-gateway"
)


class Fetcher(Protocol):
    """Where documents of issuers come from."""

    def fetch(self, uri: str, deadline: float) -> bytes:
        """The body of a 200 answer within `deadline` seconds, or `FetchError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsFetcher:
    """The fetcher that goes to the network; it blocks for as long as its caller says.

    `allow_private` admits `http` and addresses that are not global, for issuers on one's own machine or network;
    link-local addresses, where clouds keep their metadata, are never admitted. `tls` is made on first use if None.
    """

    max_bytes: int = MAX_BYTES
    allow_private: bool = False
    tls: Any = None
    monotonic: Callable[[], float] = time.monotonic

    def fetch(self, uri: str, deadline: float = DEADLINE) -> bytes:
        """The body of a 200 answer to GET, or `FetchError`; tried again once, at once, where that may help."""
        url = check_uri(uri, allow_private=self.allow_private)
        until = self.monotonic() + deadline
        try:
            return self._attempt(uri, url, until)
        except NonRetryableFetchError:
            raise
        except FetchError:
            return self._attempt(uri, url, until)

    def _attempt(self, uri: str, url: SplitResult, until: float) -> bytes:
        try:
            connection = self._connect(uri, url, until)
            with connection:
                return self._exchange(uri, url, connection, until)
        except TimeoutError:
            raise FetchError(uri, "time-out") from None
        except (OSError, HTTPException, ValueError) as error:
            raise FetchError(uri, type(error).__name__) from None

    def _connect(self, uri: str, url: SplitResult, until: float) -> socket.socket:
        addresses = self._resolve(uri, url)
        failure: OSError = OSError("no address")
        for family, address in addresses[:3]:
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(self._left(until) / 2)
                connection.connect(address)
                return self._secure(url, connection, until)
            except OSError as error:
                connection.close()
                failure = error
        raise failure

    def _resolve(self, uri: str, url: SplitResult) -> list[tuple[int, Any]]:
        port = url.port or (443 if url.scheme == "https" else 80)
        answers = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)
        for answer in answers:
            if not address_allowed(str(answer[4][0]), allow_private=self.allow_private):
                raise NonRetryableFetchError(uri, "its address is not a public one")
        return [(answer[0], answer[4]) for answer in answers]

    def _secure(self, url: SplitResult, connection: socket.socket, until: float) -> socket.socket:
        if url.scheme != "https":
            return connection
        import ssl  # noqa: PLC0415 - a verifier whose keys are all cached never needs it

        tls = self.tls or ssl.create_default_context()
        connection.settimeout(self._left(until))
        secured: socket.socket = tls.wrap_socket(connection, server_hostname=url.hostname)
        return secured

    def _exchange(self, uri: str, url: SplitResult, connection: socket.socket, until: float) -> bytes:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        host = url.netloc
        connection.settimeout(self._left(until))
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{_HEADERS}\r\n\r\n".encode("ascii"))
        bounded = BoundedSocket(connection, self.max_bytes + _HEAD_ALLOWANCE, lambda: self._left(until))
        response = HTTPResponse(bounded, method="GET")  # type: ignore[arg-type]
        response.begin()
        if response.status != 200:
            raise NonRetryableFetchError(uri, f"Status code is {response.status}, expected 200")
        body = response.read(self.max_bytes + 1)
        if len(body) > self.max_bytes:
            raise NonRetryableFetchError(uri, f"the document is longer than {self.max_bytes} bytes")
        if response.length:
            raise FetchError(uri, "the document ended early")
        return body

    def _left(self, until: float) -> float:
        left = until - self.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def check_uri(uri: str, *, allow_private: bool) -> SplitResult:
    """The parts of an address that may be fetched, or `NonRetryableFetchError`.

    `https` only, or `http` too with `allow_private`; no user information, no fragment, printable ASCII only.
    """
    if not uri.isascii() or not uri.isprintable() or any(mark in uri for mark in ' "<>\\^`{|}'):
        raise NonRetryableFetchError("the address", "it is not a valid URL")
    try:
        url = urlsplit(uri)
        usable = bool(url.hostname) and "@" not in url.netloc and "#" not in uri and url.port != 0
    except ValueError:
        raise NonRetryableFetchError("the address", "it is not a valid URL") from None
    if url.scheme != "https" and not (allow_private and url.scheme == "http"):
        raise NonRetryableFetchError(uri, "it is not an https URL")
    if not usable:
        raise NonRetryableFetchError(uri, "it is not a plain URL of a host")
    return url


def address_allowed(address: str, *, allow_private: bool) -> bool:
    """Whether a connection may go to this IP address (a scope id is ignored).

    IPv6 forms that carry an IPv4 address are judged by that one. A cloud's metadata is never admitted.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        teredo = parsed.teredo
        carried = parsed.ipv4_mapped or parsed.sixtofour or (teredo[1] if teredo else None) or _nat64(parsed)
        parsed = parsed if carried is None else carried
    if not allow_private:
        return public_address(parsed)
    if parsed.is_loopback:
        return True
    never = metadata_address(parsed) or parsed.is_multicast or parsed.is_unspecified or parsed.is_reserved
    return not never


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """RFC 6052 section 2.1: 64:ff9b::/96 carries an IPv4 address in its last four bytes."""
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(address.packed[-4:])
    return None
