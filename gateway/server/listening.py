"""The sockets that clients connect to: one a worker on a port, one for all on a Unix path.

With SO_REUSEPORT the kernel spreads connections over the workers' sockets by a hash of the client's address
(socket(7)), which measured evenly, where of workers that share one socket a single one took up to half of a burst.
Whoever makes the sockets keeps them open, so that a connection which waits for a worker that died is not reset.
"""

import errno
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_BACKLOG: Final = 2_048
_UNIX_MODE: Final = 0o660


def on_port(host: str, port: int, *, workers: int = 1) -> list[socket.socket]:
    """A bound socket for each worker, all on the same port (0: any free one); raises `OSError` where it is in use."""
    first = _bound(host, port, shared=False)
    if workers == 1:
        return [first]
    # The first look was alone on the port: with SO_REUSEPORT another gateway of this user would go unnoticed.
    port = first.getsockname()[1]
    first.close()
    made: list[socket.socket] = []
    try:
        while len(made) < workers:
            made.append(_bound(host, port, shared=True))
    except OSError:
        close_all(made)
        raise
    return made


def on_path(path: Path, *, workers: int = 1) -> list[socket.socket]:
    """One socket for all workers at a path, mode 0660; what a dead gateway left there is replaced.

    Raises `OSError` where something else is there, or somebody listens.
    """
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o777 & ~_UNIX_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return [listener, *(listener.dup() for _ in range(workers - 1))]


def close_all(listeners: Sequence[socket.socket], *, but: int | None = None) -> None:
    """Close all sockets, or all but one of them, in this process."""
    for number, listener in enumerate(listeners):
        if number != but:
            listener.close()


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _clear(path: Path) -> None:
    """Take away a socket that nobody listens on."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
