"""The presigner on AWS Lambda: `presigner.lambda_handler.handler`, for API Gateway (REST and HTTP) and function URLs.

Built once a sandbox, from the environment; each event then becomes the same request that the HTTP front would make of
it. Mangum runs the application; everything that an event says is read by `lambda_events` before Mangum sees it,
because Mangum decodes paths, lets line breaks through in headers, believes X-Forwarded-Proto and fails on an odd Host.
"""

import asyncio
import functools
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from mangum import Mangum

from gateway.asgi.wire import Application, Message, Receive, Reply, Scope, Send, refusal_reply, send_reply
from gateway.policy.problems import INTERNAL_DETAIL, Code, Refusal
from presigner.lambda_events import LambdaRequest, lambda_answer, read_event
from presigner.lambda_settings import LambdaSettings
from presigner.redirect import BASE

_LOG: Final = logging.getLogger(__name__)

_ID: Final = "upload_gateway.request_id"

_CUT_OFF: Final = Refusal(
    code=Code.NOT_FOUND,
    detail=f"There is no {BASE} behind an HTTP API, which hands on names decoded and cut off; use POST /uploads.",
)


def request_id(scope: Scope) -> str:
    """The invocation's id, which no client can choose (API Gateway's own request id a client can)."""
    found: str = scope[_ID]
    return found


class LambdaPresigner:
    """Answers events with an application. `prepare` is called before each, `opened` entered around each.

    Connections are kept no longer than one event: a sandbox is frozen between two, and what was open by then is dead.
    """

    def __init__(
        self,
        application: Application,
        *,
        opened: AbstractAsyncContextManager[Any],
        prepare: Callable[[], None] = lambda: None,
        base_path: str = "",
    ) -> None:
        self._application = application
        self._opened = opened
        self._prepare = prepare
        self._base_path = base_path
        handlers: Any = [_Translated]
        self._mangum: Any = Mangum(self._answer, lifespan="off", custom_handlers=handlers)
        # At INFO it writes every path, and a ticket stands in one.
        logging.getLogger("mangum.http").setLevel(logging.WARNING)

    def __call__(self, event: object, context: object) -> dict[str, Any]:
        """The answer; whatever the event is, this raises nothing."""
        given = getattr(context, "aws_request_id", None)
        identifier = given if isinstance(given, str) and given.isascii() and given else secrets.token_hex(16)
        try:
            reply = self._reply(event, identifier)
        except Exception:  # noqa: BLE001 - API Gateway answers a function that raises with a 502 no client can read
            _LOG.exception("The invocation %s failed", identifier)
            reply = refusal_reply(Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL), identifier)
        return lambda_answer(reply, event, identifier)

    def _reply(self, event: object, identifier: str) -> Reply:
        request = read_event(event, base_path=self._base_path)
        if isinstance(request, LambdaRequest) and request.decoded and request.raw_path.startswith(f"{BASE}/".encode()):
            request = _CUT_OFF
        if isinstance(request, Refusal):
            return refusal_reply(request, identifier)
        self._prepare()
        reply: Reply = self._mangum({"request": request, "id": identifier}, None)
        return reply

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with a whole answer whatever it does: Lambda streams nothing, so nothing is lost by it."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            async with self._opened:
                await self._application(scope, receive, keep)
        except Exception:  # noqa: BLE001 - Mangum's own words for it are no problem of the catalogue
            _LOG.exception("The request %s failed", scope[_ID])
            messages = []
        if not messages or messages[-1].get("more_body"):
            await send_reply(send, refusal_reply(Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL), scope[_ID]))
            return
        for message in messages:
            await send(message)


class _Translated:
    """What Mangum is handed in place of an event: a request that was read before (Mangum's `LambdaHandler`)."""

    def __init__(self, event: dict[str, Any], _context: object, _config: object) -> None:
        self._request: LambdaRequest = event["request"]
        self._id: str = event["id"]

    @classmethod
    def infer(cls, _event: object, _context: object, _config: object) -> bool:
        """Always: nothing else is ever handed to Mangum here."""
        return True

    @property
    def body(self) -> bytes:
        """The request's body."""
        return self._request.body

    @property
    def scope(self) -> dict[str, Any]:
        """The ASGI scope, of the wire's own bytes; what a header says of scheme and host is believed of none."""
        request = self._request
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "https",
            "path": unquote_to_bytes(request.raw_path).decode("utf-8", "replace"),
            "raw_path": request.raw_path,
            "query_string": request.query,
            "root_path": "",
            "headers": list(request.headers),
            "client": None if request.client is None else (request.client, 0),
            "server": ("lambda", 443),
            _ID: self._id,
        }

    def __call__(self, response: dict[str, Any]) -> Reply:
        """The application's answer."""
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response["headers"])
        return Reply(status=response["status"], headers=headers, body=response["body"])


@functools.cache
def _of_this_sandbox() -> LambdaPresigner:
    from presigner.lambda_wiring import wired  # noqa: PLC0415 - the translation is usable without AWS's libraries

    # Mangum runs every event on the thread's own event loop.
    asyncio.set_event_loop(asyncio.new_event_loop())
    return wired(LambdaSettings.from_environment(os.environ))


def handler(event: object, context: object) -> dict[str, Any]:
    """What Lambda calls; the first call builds everything, and raises LambdaSettingsError where that can't be."""
    return _of_this_sandbox()(event, context)
