"""How an object is cut into parts: a pure function of its size and of the part size that was wished for.

S3 User Guide, "Amazon S3 multipart upload limits": 1 to 10,000 parts, each of 5 MiB to 5 GiB, the last of any size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.policy.model import OBJECT_LIMIT

MOST_PARTS: Final = 10_000
SMALLEST_PART: Final = 5_242_880
LARGEST_PART: Final = 5_368_709_120


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A cut of `size` bytes: parts of `part_size` bytes but for the last, which is what is left and never empty.

    An empty object is one empty part, because S3 completes nothing without parts.
    """

    size: int
    part_size: int

    @property
    def count(self) -> int:
        """How many parts there are, 1 to `MOST_PARTS`."""
        return max(1, -(-self.size // self.part_size))

    def length(self, number: int) -> int:
        """The bytes of part `number`, counted from 1; another number is a `ValueError`."""
        if not 1 <= number <= self.count:
            raise ValueError(f"there is no part {number} of {self.count}")
        return min(self.part_size, self.size - (number - 1) * self.part_size)

    def lengths(self) -> Iterator[tuple[int, int]]:
        """Every part's number and bytes, in order."""
        return ((number, self.length(number)) for number in range(1, self.count + 1))


def cut(size: int, wished: int) -> Parts:
    """The parts of `size` bytes nearest to the wished part size: never smaller than S3 takes or than 10,000 parts need.

    What S3 can't hold in any cut is a `ValueError`.
    """
    if not 0 <= size <= OBJECT_LIMIT:
        raise ValueError(f"an object has 0 to {OBJECT_LIMIT} bytes")
    needed = -(-size // MOST_PARTS)
    return Parts(size=size, part_size=min(LARGEST_PART, max(SMALLEST_PART, wished, needed)))
