"""What a case is: one request, what must come of it, and the row of the table of differences where one is forced."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

Pairs = tuple[tuple[str, str], ...]

UNIQUE: Final = "{u}"
"""Stands in a name for eight characters that no other exchange uses."""

UNIQUE_LENGTH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The upload is in S3 under `{tenant}/{name}` with exactly the body, the request's type and `metadata`."""

    name: str
    metadata: Pairs = ()
    body: bytes | None = None
    content_type: str | None = None
    headers: Pairs = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A problem of one of `codes` (one, but where the contract leaves a choice), and nothing stored.

    `limit` is the problem's member of that name, `advice` a word its detail must hold, `pointer` the first of `errors`.
    """

    codes: tuple[str, ...]
    limit: int | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedByS3:
    """S3's own answer, in its own XML with one of its own `codes`, and nothing stored."""

    status: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Any answer with one of `statuses`, and nothing stored."""

    statuses: tuple[int, ...]


Expectation = Stored | Refused | RefusedByS3 | Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Forced:
    """On the backends of the table's `row`, `expect` holds instead."""

    row: str
    expect: Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request to every backend.

    - `rows`: what it covers, ids of controls, threats and incidents.
    - `raw_name`: the name as it stands in the request target, `{u}` made unique; `query` with its question mark.
    - `headers`: all of them but `Host` and the credential; `credential` a name of `credentials.MAKERS`.
    - `length`: the value of `Content-Length`; None leaves it out, `"auto"` counts the body.
    - `seed`: what already lies under the key when the request comes.
    - `malformed`: no HTTP/1.1 message; what stands before the gateway may refuse it in its own status.
    - `head_only`: the body is declared and never sent, for sizes nobody sends in a test.
    """

    id: str
    rows: tuple[str, ...]
    expect: Expectation
    raw_name: str = "{u}/a.txt"
    tenant: str = "acme"
    method: str = "PUT"
    query: str = ""
    headers: Pairs = (("Content-Type", "text/plain"),)
    hop_headers: Pairs = ()
    body: bytes = b"upload me\n"
    length: str | None = "auto"
    credential: str = "good"
    forced: tuple[Forced, ...] = ()
    seed: bytes | None = None
    malformed: bool = False
    head_only: bool = False
    files: bool = True


def refused(*codes: str, limit: int | None = None, advice: str | None = None) -> Refused:
    """A problem of one of `codes`."""
    return Refused(codes=codes, limit=limit, advice=advice)


def typed(content_type: str, *more: tuple[str, str]) -> Pairs:
    """`Content-Type` and other header pairs."""
    return (("Content-Type", content_type), *more)


def decoded(raw_name: str) -> str:
    """A raw name percent-decoded once: for cases where decoding is not what is in question."""
    return unquote_to_bytes(raw_name).decode("utf-8")
