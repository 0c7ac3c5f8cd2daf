"""A socket whose every read obeys one deadline and one limit of bytes, in the shape that `http.client` reads."""

import io
import socket
from collections.abc import Callable


class BoundedSocket(io.RawIOBase):
    """Stands where `HTTPResponse` expects a socket.

    `left` gives the seconds that are left and raises `TimeoutError` when there are none; `limit` is in bytes, heads
    included. A server that sends a byte now and then so gains no time, which a socket's own time-out would give it.
    """

    def __init__(self, connection: socket.socket, limit: int, left: Callable[[], float]) -> None:
        super().__init__()
        self._connection = connection
        self._limit = limit
        self._left = left

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `HTTPResponse` asks a socket for."""
        del mode
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what has come, waiting no longer than the deadline."""
        if self._limit <= 0:
            raise OSError("too long")
        self._connection.settimeout(self._left())
        count = self._connection.recv_into(buffer)
        self._limit -= count
        return count
