"""Sealed values: only the ring that sealed one opens it, for the purpose it was sealed for."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presigner.sealing import KEY_BYTES, Sealer

OLD, NEW, OTHER = bytes(KEY_BYTES), b"\x01" * KEY_BYTES, b"\x02" * KEY_BYTES
URL_SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def counting() -> Callable[[int], bytes]:
    numbers = itertools.count()
    return lambda size: next(numbers).to_bytes(size, "big")


def sealer(*keys: bytes) -> Sealer:
    return Sealer(keys or (NEW,), counting())


@given(value=st.binary(max_size=200), purpose=st.text(max_size=10))
@settings(max_examples=100, deadline=None)
def test_what_was_sealed_opens_to_the_same_bytes(value: bytes, purpose: str) -> None:
    """A round trip changes nothing, and the text can stand in a URL."""
    ring = sealer()

    text = ring.seal(value, purpose=purpose)

    assert set(text) <= URL_SAFE
    assert ring.open(text, purpose=purpose) == value


@given(text=st.text() | st.text(st.sampled_from(sorted(URL_SAFE))) | st.binary().map(lambda b: b.decode("latin-1")))
@settings(max_examples=300, deadline=None)
def test_nothing_else_opens(text: str) -> None:
    """Whatever a client sends, opening it is a None and never an error."""
    assert sealer().open(text, purpose="upload") is None


def test_no_bit_of_a_sealed_value_can_be_changed() -> None:
    """Every character stands for something that is authenticated, the spelling included."""
    ring = sealer()
    text = ring.seal(b"value", purpose="upload")

    for at, letter in itertools.product(range(len(text)), "AB-_+/=."):
        forged = text[:at] + letter + text[at + 1 :]

        assert forged == text or ring.open(forged, purpose="upload") is None


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text + "=",
        lambda text: text + "==",
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text.replace("-", "+").replace("_", "/") + "\0",
        lambda text: text + "\ud800",
        lambda text: text * 2,
        lambda text: text[:0],
    ],
)
def test_a_sealed_value_has_one_spelling(spell: Callable[[str], str]) -> None:
    """Two texts are never the same upload."""
    ring = sealer()

    assert ring.open(spell(ring.seal(b"value", purpose="upload")), purpose="upload") is None


def test_what_was_sealed_for_one_use_is_nothing_for_another() -> None:
    """A ticket is no upload id."""
    ring = sealer()

    assert ring.open(ring.seal(b"value", purpose="ticket"), purpose="upload") is None


@pytest.mark.parametrize(
    ("sealed_by", "opened_by", "opens"),
    [
        ((OLD,), (NEW, OLD), True),
        ((NEW, OLD), (NEW,), True),
        ((NEW, OLD), (OLD,), False),
        ((OLD,), (NEW,), False),
        ((OTHER,), (NEW, OLD), False),
    ],
)
def test_keys_rotate(sealed_by: tuple[bytes, ...], opened_by: tuple[bytes, ...], *, opens: bool) -> None:
    """The first key seals, any of the ring opens, and a key that left the ring opens nothing."""
    text = sealer(*sealed_by).seal(b"value", purpose="upload")

    assert (sealer(*opened_by).open(text, purpose="upload") == b"value") is opens


def test_the_same_value_is_sealed_differently_each_time() -> None:
    """A fresh nonce each time, so that equal uploads can't be told."""
    ring = sealer()

    assert ring.seal(b"value", purpose="upload") != ring.seal(b"value", purpose="upload")


@pytest.mark.parametrize("keys", [(), (b"",), (b"x" * 31,), (b"x" * 33,), (NEW, b"x" * 16)])
def test_a_ring_without_good_keys_is_refused_at_the_start(keys: tuple[bytes, ...]) -> None:
    """A short key would be a weaker cipher, silently."""
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(keys, counting())


def test_a_sealer_does_not_show_its_keys() -> None:
    """A ring may end up in a log."""
    assert "\\x01" not in repr(sealer(NEW))
