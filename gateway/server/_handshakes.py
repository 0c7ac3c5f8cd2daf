"""Accepting connections that begin with a TLS handshake, so that one whose handshake is not over counts as one.

asyncio tells a protocol of a connection only when its handshake is done; until then nobody would bound how many there
are. So they are accepted here: a handshake has the time of a head, takes one of `max_connections`, and where there are
twice as many the next is dropped before a byte of it is read.
"""

import asyncio
import errno
import logging
import socket
import ssl
from typing import Final

from gateway.server._connection import Connection, Shared

_LOG: Final = logging.getLogger(__name__)

_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE: Final = 1.0
"""Seconds without a try where there is no descriptor or no memory for a connection: asyncio's own."""


class SecureListener:
    """Listens on a bound socket, now its own, from its making on; like `asyncio.Server` where that is used here."""

    def __init__(self, listener: socket.socket, shared: Shared, context: ssl.SSLContext, *, backlog: int) -> None:
        listener.setblocking(False)
        listener.listen(backlog)
        self._listener = listener
        self._shared = shared
        self._context = context
        self._handshakes: set[asyncio.Task[None]] = set()
        self._not_begun: set[socket.socket] = set()
        self._accepting = shared.loop.create_task(self._accept())

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket."""
        return (self._listener,)

    def close(self) -> None:
        """Take no more connections; handshakes under way are broken off, for nobody has asked for anything yet."""
        self._accepting.cancel()
        for handshake in self._handshakes:
            handshake.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing of it is left."""
        await asyncio.gather(self._accepting, *self._handshakes, return_exceptions=True)
        for connection in (self._listener, *self._not_begun):
            connection.close()

    async def _accept(self) -> None:
        while True:
            try:
                connection, _ = await self._shared.loop.sock_accept(self._listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _LOG.error("No connection can be taken: %s", error.strerror)
                    await asyncio.sleep(_PAUSE)
                continue  # anything else is about one connection that is gone already (accept(2))
            if self._shared.crowd >= 2 * self._shared.limits.max_connections:
                self._shared.observer.refused("dropped")
                connection.close()
                continue
            self._not_begun.add(connection)
            handshake = self._shared.loop.create_task(self._secure(connection))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)

    async def _secure(self, connection: socket.socket) -> None:
        """One handshake; what comes of it is told to the protocol."""
        self._not_begun.discard(connection)  # from here on it is the transport's to close
        shared, protocol = self._shared, Connection(self._shared)
        shared.handshakes.add(protocol)
        shared.observer.connections(1)
        try:
            await shared.loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=shared.limits.header_deadline,
                # Without a time for its end, a client that never answers a close would keep its connection.
                ssl_shutdown_timeout=shared.limits.linger_seconds,
            )
        except OSError:  # a failed handshake and one that took too long among them
            shared.observer.refused("handshake")
        finally:
            shared.handshakes.discard(protocol)
            shared.observer.connections(-1)
