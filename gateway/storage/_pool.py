"""Connections to HTTP servers, kept open between requests: so many at a time, the one used last first."""

import asyncio
import ssl
from collections import deque
from typing import Final, NamedTuple

from gateway.storage._connection import Connection

IDLE: Final = 15.0
"""Seconds after which a connection is not used again: S3 closes idle ones itself soon after."""


class Origin(NamedTuple):
    """Where a server listens: a key of dictionaries on every request, so one whose hash is made in C."""

    host: str
    port: int
    secure: bool


class Pool:
    """At most `limit` connections in use; `connect` is how long one may take to be had, in seconds."""

    def __init__(self, *, limit: int, connect: float) -> None:
        self._places = asyncio.Semaphore(limit)
        self._connect = connect
        self._idle: dict[Origin, deque[Connection]] = {}
        self._open: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None

    async def acquire(self, origin: Origin) -> Connection:
        """A connection of one's own until `release`; raises OSError (also TimeoutError) where there is none in time."""
        if not self._places.locked():
            await self._places.acquire()
            if (kept := self._kept(origin)) is not None:
                return kept
            return await self._opened(origin)
        async with asyncio.timeout(self._connect):
            await self._places.acquire()
        return self._kept(origin) or await self._opened(origin)

    def release(self, origin: Origin, connection: Connection) -> None:
        """Give a connection back, whatever became of its exchange."""
        self._places.release()
        if connection.finish():
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.setdefault(origin, deque()).append(connection)

    async def close(self) -> None:
        """Close all, in use or not."""
        self._idle.clear()
        going = tuple(self._open)
        for connection in going:
            connection.abort()
        for connection in going:
            await connection.closed

    def _kept(self, origin: Origin) -> Connection | None:
        """The connection that was used last and can be used again; those that waited too long are closed."""
        idle = self._idle.get(origin)
        since = asyncio.get_running_loop().time() - IDLE
        while idle:
            connection = idle.pop()
            if connection.usable and connection.idle_since >= since:
                return connection
            connection.abort()
        return None

    async def _opened(self, origin: Origin) -> Connection:
        try:
            async with asyncio.timeout(self._connect):
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection,
                    origin.host,
                    origin.port,
                    ssl=self._context() if origin.secure else None,
                )
        except BaseException:
            self._places.release()
            raise
        connection.on_lost = self._forget
        self._open.add(connection)
        connection.closed.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    def _forget(self, connection: Connection) -> None:
        for idle in self._idle.values():
            if connection in idle:
                idle.remove(connection)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls
