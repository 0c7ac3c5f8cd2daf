"""An ASGI application as a Lambda function, for API Gateway (REST and HTTP) and function URLs.

Mangum runs the application; everything that an event says is read by `http_events` before Mangum sees it, because
Mangum decodes paths, lets line breaks through in headers, believes X-Forwarded-Proto and fails on an odd Host.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from mangum import Mangum

from gateway.asgi.verified import with_principal
from gateway.asgi.wire import Application, Message, Receive, Reply, Scope, Send, refusal_reply, send_reply
from gateway.functions.http_events import LambdaRequest, lambda_answer, read_event
from gateway.functions.iam_callers import TWO, IamCallers, unsigned, verified_arn
from gateway.policy.model import Principal
from gateway.policy.problems import INTERNAL_DETAIL, TYPE_PREFIX, Code, Refusal

_LOG: Final = logging.getLogger(__name__)

_ID: Final = "upload_gateway.request_id"

IAM_BASE: Final = b"/iam"
"""What stands before a path whose method demands a signature of AWS's; nothing of it is left for the application."""

Answer = dict[str, Any]


def request_id(scope: Scope) -> str:
    """The invocation's id, which no client can choose (API Gateway's own request id a client can)."""
    found: str = scope[_ID]
    return found


def own_loop() -> asyncio.AbstractEventLoop:
    """Give this thread an event loop, on which Mangum runs every event."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


@contextmanager
def passing_loop() -> Iterator[None]:
    """An event loop for a rehearsal, with nothing left of it afterwards."""
    loop = own_loop()
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class HttpFunction:
    """Answers events with an application. `prepare` is called before each, `opened` entered around each.

    Connections are kept no longer than one event: a sandbox is frozen between two, and what was open by then is dead.
    `settle` is called when the application has answered, and may put a refusal in the answer's place. `as_sent` are
    prefixes of paths that must come as they were on the wire, each with the answer where a service had decoded them.
    `callers` are those whom AWS verifies; without any a signature is no credential.
    """

    def __init__(
        self,
        application: Application,
        *,
        opened: AbstractAsyncContextManager[Any] | None = None,
        prepare: Callable[[], None] = lambda: None,
        settle: Callable[[], Refusal | None] = lambda: None,
        as_sent: Mapping[str, Refusal] | None = None,
        base_path: str = "",
        callers: IamCallers | None = None,
    ) -> None:
        self._callers = callers or IamCallers(())
        self._application = application
        self._opened = opened or nullcontext()
        self._prepare = prepare
        self._settle = settle
        self._as_sent = as_sent or {}
        self._base_path = base_path
        handlers: Any = [_Translated]
        self._mangum: Any = Mangum(self._answer, lifespan="off", custom_handlers=handlers)
        # At INFO it writes every path, and a ticket stands in one.
        logging.getLogger("mangum.http").setLevel(logging.WARNING)

    def __call__(self, event: object, context: object) -> Answer:
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
        if isinstance(request, LambdaRequest) and request.decoded:
            request = self._cut_off(request)
        if isinstance(request, Refusal):
            return refusal_reply(request, identifier)
        self._prepare()
        reply: Reply = self._mangum(self._of_caller(request, verified_arn(event), identifier), None)
        instead = self._settle()
        return reply if instead is None else refusal_reply(instead, identifier)

    def _of_caller(self, request: LambdaRequest, arn: str | None, identifier: str) -> dict[str, Any]:
        """What Mangum is handed: a signed request has its principal with it, and no more of its signature."""
        if arn is None or not self._callers:
            return {"request": request, "id": identifier}
        headers = unsigned(request.headers)
        other = any(name in {b"authorization", b"x-api-key"} for name, _ in headers)
        path = (
            request.raw_path.removeprefix(IAM_BASE)
            if request.raw_path.startswith(IAM_BASE + b"/")
            else request.raw_path
        )
        principal = TWO if other else self._callers.principal(arn)
        return {"request": replace(request, headers=headers, raw_path=path), "id": identifier, "principal": principal}

    def _cut_off(self, request: LambdaRequest) -> LambdaRequest | Refusal:
        """The request, or the refusal of a path that may lack its end."""
        found = (told for path, told in self._as_sent.items() if request.raw_path.startswith(f"{path}/".encode()))
        return next(found, request)

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
        self._principal: Principal | Refusal | None = event.get("principal")

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
        scope: dict[str, Any] = {
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
        return scope if self._principal is None else dict(with_principal(scope, self._principal))

    def __call__(self, response: dict[str, Any]) -> Reply:
        """The application's answer."""
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response["headers"])
        return Reply(status=response["status"], headers=headers, body=response["body"])


def answered_code(answer: Answer) -> str:
    """What an answer says in one word: the problem's code, else `ok`."""
    if answer["statusCode"] < 400:
        return "ok"
    try:
        return str(json.loads(answer["body"])["type"]).removeprefix(TYPE_PREFIX)
    except (ValueError, KeyError, TypeError):  # HEAD has no body, and a compressed one is none of ours
        return str(answer["statusCode"])
