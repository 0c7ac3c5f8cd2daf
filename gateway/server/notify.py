"""What a service manager wants to hear (sd_notify(3)): that the service is ready, that it stops."""

import socket
from contextlib import suppress


def tell(address: str | None, state: str) -> None:
    """Send a state (`READY=1`) to the manager's socket, as `NOTIFY_SOCKET` names it; nobody is told where it is None.

    A leading `@` is an abstract socket's. A manager that does not listen is no reason to fail.
    """
    if address is None:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
