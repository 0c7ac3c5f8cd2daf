"""What one exchange makes of an S3's bytes, however they arrive."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage._connection import HEAD_LIMIT, BrokenAnswerError, Exchange
from gateway.storage.upstream import Timeouts, Upstream

OK = b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
OPEN_ENDED = b"HTTP/1.0 200 OK\r\nETag: x\r\n\r\nhi"
NEWS = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"


def taken(*pieces: bytes, eof: bool = False, bodiless: bool = False, most: int = 100) -> Exchange:
    """The exchange after these pieces, and after the end of the connection."""

    async def take() -> Exchange:
        exchange = Exchange(bodiless=bodiless, most=most)
        for piece in pieces:
            exchange.feed(piece)
        if eof:
            exchange.eof()
        return exchange

    return asyncio.run(take())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(st.sampled_from([OK, NEWS + OK, CHUNKED, OPEN_ENDED]), st.lists(st.integers(0, 500), max_size=8))
def test_an_answer_is_the_same_however_it_arrives(data: bytes, places: list[int]) -> None:
    """Where the network cuts an answer changes nothing."""
    whole = taken(data, eof=True)
    assert whole.done
    assert taken(*cut(data, places), eof=True).outcome() == whole.outcome()


@pytest.mark.parametrize(
    ("data", "status", "reusable"),
    [
        (OK, 200, True),
        (NEWS + OK, 200, True),
        (CHUNKED, 500, True),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 200, False),
        (OK.replace(b"1.1", b"1.0"), 200, False),
        (OK + OK, 200, False),
        (OK + b"\x00", 200, False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, True),
    ],
)
def test_a_connection_is_used_again_only_where_the_answer_left_it_clean(
    data: bytes, status: int, reusable: bool
) -> None:
    """A server that said more than it was asked is not asked again."""
    exchange = taken(data)
    assert exchange.done
    assert exchange.outcome()[0] == status
    assert exchange.reusable is reusable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        NEWS,
        OK[:-1],
        CHUNKED[:-5],
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_LIMIT + b"\r\n\r\n",
    ],
)
def test_what_is_not_whole_is_no_answer(data: bytes) -> None:
    """An answer that broke off or is no HTTP is never taken for one."""
    exchange = taken(data, eof=True)
    assert exchange.done
    assert not exchange.reusable
    with pytest.raises(BrokenAnswerError):
        exchange.outcome()


def test_a_body_is_kept_up_to_its_limit() -> None:
    """A long answer ends where it is too long, and its connection with it."""
    exchange = taken(OK, most=1)
    assert (exchange.done, exchange.truncated, exchange.reusable) == (True, True, False)
    assert exchange.outcome()[2] == b"h"


def test_the_answer_to_a_head_has_no_body() -> None:
    """Its length speaks of a body that never comes."""
    exchange = taken(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", bodiless=True)
    assert exchange.done
    assert exchange.outcome() == (200, {"content-length": "99"}, b"")


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"])
def test_a_header_that_would_be_two_is_never_sent(value: str) -> None:
    """Whatever lets such a value through elsewhere, it ends here."""

    async def ask() -> None:
        async with Upstream(timeouts=Timeouts()) as upstream:
            await upstream.head("http://127.0.0.1:1/x", (("x", value),))

    with pytest.raises(ValueError, match="characters that end it"):
        asyncio.run(ask())
