"""The pure half of the HTTP front for all inputs: cuts change nothing, and nothing raises."""

import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.problems import Refusal
from gateway.server._deadlines import Pace
from gateway.server._framing import ChunkedBody, LengthBody
from gateway.server._head import HeadReader, RequestHead, parse_head
from gateway.server._limits import HttpLimits
from gateway.server._response import ResponseEncoder, ResponseError

LIMITS = HttpLimits(max_target_bytes=64, max_head_bytes=512, max_headers=8)

# Text that is mostly a request, so that most of it gets past the first line.
_pieces = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"put /a?b HTTP/1.0",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b":",
        b"\x00",
        b"\xff",
        b"Host: h",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"X: y",
        b"5",
        b"0",
        b"hello",
        b";a",
        b"a" * 60,
        b"\r\n\r\n",
    ]
)
requests = st.lists(_pieces, max_size=24).map(b"".join) | st.binary(max_size=200)
cuts = st.lists(st.integers(min_value=0, max_value=600), max_size=6)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """`raw` in pieces."""
    ends = sorted({place for place in places if place < len(raw)} | {0, len(raw)})
    return [raw[start:end] for start, end in pairwise(ends)]


def head_of(pieces: list[bytes]) -> tuple[RequestHead | Refusal | None, bytes]:
    """What a reader makes of the pieces: its verdict and all that it did not use."""
    reader = HeadReader(LIMITS)
    for at, piece in enumerate(pieces):
        result = reader.feed(piece)
        if result is not None:
            return result, reader.rest + b"".join(pieces[at + 1 :])
    return None, b""


@given(raw=requests, places=cuts)
def test_head_is_the_same_however_it_is_cut(raw: bytes, places: list[int]) -> None:
    """A head in pieces is the head in one piece, and so is what follows it; a refusal stays one."""
    whole, rest = head_of([raw])
    parts, parts_rest = head_of(cut(raw, places))

    if isinstance(whole, RequestHead):
        assert (parts, parts_rest) == (whole, rest)
    else:
        assert type(parts) is type(whole)


@given(raw=st.binary(max_size=300) | requests)
def test_parse_head_never_raises_and_never_keeps_a_line_break(raw: bytes) -> None:
    """Any bytes give a head or a refusal, and a head's values can't break a line elsewhere."""
    head = parse_head(raw, LIMITS)

    if isinstance(head, RequestHead):
        text = b"".join((head.raw_path, head.query or b"", *(part for pair in head.headers for part in pair)))
        assert not set(text) & {0, 10, 13}


@given(chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=8), rest=st.binary(max_size=20), places=cuts)
def test_chunked_body_is_read_back_however_it_is_cut(chunks: list[bytes], rest: bytes, places: list[int]) -> None:
    """What was sent in chunks is read, and what follows is left."""
    coded = b"".join(b"%X;x=y\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX: y\r\n\r\n"
    body, read, left = ChunkedBody(), b"", b""
    for piece in cut(coded + rest, places):
        if body.complete:
            left += piece
        else:
            read += body.feed(piece)

    assert (read, body.rest + left, body.complete, body.fault) == (b"".join(chunks), rest, True, None)


@given(raw=requests, places=cuts)
def test_chunked_body_is_at_fault_however_it_is_cut(raw: bytes, places: list[int]) -> None:
    """Any bytes are read, incomplete, or at fault: the same in pieces as in one, and nothing raises."""
    whole, parts = ChunkedBody(), ChunkedBody()
    whole.feed(raw)
    for piece in cut(raw, places):
        if not parts.complete and parts.fault is None:
            parts.feed(piece)

    assert (parts.complete, parts.fault is None) == (whole.complete, whole.fault is None)


@given(length=st.integers(min_value=1, max_value=100), raw=st.binary(max_size=150), places=cuts)
def test_body_of_a_length_ends_exactly_there(length: int, raw: bytes, places: list[int]) -> None:
    """The body is the first `length` bytes, the rest is left."""
    body, read, left = LengthBody(length), b"", b""
    for piece in cut(raw, places):
        if body.complete:
            left += piece
        else:
            read += body.feed(piece)

    assert (read, body.rest + left) == (raw[:length], raw[length:])
    assert body.remaining == max(length - len(raw), 0)


def test_body_that_fits_is_not_copied() -> None:
    """Bytes that are all body are handed on as they are, by length and inside a chunk."""
    data = bytes(1_000)
    chunked = ChunkedBody()
    chunked.feed(b"FFFF\r\n")

    assert LengthBody(5_000).feed(data) is data
    assert chunked.feed(data) is data


@given(name=st.binary(max_size=8), value=st.binary(max_size=12))
def test_an_answers_head_has_exactly_its_lines(name: bytes, value: bytes) -> None:
    """Whatever header an application gives, it is refused or makes exactly one line."""
    encoder = ResponseEncoder(head_only=False, chunks=True)
    try:
        encoder.start(200, [(name, value), (b"x-last", b"1")])
    except ResponseError:
        return
    head = b"".join(encoder.body(b"", more=False, close=True, date=b"date: now\r\n"))

    assert head.count(b"\r\n") <= 7
    assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r")
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("character", string.punctuation + " \t\x00\x7f\xe9")
def test_header_names_are_tokens(character: str) -> None:
    """Exactly the characters of RFC 9110 section 5.6.2 make a name."""
    head = parse_head(f"GET / HTTP/1.1\r\nHost: h\r\nx{character}: y".encode("latin-1"), LIMITS)

    assert isinstance(head, RequestHead) == (character in "!#$%&'*+-.^_`|~:")


@pytest.mark.parametrize(("size", "passes"), [(511, True), (512, True), (513, False)])
def test_heads_limit_holds_to_the_byte(size: int, passes: bool) -> None:
    """A head of the limit passes, one byte more is 431."""
    start = b"GET / HTTP/1.1\r\nHost: h\r\nX: "
    head, _ = head_of([start + b"y" * (size - len(start)) + b"\r\n\r\n"])

    assert isinstance(head, RequestHead) == passes
    assert passes or (isinstance(head, Refusal) and head.status == 431)


@pytest.mark.parametrize(("size", "passes"), [(63, True), (64, True), (65, False)])
def test_targets_limit_holds_to_the_byte(size: int, passes: bool) -> None:
    """A target of the limit passes, one byte more is 414."""
    head, _ = head_of([b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: h\r\n\r\n"])

    assert isinstance(head, RequestHead) == passes
    assert passes or (isinstance(head, Refusal) and head.status == 414)


def test_pace_counts_only_the_clients_time() -> None:
    """Silence and slowness have their deadlines; bytes move them, a pause of ours stops the clock."""
    pace = Pace(HttpLimits(body_idle=5, body_grace=10, body_min_rate=100), 0.0)
    assert pace.deadline == 5
    pace.received(100, 4.0)
    assert pace.deadline == 9
    pace.received(0, 8.0)
    assert pace.deadline == 11
    pace.pause(9.0)
    assert pace.deadline is None
    pace.resume(109.0)
    assert pace.deadline == 111
    pace.received(1_000, 110.0)
    assert pace.deadline == 115
