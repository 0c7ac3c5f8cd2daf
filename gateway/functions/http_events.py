"""Lambda's HTTP events to requests and back: pure, strict, and never an exception whatever an event holds.

Three services send them, and they don't agree about the path (measured by others against the live services, and to be
shown again by `infra/verify`): a REST API and a function URL hand it on as it was on the wire; an HTTP API decodes it,
and cuts it off at a `?` that was encoded. What was decoded is encoded again here, so that it is decoded once, like
everything else, and what can't be trusted to be whole is marked (`LambdaRequest.decoded`).

API Gateway Developer Guide, "Input format of a Lambda function for proxy integration" (REST) and "Create AWS Lambda
proxy integrations for HTTP APIs" (formats 1.0 and 2.0); Lambda Developer Guide, "Request and response payloads".
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from gateway.asgi.wire import Headers, Reply, refusal_reply
from gateway.policy.problems import INTERNAL_DETAIL, Code, Fault, Refusal

MOST_BYTES: Final = 6_291_456
"""Of an answer, as the JSON that the function returns (Lambda quotas: 6 MB for a synchronous invocation)."""

BODY_BYTES: Final = 5_000_000
"""Of an answer's own text: what is left for escaping it into that JSON and for its headers."""

_HEAD_ROOM: Final = 65_536
"""Bytes that an answer's headers never have."""

_UNRESERVED_AND_MORE: Final = "/%:@!$&'()*+,;=~-._"
"""What a raw path holds unencoded (RFC 3986 section 3.3: pchar), and the percent sign of what is encoded."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_NOT_SENT: Final = frozenset({"connection", "content-length", "date", "transfer-encoding"})
"""Headers that API Gateway makes itself, and renames where a function sends them ("Important notes")."""

_TEXT: Final = ("application/json", "application/problem+json", "text/")


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaRequest:
    """A request as ASGI has it: path and query as on the wire, header names in lower case.

    `decoded`: the path had been decoded before we saw it, and may lack its end.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    client: str | None = None
    decoded: bool = False


class _UnreadableError(Exception):
    """The event is none of ours; the text says what is wrong with it, and nothing of what it holds."""


def read_event(event: object, *, base_path: str = "") -> LambdaRequest | Refusal:
    """The request in an event; `base_path` (`/v1`) is what stands before every path, as a custom domain maps it.

    Whatever is no event of the three services is a `request-invalid`.
    """
    try:
        return _read(_object(event, "event"), base_path)
    except _UnreadableError as error:
        detail = f"The event is not an HTTP request: {error}."
        return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=(Fault("", detail),))


def _read(event: Mapping[str, Any], base_path: str) -> LambdaRequest:
    context = _object(event.get("requestContext"), "requestContext")
    if event.get("version") == "2.0":
        http = _object(context.get("http"), "requestContext.http")
        decoded = not _is_function_url(context)
        path = _without(_text(event.get("rawPath"), "rawPath"), _stage(context))
        method, client = http.get("method"), http.get("sourceIp")
        query = _encoded(_text(event.get("rawQueryString", ""), "rawQueryString"), _UNRESERVED_AND_MORE + "?")
        pairs = _single_headers(event.get("headers"))
    else:
        decoded = event.get("version") == "1.0"  # an HTTP API with the older format
        path, method = _text(event.get("path"), "path"), event.get("httpMethod")
        client = _object(context.get("identity") or {}, "requestContext.identity").get("sourceIp")
        query = _query(event)
        pairs = _headers(event)
    return LambdaRequest(
        method=_method(method),
        raw_path=_path(_without(path, base_path), decoded=decoded),
        query=query,
        headers=tuple(_header(name, value) for name, value in pairs),
        body=_body(event),
        client=client if isinstance(client, str) else None,
        decoded=decoded,
    )


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _UnreadableError(f"{name} is no object")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise _UnreadableError(f"{name} is no text")
    return value


def _method(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise _UnreadableError("its method is no token")
    return value


def _is_function_url(context: Mapping[str, Any]) -> bool:
    """A function URL says its own domain, which its owner can't choose and its callers can't change."""
    domain = context.get("domainName")
    return isinstance(domain, str) and ".lambda-url." in domain and domain.endswith(".on.aws")


def _stage(context: Mapping[str, Any]) -> str:
    """What an HTTP API puts before the path where its stage is not the default one."""
    stage = context.get("stage")
    return f"/{stage}" if isinstance(stage, str) and stage not in {"", "$default"} else ""


def _without(path: str, prefix: str) -> str:
    """The path after a prefix of whole segments; as it is where that does not stand there."""
    if prefix and path.startswith(f"{prefix}/"):
        return path.removeprefix(prefix)
    return "/" if prefix and path == prefix else path


def _path(path: str, *, decoded: bool) -> bytes:
    if not path.startswith("/"):
        raise _UnreadableError("its path does not begin with a slash")
    return _encoded(path, "/" if decoded else _UNRESERVED_AND_MORE)


def _encoded(text: str, safe: str) -> bytes:
    try:
        return quote(text, safe=safe).encode("ascii")
    except UnicodeEncodeError:
        raise _UnreadableError("it holds half a character") from None


def _query(event: Mapping[str, Any]) -> bytes:
    """The query of a REST API's event, which has it decoded; repeated parameters are all there."""
    many = event.get("multiValueQueryStringParameters")
    if many is None:
        single = _object(event.get("queryStringParameters") or {}, "queryStringParameters")
        many = {name: [value] for name, value in single.items()}
    pairs = [
        (name, _text(value, "a query parameter"))
        for name, values in _object(many, "multiValueQueryStringParameters").items()
        for value in _list(values, "a query parameter")
    ]
    return b"&".join(_encoded(name, "") + b"=" + _encoded(value, "") for name, value in pairs)


def _headers(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All headers of a REST API's event, repeated ones too."""
    many = event.get("multiValueHeaders")
    if many is None:
        return _single_headers(event.get("headers"))
    return [
        (name, _text(value, "a header"))
        for name, values in _object(many, "multiValueHeaders").items()
        for value in _list(values, "a header")
    ]


def _single_headers(headers: object) -> list[tuple[str, str]]:
    """Headers of format 2.0, where the service has joined repeated ones with commas."""
    return [(name, _text(value, "a header")) for name, value in _object(headers or {}, "headers").items()]


def _list(values: object, name: str) -> list[Any]:
    if not isinstance(values, list):
        raise _UnreadableError(f"{name} is no list")
    return values


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if not _TOKEN.fullmatch(name) or _CONTROL.search(value):
        raise _UnreadableError("a header has a character that no header has")
    try:
        return name.lower().encode("ascii"), value.strip(" \t").encode("latin-1" if _is_latin(value) else "utf-8")
    except UnicodeEncodeError:
        raise _UnreadableError("a header holds half a character") from None


def _is_latin(value: str) -> bool:
    return all(ord(character) < 256 for character in value)


def _body(event: Mapping[str, Any]) -> bytes:
    body, encoded = event.get("body"), event.get("isBase64Encoded", False)
    if body is None:
        return b""
    if not isinstance(body, str) or not isinstance(encoded, bool):
        raise _UnreadableError("its body is no text")
    try:
        return base64.b64decode(body, validate=True) if encoded else body.encode()
    except (binascii.Error, ValueError):
        raise _UnreadableError("its body is not what it is said to be") from None


def lambda_answer(reply: Reply, event: object, request_id: str) -> dict[str, Any]:
    """The answer to an event in its own format; one that Lambda would not carry is a problem instead."""
    answer = _answer(reply, event)
    if (
        len(reply.body) <= MOST_BYTES // 2 - _HEAD_ROOM
        or len(json.dumps(answer, ensure_ascii=False).encode()) <= MOST_BYTES
    ):
        return answer
    return _answer(refusal_reply(Refusal(code=Code.INTERNAL, detail=INTERNAL_DETAIL), request_id), event)


def _answer(reply: Reply, event: object) -> dict[str, Any]:
    kept = [(name.lower(), value) for name, value in reply.headers if name.lower() not in _NOT_SENT]
    plain, grouped = _is_text(kept), _grouped(kept)
    # API Gateway adds the two members up where an answer has both.
    joined = not isinstance(event, Mapping) or event.get("version") == "2.0"
    headers = {"headers": {name: ", ".join(values) for name, values in grouped.items()}}
    return {
        "statusCode": reply.status,
        **(headers if joined else {"multiValueHeaders": grouped}),
        "body": reply.body.decode() if plain else base64.b64encode(reply.body).decode("ascii"),
        "isBase64Encoded": not plain,
    }


def _grouped(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name, []).append(value)
    return grouped


def _is_text(headers: Headers | list[tuple[str, str]]) -> bool:
    said = dict(headers)
    return "content-encoding" not in said and said.get("content-type", "text/").startswith(_TEXT)
