"""A fetch is bounded in every way: where it goes, how long it takes, how much it reads."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.identity import (
    HttpsFetcher,
    JwksCache,
    JwksSource,
    JwtVerifier,
    decompose_unverified_jwt,
    fetch_jwk,
    fetch_jwks,
    verify_jwt,
    verify_jwt_async,
)
from gateway.identity.discovery import discover_jwks_uri, load
from gateway.identity.errors import FetchError, JwksValidationError, JwtBaseError, NonRetryableFetchError
from gateway.identity.fetch import address_allowed, check_uri
from gateway.identity.keyset import MAX_KEYS
from gateway.identity.testing import Answer, LocalIssuer, Signer, base64url

PRIVATE = HttpsFetcher(allow_private=True)


@pytest.fixture
def issuer(rsa_key: Signer) -> Iterator[LocalIssuer]:
    """An issuer on loopback."""
    with LocalIssuer(rsa_key) as running:
        yield running


class RawServer:
    """Answers every connection by a function that is given the socket; counts connections."""

    def __init__(self, serve: Callable[[socket.socket], object], *, peek: bool = False) -> None:
        self.connections = 0
        self._flags = socket.MSG_PEEK if peek else 0
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/jwks"

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(4096, self._flags)
                self._serve(connection)
            except OSError:
                pass

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def test_a_document_is_fetched(issuer: LocalIssuer) -> None:
    """One GET, 200, its body."""
    assert b'"keys"' in PRIVATE.fetch(issuer.jwks_uri)
    assert issuer.requests == ["/.well-known/jwks.json"]


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 404, 500])
def test_only_200_will_do_and_no_redirect_is_followed(issuer: LocalIssuer, status: int) -> None:
    """A redirect's target is never asked (T16)."""
    issuer.answers["/from"] = Answer(b"", status, (("Location", f"{issuer.url}/to"),))

    with pytest.raises(NonRetryableFetchError, match=f"Status code is {status}, expected 200"):
        PRIVATE.fetch(f"{issuer.url}/from")
    assert issuer.requests == ["/from"]


def test_a_long_document_is_refused(issuer: LocalIssuer) -> None:
    """Over the limit by one byte, and at it."""
    issuer.answers["/long"] = Answer(b"x" * 1001)
    issuer.answers["/fits"] = Answer(b"x" * 1000)
    fetcher = HttpsFetcher(allow_private=True, max_bytes=1000)

    assert len(fetcher.fetch(f"{issuer.url}/fits")) == 1000
    with pytest.raises(NonRetryableFetchError):
        fetcher.fetch(f"{issuer.url}/long")


def drip(connection: socket.socket) -> None:
    """A byte now and then, until the other side has had enough."""
    for letter in chain(b"HTTP/1.1 200 OK\r\nX: ", iter(lambda: ord("x"), None)):
        connection.send(bytes([letter]))
        time.sleep(0.005)


def headers_without_end(connection: socket.socket) -> None:
    """As many headers as are read."""
    connection.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        connection.send(b"X-%d: %s\r\n" % (number, b"x" * 1000))


@pytest.mark.parametrize(
    "serve",
    [
        drip,
        headers_without_end,
        lambda connection: connection.recv(1),
        lambda connection: connection.send(b"garbage\r\n\r\n"),
        lambda connection: connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        lambda connection: connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        lambda connection: connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        lambda _: None,
    ],
    ids=["drip", "headers", "silence", "garbage", "short", "chunks", "continue", "close"],
)
def test_a_hostile_server_is_a_fetch_error(serve: Callable[[socket.socket], Any]) -> None:
    """Whatever a server does ends within the deadline, in this room's error, after two attempts at most."""
    with RawServer(serve) as server:
        with pytest.raises(FetchError):
            PRIVATE.fetch(server.url, 0.3)
        assert server.connections <= 2


def test_one_immediate_retry_is_made_where_it_may_help(issuer: LocalIssuer) -> None:
    """A connection that broke is tried again at once, a status is not."""
    with RawServer(lambda _: None) as server:
        with pytest.raises(FetchError):
            PRIVATE.fetch(server.url, 2)
        assert server.connections == 2


@pytest.mark.parametrize(
    "uri",
    [
        "http://issuer.example/jwks",
        "file:///etc/passwd",
        "data:application/json,{}",
        "ftp://issuer.example/jwks",
        "https:///jwks",
        "https://user@issuer.example/jwks",
        "https://issuer.example/jwks#x",
        "https://issuer.example:0/jwks",
        "https://issuer.example:x/jwks",
        "https://issuer.example/a b",
        "https://issuer.example/\r\nX: y",
        "https://issuer.example\\@evil.example/",
        "https://ïssuer.example/",
        "https://[::1",
        "",
        "issuer.example",
    ],
)
def test_only_plain_https_addresses_are_fetched(uri: str) -> None:
    """Everything else is refused before a name is resolved (T16)."""
    with pytest.raises(NonRetryableFetchError):
        check_uri(uri, allow_private=False)


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, True),
        ("2600::1", True, True),
        ("127.0.0.1", False, True),
        ("127.1.2.3", False, True),
        ("::1", False, True),
        ("10.0.0.1", False, True),
        ("172.16.0.1", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("fd00::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("fe80::1%eth0", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("240.0.0.1", False, False),
        ("fec0::1", False, True),
        ("3fff::1", False, True),
        ("192.0.0.8", False, True),
        ("192.0.0.192", False, False),
        ("168.63.129.16", False, False),
        ("100.100.100.200", False, False),
        ("fd00:ec2::254", False, False),
        ("fd20:ce::254", False, False),
        ("64:ff9b:1::a9fe:a9fe", False, False),
    ],
)
def test_which_addresses_may_be_connected_to(address: str, public: bool, private: bool) -> None:
    """Public ones; loopback and private ones where the operator said so; where clouds keep secrets never (T16)."""
    verdicts = (address_allowed(address, allow_private=False), address_allowed(address, allow_private=True))

    assert verdicts == (public, private)


def test_a_name_that_resolves_to_loopback_is_refused(issuer: LocalIssuer) -> None:
    """The address is judged, not the name, and no connection is made."""
    uri = issuer.jwks_uri.replace("http://127.0.0.1", "https://localhost")

    with pytest.raises(NonRetryableFetchError, match="not a public one"):
        HttpsFetcher().fetch(uri)
    assert issuer.requests == []


def test_the_address_that_was_judged_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that answers otherwise the second time is not asked a second time (DNS rebinding)."""
    asked = []

    def resolve(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        address = "203.0.113.1" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with RawServer(lambda connection: connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as server:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        body = PRIVATE.fetch(server.url.replace("127.0.0.1", "rebind.example"), 2)
        connections = server.connections

    assert (body, asked, connections) == (b"{}", ["rebind.example"], 1)


def test_discovery_finds_the_keys_of_exactly_this_issuer(issuer: LocalIssuer) -> None:
    """OpenID Connect Discovery 1.0 section 4.3."""
    assert discover_jwks_uri(PRIVATE, issuer.url, 3) == issuer.jwks_uri
    assert set(load(PRIVATE, JwksSource(issuer.url), 3, time.time).keys) == {"rsa"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"issuer": "http://other.example", "jwks_uri": "https://x.example"}',
        b'{"jwks_uri": "https://x.example"}',
        b'{"issuer": "ISSUER/", "jwks_uri": "https://x.example"}',
        b'{"issuer": "ISSUER"}',
        b'{"issuer": "ISSUER", "jwks_uri": 1}',
        b'{"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}',
        b'{"issuer": "ISSUER", "issuer": "ISSUER", "jwks_uri": "https://x.example"}',
    ],
)
def test_a_configuration_that_is_not_the_issuers_is_refused(issuer: LocalIssuer, document: bytes) -> None:
    """Another's, none, or one that leads elsewhere than to keys."""
    issuer.answers["/.well-known/openid-configuration"] = Answer(document.replace(b"ISSUER", issuer.url.encode()))

    with pytest.raises(FetchError):
        load(PRIVATE, JwksSource(issuer.url), 3, time.time)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'\xef\xbb\xbf{"keys": []}',
        b'{"keys": [], "keys": []}',
        b'{"keys": "\xff"}',
        b"[" * 100_000,
        json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(),
    ],
)
def test_what_is_no_key_set_is_refused(issuer: LocalIssuer, body: bytes) -> None:
    """A hostile or broken set is one error, quickly."""
    issuer.answers["/.well-known/jwks.json"] = Answer(body)

    with pytest.raises(JwksValidationError):
        load(PRIVATE, JwksSource(None, issuer.jwks_uri), 3, time.time)


def test_a_flood_of_random_kids_costs_one_request_a_cooldown(issuer: LocalIssuer, rsa_key: Signer) -> None:
    """T17: 10,000 tokens from 50 threads ask an issuer once in ten seconds, and good tokens are verified alongside."""
    cache = JwksCache(PRIVATE)
    verifier = JwtVerifier.create(issuer=issuer.url, audience="me", jwks_cache=cache, jwks_uri=issuer.jwks_uri)
    claims = {"iss": issuer.url, "aud": "me", "exp": time.time() + 600}
    good = rsa_key.token(claims)
    rest = good.partition(".")[2]
    verifier.verify(good)
    issuer.requests.clear()

    def attack(number: int) -> str:
        header = base64url(json.dumps({"alg": "RS256", "kid": f"random-{number}"}).encode())
        with pytest.raises(JwtBaseError) as caught:
            verifier.verify(f"{header}.{rest}")
        if number % 10 == 0:
            verifier.verify(good)
        return caught.type.__name__

    start = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        verdicts = set(pool.map(attack, range(10_000)))

    assert len(issuer.requests) <= 1 + (time.monotonic() - start) // 10
    assert verdicts == {"KidNotFoundInJwksError", "WaitPeriodNotYetEndedJwkError"}


def certificate(name: str, directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for this host name, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    files = (directory / f"{name}.pem", directory / f"{name}.key")
    files[0].write_bytes(built.public_bytes(encoding))
    files[1].write_bytes(private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password))
    return files


@pytest.mark.parametrize(
    ("name", "trusted", "reached"), [("localhost", True, True), ("other", True, False), ("localhost", False, False)]
)
def test_a_server_proves_its_name(tmp_path: Path, name: str, trusted: bool, reached: bool) -> None:
    """TLS: the certificate is trusted and is for the host that was asked, or nothing is sent."""
    chain_file, key_file = certificate(name, tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(chain_file, key_file)
    client_side = ssl.create_default_context(cafile=str(chain_file)) if trusted else ssl.create_default_context()
    received: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with server_side.wrap_socket(connection, server_side=True) as secured:
            received.append(secured.recv(4096))
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with RawServer(serve, peek=True) as server:
        fetcher = HttpsFetcher(allow_private=True, tls=client_side)
        uri = server.url.replace("http://127.0.0.1", "https://localhost")
        try:
            body: bytes | None = fetcher.fetch(uri, 2)
        except FetchError:
            body = None

    assert (body == b"{}", bool(received)) == (reached, reached)


def test_another_address_of_the_name_is_tried(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose first address does not answer."""
    port = int(issuer.url.rpartition(":")[2])
    dead = socket.create_server(("127.0.0.1", 0))
    addresses = [("127.0.0.1", dead.getsockname()[1]), ("127.0.0.1", port)]
    dead.close()
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)

    assert b"keys" in PRIVATE.fetch(issuer.jwks_uri)


def test_functions_that_fetch_take_a_fetcher(issuer: LocalIssuer, rsa_key: Signer) -> None:
    """3: a key set or a key, now; and a token in one call."""
    token = rsa_key.token({"iss": issuer.url, "aud": "me", "exp": time.time() + 60})
    options: dict[str, Any] = {"issuer": issuer.url, "audience": "me", "jwks_cache": JwksCache(PRIVATE)}

    assert set(fetch_jwks(issuer.jwks_uri, fetcher=PRIVATE).keys) == {"rsa"}
    assert fetch_jwk(issuer.jwks_uri, decompose_unverified_jwt(token), fetcher=PRIVATE).kid == "rsa"
    assert verify_jwt(token, issuer.jwks_uri, **options)["aud"] == "me"
    assert asyncio.run(verify_jwt_async(token, issuer.jwks_uri, **options))["aud"] == "me"


def test_a_discovered_issuer_needs_no_address(issuer: LocalIssuer, rsa_key: Signer) -> None:
    """Only an issuer is given; hydrating fetches beforehand."""
    verifier = JwtVerifier.create(issuer=issuer.url, audience="me", jwks_cache=JwksCache(PRIVATE))
    verifier.hydrate()
    asyncio.run(verifier.hydrate_async())
    issuer.requests.clear()

    assert verifier.verify_sync(rsa_key.token({"iss": issuer.url, "aud": "me", "exp": time.time() + 60}))
    assert issuer.requests == []
