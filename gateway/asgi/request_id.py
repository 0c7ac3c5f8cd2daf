"""What every answer carries, for applications that do not stamp their own: the request's id, and what is left."""

from gateway.allowance import Caller
from gateway.asgi.front import RequestIds
from gateway.asgi.wire import Application, Message, Receive, Scope, Send

STATE_KEY = "request_id"

CALLER_KEY = "caller"
"""Where an application puts the `Caller`, once it is known."""


class WithRequestId:
    """Gives each request an id in `scope["state"]["request_id"]` and each answer its `X-Request-Id` (ASGI).

    The answer to a caller whose rate or quota was asked about carries the `RateLimit` headers, too, unless it has them.
    """

    def __init__(self, application: Application, request_ids: RequestIds) -> None:
        self._application = application
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = self._request_ids(scope)
        scope.setdefault("state", {})[STATE_KEY] = request_id

        async def stamp(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode("latin-1"))]
                message["headers"] = headers + _limits(scope["state"].get(CALLER_KEY), {name for name, _ in headers})
            await send(message)

        await self._application(scope, receive, stamp)


def _limits(caller: object, there: set[bytes]) -> list[tuple[bytes, bytes]]:
    said = caller.limits if isinstance(caller, Caller) else {}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said.items()]
    return [pair for pair in pairs if pair[0] not in there]
