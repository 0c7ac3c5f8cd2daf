"""JSON as it goes out, compressed where the client takes it and there is something to win.

10,000 URLs are some megabytes of text that repeats itself; without compression they would not pass AWS Lambda's limit
of 6 MB for an answer (AWS Lambda quotas).
"""

import gzip as gzip_format
import json
from collections.abc import Iterable
from typing import Any, Final

from fastapi import Response

from gateway.asgi.wire import Headers, Reply

_HEADERS: Final = (
    ("content-type", "application/json"),
    ("cache-control", "no-store"),
    ("vary", "Accept-Encoding"),
)

_PLAIN: Final[Headers] = ()
_PACKED: Final[Headers] = (("content-encoding", "gzip"),)

_WORTH_IT: Final = 4096
"""Bytes below which nothing is compressed."""

_LEVEL: Final = 1
"""Signatures don't compress, and what does is found at the first level."""


def accepts_gzip(values: Iterable[str]) -> bool:
    """Whether `Accept-Encoding` takes gzip (RFC 9110 section 12.5.3); anything unclear is a no."""
    for item in ",".join(values).split(","):
        coding, _, weight = item.replace(" ", "").lower().partition(";q=")
        if coding in {"gzip", "x-gzip"}:
            return weight == "" or weight.strip("0.") != ""
    return False


def fitting(body: dict[str, Any], most: int | None) -> dict[str, Any]:
    """The body with as many of its `parts`, from the first on, as make it no longer than `most` bytes.

    A client knows by `part_count`, or by what it asked for, that there are more, and asks for them by number.
    """
    parts = body.get("parts")
    if most is None or not parts:
        return body
    left = most - _length({**body, "parts": []})
    for count, part in enumerate(parts):
        left -= _length(part) + 1
        if left < 0:
            return {**body, "parts": parts[:count]}
    return body


def _length(value: Any) -> int:
    return len(_encoded(value))


def _encoded(value: Any) -> bytes:
    return _ENCODER.encode(value).encode()


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_reply(body: dict[str, Any] | list[Any], *, status: int = 200, gzip: bool = False) -> Reply:
    """The answer, never to be stored: it carries URLs that are permissions."""
    content, packed = _encoded(body), _PLAIN
    if gzip and len(content) >= _WORTH_IT:
        content, packed = gzip_format.compress(content, _LEVEL, mtime=0), _PACKED
    return Reply(status=status, headers=(*_HEADERS, *packed), body=content)


def json_answer(body: dict[str, Any] | list[Any], *, status: int = 200, gzip: bool = False) -> Response:
    """The same as a framework's response."""
    return framed(json_reply(body, status=status, gzip=gzip))


def framed(reply: Reply) -> Response:
    """A reply as a framework's response."""
    return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))
