"""Small objects of one bucket, read whole and replaced only where nobody else did meanwhile: blocking.

`If-Match` and `If-None-Match` on PutObject are S3's own ("How to prevent object overwrites with conditional writes", S3
User Guide), so that writers who know nothing of each other never lose each other's changes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.storage.endpoint import Endpoint
from gateway.storage.kept import KeptConnections, Reply
from gateway.storage.sigv4 import EMPTY_PAYLOAD, Signer, encode_key


@dataclass(frozen=True, slots=True)
class SmallObject:
    """An object's bytes and its ETag as S3 spells it, quotes included."""

    body: bytes = field(repr=False)
    etag: str


class ObjectError(OSError):
    """S3 answered, and not with what was asked for; `status` is its answer's."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(f"S3 answered a {method} with {status}")
        self.status = status


class SmallObjects:
    """GET and conditional PUT. `signer` is asked at every request, for credentials that are replaced as they age.

    `clock` gives seconds since the epoch. Where S3 does not answer, or as it should not, that is an `OSError`.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        signer: Callable[[], Signer],
        clock: Callable[[], float],
        connections: KeptConnections | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock
        self._connections = connections or KeptConnections(endpoint.origin)

    def get(self, key: str, *, within: float) -> SmallObject | None:
        """The object, None where there is none (`404`: the identity may list the bucket, else S3 says `403`)."""
        reply = self._ask("GET", key, within=within)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise ObjectError("GET", reply.status)
        return SmallObject(reply.body, reply.headers.get("etag", ""))

    def put(self, key: str, body: bytes, *, replaces: str | None, within: float) -> str | None:
        """Store the object in the place of the one with the ETag `replaces` (None: of none).

        Returns the new ETag, or None where the object is another one by now (`412`; `409`: another is being written;
        `404`: it is gone).
        """
        condition = ("if-none-match", "*") if replaces is None else ("if-match", replaces)
        reply = self._ask("PUT", key, body, headers=(condition,), within=within)
        if reply.status in {404, 409, 412}:
            return None
        if reply.status != 200:
            raise ObjectError("PUT", reply.status)
        return reply.headers.get("etag", "")

    def close(self) -> None:
        """Close what is kept."""
        self._connections.close()

    def _ask(
        self, method: str, key: str, body: bytes = b"", *, headers: tuple[tuple[str, str], ...] = (), within: float
    ) -> Reply:
        host, path = self._endpoint.host, self._endpoint.path_for(key)
        hashed = hashlib.sha256(body).hexdigest() if body else EMPTY_PAYLOAD
        signed = self._signer().sign_headers(
            method, host, path, now=self._clock(), headers=headers, payload_hash=hashed
        )
        return self._connections.exchange(
            method, encode_key(path), {"host": host, **dict(headers), **signed}, body, within=within
        )
