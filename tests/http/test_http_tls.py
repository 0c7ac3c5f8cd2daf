"""TLS before the front: a connection counts from its first packet on, and its handshake has a deadline."""

import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from gateway.server.http1 import HttpLimits
from gateway.server.tls import TlsFiles
from tests.certificates import certified
from tests.http.conftest import PATIENCE, Front, Wire

Starter = Callable[..., Front]

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


class Told:
    """What the front said."""

    def __init__(self) -> None:
        self.refusals: Counter[str] = Counter()
        self.there = 0

    def connections(self, change: int) -> None:
        """Count."""
        self.there += change

    def refused(self, why: str) -> None:
        """Count."""
        self.refusals[why] += 1


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    """The server's context, and a client's that trusts it."""
    with certified(tmp_path_factory.mktemp("tls"), "front") as (certificate, key):
        yield TlsFiles(certificate=certificate, key=key).context(), ssl.create_default_context(cafile=str(certificate))


@contextmanager
def secured(front: Front, trusting: ssl.SSLContext) -> Iterator[Wire]:
    """A connection whose handshake is done."""
    with (
        socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        yield Wire(sock)


def until(true: Callable[[], Any]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_requests_are_answered_over_tls(start: Starter, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """One after the other on one connection, and together in one record; afterwards nobody is there."""
    told = Told()
    front = start(None, None, tls=tls[0], observer=told)
    with secured(front, tls[1]) as wire:
        wire.send(GET)
        first = wire.answer()
        wire.send(GET * 2)
        both = [wire.answer(), wire.answer()]
        there = told.there

    assert [each.status for each in (first, *both) if each] == [200] * 3
    assert there == 1
    until(lambda: told.there == 0)


def test_a_handshake_counts_as_a_connection(start: Starter, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """Who says nothing takes a place: the next is told to come back, and the one after is dropped."""
    told = Told()
    front = start(None, HttpLimits(max_connections=1), tls=tls[0], observer=told)
    with front.wire(), secured(front, tls[1]) as told_to_wait:
        reply = told_to_wait.answer()
        with front.wire() as dropped, suppress(ConnectionResetError):
            assert dropped.rest() == b""
        counted = front.server.connections

    assert reply is not None
    assert (reply.status, reply.code) == (429, "rate-limited")
    assert counted == 2
    assert told.refusals["dropped"] == 1
    until(lambda: front.server.connections == told.there == 0)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_handshake_that_is_none_ends(start: Starter, tls: tuple[ssl.SSLContext, ssl.SSLContext], sent: bytes) -> None:
    """By its deadline, or at once where it can't be one."""
    told = Told()
    front = start(None, HttpLimits(header_deadline=0.3), tls=tls[0], observer=told)
    with front.wire() as wire:
        wire.send(sent)
        with suppress(ConnectionResetError):
            wire.rest()
    until(lambda: told.refusals["handshake"] == 1 and front.server.connections == told.there == 0)


def test_a_front_stops_over_handshakes(start: Starter, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """None keeps it, and none is left."""
    front = start(None, None, tls=tls[0])
    with front.wire() as one, front.wire() as two:
        until(lambda: front.server.connections == 2)
        front.call(front.server.stop(0.2))
        for wire in (one, two):
            with suppress(ConnectionResetError):
                assert wire.rest() == b""

    assert front.server.connections == 0
