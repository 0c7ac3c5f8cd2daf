"""The streaming proxy's enactment: the body goes on to S3 as it arrives, under a signature over the grant's headers."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

from gateway.asgi.wire import Reply
from gateway.content import HELD, mismatch
from gateway.policy.grant import Grant
from gateway.policy.problems import Code, Refusal
from gateway.proxy.answers import error_code, is_success, problem, relayed, unanswered
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer, encode_key
from gateway.storage.upstream import Answer, Upstream, UpstreamError

_LOG: Final = logging.getLogger(__name__)


class Forwarder:
    """Enacts grants by sending the bytes on; given the connection pool, where the bucket is, and who signs."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        endpoint: Endpoint,
        signer: Signer,
        clock: Callable[[], float],
    ) -> None:
        self._upstream = upstream
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock

    async def __call__(self, grant: Grant, body: AsyncIterator[bytes]) -> Reply | Refusal:
        """Stream the body to the grant's key; raises BodyAbortedError when the client breaks off."""
        head = await _first_bytes(body)
        wrong = mismatch(grant.content_type, b"".join(head), whole=sum(map(len, head)) == grant.size)
        if wrong is not None:
            return Refusal(code=Code.CONTENT_MISMATCH, detail=wrong)
        return await self._send(grant, _from(head, body))

    async def _send(self, grant: Grant, body: AsyncIterator[bytes]) -> Reply | Refusal:
        headers = grant.s3_headers()
        signed = self._signer.sign_headers(
            "PUT", self._endpoint.host, self._endpoint.path_for(grant.key), now=self._clock(), headers=headers
        )
        url = self._endpoint.url_for(grant.key)
        try:
            answer = await self._upstream.put(url, (*headers, *signed.items()), body, grant.size)
        except UpstreamError as error:
            _LOG.warning("S3 gave no answer to a PUT: %s", error)
            return unanswered(error)
        return _success(grant, answer) if is_success(answer) else _failure(answer)


async def _first_bytes(body: AsyncIterator[bytes]) -> list[bytes]:
    """The chunks with the bytes that tell a type from its signature: at least `HELD` of them, or all there are."""
    head: list[bytes] = []
    held = 0
    async for chunk in body:
        head.append(chunk)
        held += len(chunk)
        if held >= HELD:
            break
    return head


async def _from(head: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body whole again; what was held back is let go of as it is sent."""
    while head:
        yield head.pop(0)
    async for chunk in rest:
        yield chunk


def _failure(answer: Answer) -> Refusal:
    """The problem; the operator is told S3's own code, which may say that a clock or a right is wrong here."""
    refusal = problem(answer)
    if refusal.code is Code.STORAGE_UNAVAILABLE:
        _LOG.warning("S3 answered a PUT with %d %s", answer.status, error_code(answer) or "and no code of its own")
    return refusal


def _success(grant: Grant, answer: Answer) -> Reply:
    headers = [*relayed(answer), ("content-location", encode_key(grant.key))]
    if grant.checksum is not None:
        headers.append((grant.checksum.header, grant.checksum.value))
    return Reply(status=200, headers=tuple(headers))
