"""What the gateway answers, as values: read once, here; what is not as the wire contract has it is `UnavailableError`.

Deadlines are on our own monotonic clock, by the gateway's `Date`, so that a wrong clock here spoils nothing.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from gateway.client.errors import UnavailableError

Signed = tuple[str, Mapping[str, str]]
"""A URL, and exactly the headers to send with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Signed URLs of parts by number, good until `deadline` (seconds of `time.monotonic`)."""

    parts: Mapping[int, Signed]
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An upload that was agreed on: `single` for the strategy `put`, else `part_size` and the URLs of the parts."""

    id: str
    strategy: str
    name: str
    part_size: int
    single: Signed
    urls: Urls


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """An upload's state, and the (bytes, unquoted ETag) of each part that S3 has."""

    state: str
    parts: Mapping[int, tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the caller's unfinished uploads."""

    id: str
    name: str
    size: int | None
    strategy: str
    created_at: str


@contextmanager
def reading(answer: httpx.Response) -> Iterator[None]:
    """Says so where an answer is not a gateway's, such as the page of a network that wants a login."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        host = answer.url.netloc.decode("ascii", "replace")
        raise UnavailableError(f"{host} answers, but not as a gateway does.") from None


def body_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer, an empty one for an empty answer."""
    with reading(answer):
        body = json.loads(answer.content or b"{}")
        return dict(body.items())


def plan(answer: httpx.Response) -> Plan:
    """The answer of `POST /uploads`."""
    body = body_of(answer)
    with reading(answer):
        return Plan(
            id=_text(body["id"]),
            strategy=_text(body["strategy"]),
            name=_text(body["name"]),
            part_size=int(body["part_size"] or 0),
            single=(body["url"] or "", dict(body["headers"])),
            urls=Urls(parts=_signed(body["parts"] or ()), deadline=_deadline(answer, body)),
        )


def urls(answer: httpx.Response) -> Urls:
    """The answer of `POST /uploads/{id}/parts`."""
    body = body_of(answer)
    with reading(answer):
        return Urls(parts=_signed(body["parts"]), deadline=_deadline(answer, body))


def first_size(answer: httpx.Response) -> int:
    """The bytes of the first part that an answer lists."""
    body = body_of(answer)
    with reading(answer):
        return max(1, int(body["parts"][0]["size"]))


def detail(answer: httpx.Response) -> Detail:
    """The answer of `GET /uploads/{id}`."""
    body = body_of(answer)
    with reading(answer):
        parts = {int(part["number"]): (int(part["size"]), part["etag"].strip('"')) for part in body["parts"]}
        return Detail(state=_text(body["state"]), parts=parts)


def listed(answer: httpx.Response) -> tuple[Sequence[Listed], str | None]:
    """A page of `GET /uploads`, and the cursor of the next."""
    body = body_of(answer)
    with reading(answer):
        found = [Listed(**{name: each[name] for name in Listed.__slots__}) for each in body["uploads"]]
        return found, body["cursor"]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _signed(parts: Sequence[Mapping[str, Any]]) -> dict[int, Signed]:
    return {int(part["number"]): (_text(part["url"]), dict(part["headers"])) for part in parts}


def _deadline(answer: httpx.Response, body: Mapping[str, Any]) -> float:
    try:
        now = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        now = datetime.now(UTC).timestamp()
    return datetime.fromisoformat(body["expires_at"]).timestamp() - now + time.monotonic()
