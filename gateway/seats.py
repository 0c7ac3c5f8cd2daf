"""Memory that the workers of one machine share: a seat each, written by its own worker alone and read by all.

It is made before the workers are forked, belongs to no file, and is gone with the last of them. No seat has two
writers, so nothing is ever locked between processes; an aligned double is read whole on every processor that this
runs on.
"""

import mmap
from array import array
from collections.abc import Iterable


class Seats:
    """`count` seats of `cells` numbers each, all 0 at first. Numbers are doubles, which count exactly up to 2^53."""

    __slots__ = ("_all", "cells", "count")

    def __init__(self, *, count: int, cells: int) -> None:
        self.count = count
        self.cells = cells
        # Anonymous and shared (mmap(2)): what is forked afterwards has the same pages.
        self._all = memoryview(mmap.mmap(-1, max(1, count * cells) * 8)).cast("d")

    def seat(self, number: int) -> "memoryview[float]":
        """The numbers of one seat, for its own worker to change."""
        if not 0 <= number < self.count:
            raise ValueError("there is no such seat")
        return self._all[number * self.cells : (number + 1) * self.cells]

    def values(self, cell: int) -> "memoryview[float]":
        """One cell in every seat; a view, so what it shows changes."""
        return self._all[cell :: self.cells]

    def clear(self, number: int, cells: Iterable[int] | None = None) -> None:
        """Put cells of a seat, or all of them, back to 0: its worker is gone, or has just begun."""
        seat = self.seat(number)
        if cells is None:
            seat[:] = array("d", bytes(8 * self.cells))
            return
        for cell in cells:
            seat[cell] = 0.0
