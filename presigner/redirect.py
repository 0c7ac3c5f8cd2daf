"""The presigned PUT: a `307` to a URL whose signature covers everything that was declared."""

from collections.abc import AsyncIterator, Callable

from gateway.asgi.wire import Reply
from gateway.policy.grant import Grant
from gateway.policy.problems import Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer


class Presigner:
    """Enacts grants by signing them; `clock` gives seconds since the epoch."""

    def __init__(self, *, endpoint: Endpoint, signer: Signer, clock: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock

    def url(self, grant: Grant) -> tuple[str, float]:
        """A URL for exactly this PUT, and when it stops working (seconds since the epoch)."""
        now = self._clock()
        lifetime = max(1, self._signer.credentials.lifetime(grant.url_lifetime, now))
        url = self._signer.presign(
            "PUT",
            self._endpoint.origin,
            self._endpoint.path_for(grant.key),
            expires=lifetime,
            now=now,
            headers=grant.s3_headers(),
        )
        return url, int(now) + lifetime

    async def redirect(self, grant: Grant, body: AsyncIterator[bytes]) -> Reply | Refusal:  # noqa: ARG002 - the body goes elsewhere
        """The answer whose `Location` the client follows with the same method, headers and body."""
        url, _ = self.url(grant)
        return Reply(status=307, headers=(("location", url), ("cache-control", "no-store")))
