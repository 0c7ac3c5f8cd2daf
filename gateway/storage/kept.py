"""Small requests to one host over connections that are kept: blocking, each with one deadline for all of it.

For whoever has no event loop: the publisher of the edge's documents and the edge function itself. Only the standard
library is imported, because this stands on the way of a cold start. Redirects are answers, proxies of the environment
are not read, and an answer longer than its bound is an error.
"""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.bounded import BoundedSocket

MOST_BYTES: Final = 16 * 1_048_576
"""Of an answer's body, unless the caller says otherwise."""

_HEAD_ALLOWANCE: Final = 65_536
_MOST_IDLE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: status, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class KeptConnections:
    """Connections to one `origin` (`https://host[:port]`); threads may share it, each request has one of its own.

    `tls` is made on first use where it is None. What goes wrong is an `OSError`; `TimeoutError` where time ran out.
    """

    def __init__(
        self, origin: str, *, tls: Any = None, most: int = MOST_BYTES, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        url = urlsplit(origin)
        self._secure = url.scheme == "https"
        self._host = url.hostname or ""
        self._port = url.port or (443 if self._secure else 80)
        self._tls = tls
        self._most = most
        self._monotonic = monotonic
        self._idle: list[socket.socket] = []

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", *, within: float
    ) -> Reply:
        """Send one request, `headers` with `host` among them, and read the answer within so many seconds.

        A kept connection may have been closed meanwhile, so what fails on one is tried again on a fresh one; callers
        send only what may be sent twice.
        """
        until = self._monotonic() + within
        message = _message(method, target, headers, body)
        while self._idle:
            try:
                return self._on(self._idle.pop(), method, message, until)
            except IndexError:  # another thread took the last one
                break
            except TimeoutError:
                raise
            except OSError:
                continue
        return self._on(self._connect(until), method, message, until)

    def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            self._idle.pop().close()

    def _on(self, connection: socket.socket, method: str, message: bytes, until: float) -> Reply:
        try:
            connection.settimeout(self._left(until))
            connection.sendall(message)
            bounded = BoundedSocket(connection, self._most + _HEAD_ALLOWANCE, lambda: self._left(until))
            response = HTTPResponse(bounded, method=method)  # type: ignore[arg-type]
            response.begin()
            reply = self._read(response)
        except HTTPException as error:
            connection.close()
            raise ConnectionError(f"the answer is not HTTP ({type(error).__name__})") from error
        except BaseException:
            connection.close()
            raise
        if response.will_close or len(self._idle) >= _MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        return reply

    def _read(self, response: HTTPResponse) -> Reply:
        body = response.read(self._most + 1)
        if len(body) > self._most:
            raise OSError(f"the answer is longer than {self._most} bytes")
        if response.length:
            raise ConnectionError("the answer ended early")
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(status=response.status, headers=headers, body=body)

    def _connect(self, until: float) -> socket.socket:
        connection = socket.create_connection((self._host, self._port), timeout=self._left(until))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._secure:
            return connection
        try:
            connection.settimeout(self._left(until))
            secured: socket.socket = self._context().wrap_socket(connection, server_hostname=self._host)
        except BaseException:
            connection.close()
            raise
        return secured

    def _context(self) -> Any:
        if self._tls is None:
            import ssl  # noqa: PLC0415 - one machine speaks to its own S3 without it

            self._tls = ssl.create_default_context()
        return self._tls

    def _left(self, until: float) -> float:
        left = until - self._monotonic()
        if left <= 0:
            raise TimeoutError("no time is left")
        return left


def _message(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body or method in {"PUT", "POST"}:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
