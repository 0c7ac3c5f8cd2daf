"""What S3 holds under a key: a look with the completer's identity, which may read what an upload made."""

from collections.abc import Callable

from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import EMPTY_PAYLOAD, Signer
from gateway.storage.upstream import Upstream, UpstreamError


class Objects:
    """Looks at single objects of one bucket; `clock` gives seconds since the epoch."""

    def __init__(self, *, upstream: Upstream, endpoint: Endpoint, signer: Signer, clock: Callable[[], float]) -> None:
        self._upstream = upstream
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock

    async def size(self, key: str) -> int | None:
        """The object's bytes, None where there is none; raises OSError when S3 does not say (HeadObject)."""
        signed = self._signer.sign_headers(
            "HEAD",
            self._endpoint.host,
            self._endpoint.path_for(key),
            now=self._clock(),
            payload_hash=EMPTY_PAYLOAD,
        )
        try:
            answer = await self._upstream.head(self._endpoint.url_for(key), tuple(signed.items()))
        except UpstreamError as error:
            raise OSError(str(error)) from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise OSError(f"S3 answered a HEAD with {answer.status}")
        return int(answer.headers["content-length"])
