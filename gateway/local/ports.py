"""Loopback ports that are ours to listen on, kept from start to start while they stay free.

A stable port keeps an issuer's name and the URLs already signed valid over a restart.
"""

import socket
from collections.abc import Callable, Iterable

from gateway.local.errors import DemoError

LOOPBACK = "127.0.0.1"

# Below 32768, where Linux takes the ports of outgoing connections from, so that none of those comes in between.
_CANDIDATES = range(20_000, 22_700)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now, also beside one that has just closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose(count: int, pick: Callable[[int], int], *, fits: Callable[[int], bool] = is_free) -> list[int]:
    """`count` different free ports; `pick(n)` returns a number below n (`secrets.randbelow`)."""
    candidates = list(_CANDIDATES)
    chosen: list[int] = []
    while candidates and len(chosen) < count:
        port = candidates.pop(pick(len(candidates)))
        if fits(port):
            chosen.append(port)
    if len(chosen) < count:
        raise DemoError(f"No {count} free ports were found on {LOOPBACK}.")
    return chosen


def demand_free(ports: Iterable[int]) -> None:
    """Raise a `DemoError` that names the first port somebody else listens on."""
    for port in ports:
        if not is_free(port):
            raise DemoError(f"Port {port} on {LOOPBACK} is in use: stop what listens there or choose another port.")
