"""A request id for applications that do not stamp their own answers."""

from gateway.asgi.front import RequestIds
from gateway.asgi.wire import Application, Message, Receive, Scope, Send

STATE_KEY = "request_id"


class WithRequestId:
    """Gives each request an id in `scope["state"]["request_id"]` and each answer its `X-Request-Id` (ASGI)."""

    def __init__(self, application: Application, request_ids: RequestIds) -> None:
        self._application = application
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = self._request_ids(scope)
        scope.setdefault("state", {})[STATE_KEY] = request_id

        async def stamp(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        await self._application(scope, receive, stamp)
