"""What the kernel is asked or told of a connection: how much of an answer is not taken, and for how long it may be."""

import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Iterable
from typing import Any, Final

_NOT_ANOTHER_BYTE: Final = struct.pack("ii", 1, 0)
"""The kernel's `struct linger` that resets a connection as it is closed (socket(7))."""


def untaken(connection: Any) -> int:
    """Bytes in the kernel that the other end has not acknowledged (tcp(7), SIOCOUTQ); 0 where nobody can say."""
    try:
        said = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except (AttributeError, OSError):
        return 0
    return int.from_bytes(said, sys.byteorder)


def reset_when_closed(connection: Any) -> None:
    """Have a close drop what the other end has not taken, and tell it so.

    Closed as usual, such a connection would stay in the kernel with its buffers full, asking again and again whether
    there is room (RFC 9293 section 3.8.6.1).
    """
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOT_ANOTHER_BYTE)


def give_up_after(listeners: Iterable[Any], seconds: float) -> None:
    """Have the kernel end connections whose other end takes nothing for so long, also after they were closed.

    Accepted connections inherit it (tcp(7), TCP_USER_TIMEOUT). Where there is no such option nothing changes.
    """
    option: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
    for listener in listeners:
        if option is not None and listener.family in (socket.AF_INET, socket.AF_INET6):
            listener.setsockopt(socket.IPPROTO_TCP, option, max(1, int(seconds * 1000)))
