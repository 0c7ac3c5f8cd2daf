"""The presigned PUT: a `307` to a URL whose signature covers everything that was declared."""

from collections.abc import Callable
from typing import Final

from gateway.asgi.body import Body
from gateway.asgi.wire import Reply
from gateway.policy.grant import Grant
from gateway.policy.model import Backend, Carriage
from gateway.policy.problems import Code, Refusal
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer

BASE: Final = "/presigned"

ON_LAMBDA: Final = Carriage(
    backend=Backend.PRESIGNED, adds_headers=False, advice="Begin the upload with POST /uploads instead."
)
"""What a redirect can carry behind API Gateway: it adds no header, and a body of 4.5 MB waits for the answer."""

NO_CREDENTIALS: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE,
    detail="The gateway's own credentials for storage have run out; nothing was stored. Try again.",
    retry_after=5,
)


class Presigner:
    """Enacts grants by signing them; `clock` gives seconds since the epoch."""

    def __init__(self, *, endpoint: Endpoint, signer: Signer, clock: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock

    def url(self, grant: Grant) -> tuple[str, float] | Refusal:
        """A URL for exactly this PUT, and when it stops working (seconds since the epoch).

        It never outlives the credentials that sign it; where these have run out there is none.
        """
        now = self._clock()
        lifetime = self._signer.credentials.lifetime(grant.url_lifetime, now)
        if lifetime < 1:
            return NO_CREDENTIALS
        url = self._signer.presign(
            "PUT",
            self._endpoint.origin,
            self._endpoint.path_for(grant.key),
            expires=lifetime,
            now=now,
            headers=grant.s3_headers(),
        )
        return url, int(now) + lifetime

    async def redirect(self, grant: Grant, body: Body) -> Reply | Refusal:
        """The answer whose `Location` the client follows with the same method, headers and body, which is not read."""
        del body
        signed = self.url(grant)
        if isinstance(signed, Refusal):
            return signed
        return Reply(status=307, headers=(("location", signed[0]), ("cache-control", "no-store")))
