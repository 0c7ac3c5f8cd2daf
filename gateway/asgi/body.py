"""A request's body as a backend takes it: what is here at once, then the rest as it arrives."""

from collections.abc import Awaitable, Callable
from typing import Self

Pull = Callable[[], Awaitable[tuple[bytes, bool]]]
"""The next piece, and whether more is to come; raises BodyAbortedError when the client goes away before the end."""


class Body:
    """An iterator over the pieces of a body, whose beginning can be looked at first."""

    __slots__ = ("_held", "_more", "_pull", "on_piece")

    def __init__(self, pull: Pull) -> None:
        self._pull = pull
        self._held = b""
        self._more = True
        self.on_piece: Callable[[int], None] | None = None
        """Told how many bytes came, as they come."""

    async def _next(self) -> bytes:
        piece, self._more = await self._pull()
        if piece and self.on_piece is not None:
            self.on_piece(len(piece))
        return piece

    async def held(self, least: int) -> bytes:
        """The first `least` bytes or more of them, or all there are; they stay the iterator's next piece."""
        pieces = [self._held] if self._held else []
        size = len(self._held)
        while self._more and size < least:
            piece = await self._next()
            pieces.append(piece)
            size += len(piece)
        self._held = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._held

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece, never an empty one."""
        held, self._held = self._held, b""
        while not held:
            if not self._more:
                raise StopAsyncIteration
            held = await self._next()
        return held
