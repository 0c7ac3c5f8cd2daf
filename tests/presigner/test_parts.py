"""The part arithmetic at every limit, one below and one above."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.model import OBJECT_LIMIT
from presigner.parts import LARGEST_PART, MOST_PARTS, SMALLEST_PART, Parts, cut

DEFAULT = 8_388_608
WISHES = (SMALLEST_PART, DEFAULT, LARGEST_PART)
LIMITS = (
    0,
    1,
    SMALLEST_PART,
    DEFAULT,
    LARGEST_PART,
    MOST_PARTS * SMALLEST_PART,
    MOST_PARTS * DEFAULT,
    OBJECT_LIMIT,
)
SIZES = sorted({size for limit in LIMITS for size in (limit - 1, limit, limit + 1) if 0 <= size <= OBJECT_LIMIT})


def hold(parts: Parts, size: int) -> None:
    """What must be so of every cut."""
    assert 1 <= parts.count <= MOST_PARTS
    assert SMALLEST_PART <= parts.part_size <= LARGEST_PART
    last = parts.length(parts.count)
    assert (parts.count - 1) * parts.part_size + last == size
    assert (0 < last <= parts.part_size) or (size == 0 and parts.count == 1)


@pytest.mark.parametrize(("size", "wished"), list(itertools.product(SIZES, WISHES)))
def test_a_cut_is_whole_at_every_limit(size: int, wished: int) -> None:
    """All bytes are in exactly one part, and S3 takes every part."""
    hold(cut(size, wished), size)


@given(size=st.integers(0, OBJECT_LIMIT), wished=st.integers(0, 2 * LARGEST_PART))
def test_a_cut_is_whole_for_every_size(size: int, wished: int) -> None:
    """Also for a wish that S3 would not take."""
    hold(cut(size, wished), size)


@given(wished=st.integers(SMALLEST_PART, LARGEST_PART), size=st.integers(0, OBJECT_LIMIT))
def test_a_wish_is_kept_where_it_can_be(wished: int, size: int) -> None:
    """The part size is the wished one unless there would be too many parts, and then no larger than needed."""
    found = cut(size, wished).part_size
    assert found == wished or (found > wished and -(-size // wished) > MOST_PARTS and found == -(-size // MOST_PARTS))


@pytest.mark.parametrize(
    ("size", "wished", "part_size", "count"),
    [
        (734_003_200, DEFAULT, DEFAULT, 88),
        (OBJECT_LIMIT, DEFAULT, LARGEST_PART, MOST_PARTS),
        (OBJECT_LIMIT - 1, DEFAULT, LARGEST_PART, MOST_PARTS),
        (MOST_PARTS * DEFAULT, DEFAULT, DEFAULT, MOST_PARTS),
        (MOST_PARTS * DEFAULT + 1, DEFAULT, DEFAULT + 1, 9_999 + 1),
        (1, SMALLEST_PART, SMALLEST_PART, 1),
        (0, SMALLEST_PART, SMALLEST_PART, 1),
    ],
)
def test_known_cuts(size: int, wished: int, part_size: int, count: int) -> None:
    """Cuts worked out by hand, the contract's own example among them."""
    found = cut(size, wished)
    assert (found.part_size, found.count) == (part_size, count)


@pytest.mark.parametrize("size", [-1, OBJECT_LIMIT + 1])
def test_what_s3_cannot_hold_is_not_cut(size: int) -> None:
    """One byte too many, and fewer than none."""
    with pytest.raises(ValueError, match="an object has"):
        cut(size, DEFAULT)


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_there_are_no_other_parts(number: int) -> None:
    """Numbers are 1 to `count`."""
    with pytest.raises(ValueError, match="there is no part"):
        cut(3 * DEFAULT, DEFAULT).length(number)


def test_all_lengths_are_listed_in_order() -> None:
    """Every number once, the short part last."""
    assert list(cut(2 * DEFAULT + 5, DEFAULT).lengths()) == [(1, DEFAULT), (2, DEFAULT), (3, 5)]
