"""The streaming proxy's enactment: the body goes on to S3 as it arrives, under a signature over the grant's headers."""

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from awscrt.checksums import crc64nvme

from gateway.asgi.body import Body
from gateway.asgi.wire import Reply
from gateway.content import HELD, mismatch
from gateway.policy.grant import Grant
from gateway.policy.model import Algorithm
from gateway.policy.problems import Code, Refusal
from gateway.proxy.answers import (
    CHECKSUM_MISMATCH,
    STORAGE_UNAVAILABLE,
    error_code,
    is_success,
    problem,
    relayed,
    unanswered,
)
from gateway.storage import trailing
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer, encode_key
from gateway.storage.trailing import Framed
from gateway.storage.upstream import Answer, Headers, Upstream, UpstreamError

_LOG: Final = logging.getLogger(__name__)


class Integrity(StrEnum):
    """Which bodies that came without a checksum S3 holds against one of ours.

    `HELD`: those that are here whole before they go on. `ALL`: the others too, by a trailer, which is not for an S3
    that keeps the coding `aws-chunked` in the object (SeaweedFS does) or reads no CRC-64/NVME.
    """

    NONE = "none"
    HELD = "held"
    ALL = "all"


class Forwarder:
    """Enacts grants by sending the bytes on; given the connection pool, where the bucket is, and who signs."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        endpoint: Endpoint,
        signer: Signer,
        clock: Callable[[], float],
        integrity: Integrity = Integrity.NONE,
    ) -> None:
        self._upstream = upstream
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock
        self._integrity = integrity

    async def __call__(self, grant: Grant, body: Body) -> Reply | Refusal:
        """Stream the body to the grant's key; raises BodyAbortedError when the client breaks off."""
        first = await body.held(HELD)
        whole = len(first) == grant.size
        wrong = mismatch(grant.content_type, first, whole=whole)
        if wrong is not None:
            return Refusal(code=Code.CONTENT_MISMATCH, detail=wrong)
        return await self._send(grant, self._framed(grant, body, first if whole else None))

    def _framed(self, grant: Grant, body: Body, whole: bytes | None) -> Framed:
        """The request, with a checksum of ours where the client sent none; `whole` is a body that is all here."""
        headers = grant.s3_headers()
        if grant.checksum is None and self._integrity is not Integrity.NONE:
            if whole is not None:
                headers = (*headers, (trailing.HEADER, trailing.encoded(crc64nvme(whole))))
            elif self._integrity is Integrity.ALL:
                return trailing.framed(headers, body, grant.size, crc64nvme)
        return Framed(headers=headers, body=body, length=grant.size, whole=whole)

    async def _send(self, grant: Grant, framed: Framed) -> Reply | Refusal:
        path = self._endpoint.path_for(grant.key)
        signed = self._signer.sign_headers(
            "PUT",
            self._endpoint.host,
            path,
            now=self._clock(),
            headers=framed.headers,
            payload_hash=framed.payload_hash,
        )
        url = self._endpoint.url_for(grant.key)
        try:
            answer = await self._sent(url, (*framed.headers, *signed.items()), framed)
        except UpstreamError as error:
            _LOG.warning("S3 gave no answer to a PUT: %s", error)
            return unanswered(error)
        return _success(grant, answer) if is_success(answer) else _failure(grant, answer)

    async def _sent(self, url: str, headers: Headers, framed: Framed) -> Answer:
        if framed.whole is not None:
            return await self._upstream.put_whole(url, headers, framed.whole)
        return await self._upstream.put(url, headers, framed.body, framed.length)


def _failure(grant: Grant, answer: Answer) -> Refusal:
    """The problem; the operator is told S3's own code, which may say that a clock or a right is wrong here."""
    refusal = problem(answer)
    if refusal is CHECKSUM_MISMATCH and grant.checksum is None:
        refusal = STORAGE_UNAVAILABLE  # the checksum was ours: what changed the bytes stands between us and S3
    if refusal.code is Code.STORAGE_UNAVAILABLE:
        _LOG.warning("S3 answered a PUT with %d %s", answer.status, error_code(answer) or "and no code of its own")
    return refusal


def _success(grant: Grant, answer: Answer) -> Reply:
    headers = [*relayed(answer), ("content-location", encode_key(grant.key))]
    if grant.checksum is not None:
        headers.append((grant.checksum.header, grant.checksum.value))
        if grant.checksum.algorithm is Algorithm.SHA256:
            # Of the object that Content-Location names (RFC 9530 section 3.4), for who declared it in these words.
            headers.append(("repr-digest", f"sha-256=:{grant.checksum.value}:"))
    return Reply(status=200, headers=tuple(headers))
