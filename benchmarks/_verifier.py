"""A service that verifies a token and answers 204 or 401, and does nothing else: what nginx's `auth_request` asks.

`python -m benchmarks._verifier ISSUER JWKS_URI AUDIENCE` prints its port and serves until it is ended. It verifies with
the same library as the gateway, keys cached, behind the same HTTP front: no policy, no quota, no rate, no audit.
"""

import asyncio
import sys

from gateway.asgi.wire import Receive, Scope, Send
from gateway.identity import HttpsFetcher, JwksCache, JwtVerifier
from gateway.identity.errors import JwtBaseError
from gateway.server.http1 import Server, new_event_loop


class Verifying:
    """The application (ASGI)."""

    def __init__(self, issuer: str, jwks_uri: str, audience: str) -> None:
        cache = JwksCache(fetcher=HttpsFetcher(allow_private=True))
        self._verifier = JwtVerifier.create(issuer=issuer, jwks_uri=jwks_uri, audience=audience, jwks_cache=cache)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one question."""
        found = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            await self._verifier.verify_async(found[0].decode("ascii").removeprefix("Bearer "))
            status = 204
        except (JwtBaseError, IndexError, UnicodeDecodeError):
            status = 401
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def main() -> None:
    """Serve."""
    issuer, jwks_uri, audience = sys.argv[1:]
    server = Server(Verifying(issuer, jwks_uri, audience))
    await server.start()
    print(server.port, flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
