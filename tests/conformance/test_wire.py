"""The suite's own client and judge, against small fakes: what they must see, they see."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.conformance.case import Refused
from tests.conformance.findings import refusal_findings
from tests.conformance.wire import Hop, Origin, Request, Response, Trace, Wire, WireError

UPLOAD = Request(
    method="PUT",
    target="/proxy/a%2Fb?",
    headers=(("Authorization", "Bearer t"), ("x-odd", "A  b"), ("Content-Length", "2")),
    hop_headers=(("x-amz-cf-id", "1"),),
    body=b"hi",
)
OK = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 2\r\n\r\nok'


@contextmanager
def fake(*answers: bytes) -> Iterator[tuple[Origin, list[bytes]]]:
    """A server that reads one request a connection, says the next of `answers` and closes; yields what it read."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answers, seen))
        thread.start()
        yield Origin("127.0.0.1", listener.getsockname()[1]), seen
        thread.join(5)


def _serve(listener: socket.socket, answers: tuple[bytes, ...], seen: list[bytes]) -> None:
    for answer in answers:
        connection, _ = listener.accept()
        with connection:
            seen.append(connection.recv(1 << 16))
            connection.sendall(answer)


def test_the_client_sends_exactly_what_it_was_given() -> None:
    """Nothing is tidied: the path, the empty query, the case and order of headers."""
    with fake(OK) as (origin, seen), Wire() as wire:
        wire.exchange(origin, UPLOAD)

    expected = (
        f"PUT /proxy/a%2Fb? HTTP/1.1\r\nHost: {origin.netloc}\r\nAuthorization: Bearer t\r\n"
        "x-odd: A  b\r\nContent-Length: 2\r\nx-amz-cf-id: 1\r\n\r\nhi"
    )
    assert seen == [expected.encode()]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok to the end", b"ok to the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_the_client_reads_every_framing(answer: bytes, body: bytes) -> None:
    """Length, chunks, end of connection, no body, and an interim answer before."""
    with fake(answer) as (origin, _), Wire() as wire:
        assert wire.exchange(origin, UPLOAD).body == body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nETag: e\n\n",
        b"HTTP/1.1 200 OK\r\nE Tag: e\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
    ],
)
def test_the_client_refuses_what_is_not_http(answer: bytes) -> None:
    """A broken answer is an error, never a lenient success."""
    with fake(answer) as (origin, _), Wire() as wire, pytest.raises(WireError):
        wire.exchange(origin, UPLOAD)


def test_a_redirect_is_followed_without_the_credential_and_what_infrastructure_added() -> None:
    """As curl -L: the same method, headers and body go to the other host, `Authorization` stays."""
    with fake(OK) as (there, seen):
        location = f"http://localhost:{there.port}/b/k%20?X-Amz-Signature=1"
        redirect = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        with fake(redirect.encode()) as (origin, _), Wire() as wire:
            trace = wire.follow(origin, UPLOAD)

    expected = (
        f"PUT /b/k%20?X-Amz-Signature=1 HTTP/1.1\r\nHost: localhost:{there.port}\r\nx-odd: A  b\r\n"
        "Content-Length: 2\r\n\r\nhi"
    )
    assert seen == [expected.encode()]
    assert [hop.response.status for hop in trace.hops] == [307, 200]


GOOD = (
    b'{"type": "urn:upload-gateway:problem:token-expired", "title": "t", "status": 401, "detail": "d",'
    b' "instance": "r1"}'
)
HEADERS = (
    ("content-type", "application/problem+json"),
    ("x-request-id", "r1"),
    ("www-authenticate", 'Bearer error="invalid_token"'),
)


def _findings(change: Callable[[Response], Response]) -> list[str]:
    answer = change(Response(status=401, headers=HEADERS, body=GOOD))
    trace = Trace((Hop(Origin("h", 1), UPLOAD, answer),))
    credential = (("Authorization", "Bearer a-long-enough-token"),)
    return list(refusal_findings(Refused(codes=("token-expired",)), trace, credential, ("bucket-1",), has_body=True))


def _body(old: bytes, new: bytes) -> Callable[[Response], Response]:
    return lambda answer: Response(status=answer.status, headers=answer.headers, body=answer.body.replace(old, new))


def _without(name: str) -> Callable[[Response], Response]:
    return lambda answer: Response(
        status=answer.status, headers=tuple(pair for pair in answer.headers if pair[0] != name), body=answer.body
    )


def test_a_right_refusal_has_no_findings() -> None:
    """The judge is satisfiable."""
    assert _findings(lambda answer: answer) == []


@pytest.mark.parametrize(
    "change",
    [
        _body(b"token-expired", b"token-invalid"),
        _body(b'"title": "t"', b'"title": ""'),
        _body(b'"status": 401', b'"status": 403'),
        _body(b'"r1"', b'"r2"'),
        _body(b'"d"', b'"of bucket-1"'),
        _body(b'"d"', b'"a-long-enough-token"'),
        _without("content-type"),
        _without("x-request-id"),
        _without("www-authenticate"),
    ],
)
def test_a_wrong_refusal_is_seen(change: Callable[[Response], Response]) -> None:
    """Each way in which a refusal can be wrong is a finding."""
    assert _findings(change)
