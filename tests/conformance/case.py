"""What a case is: one request, what must come of it, and the row of the table of differences where one is forced."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

Pairs = tuple[tuple[str, str], ...]

EVERYWHERE: Final = ("proxy", "presigned", "edge", "files")
"""The three backends, and the choice between them."""

_NUMBER: Final = re.compile(r"CVE-[0-9]{4}-[0-9]+")
_ODD: Final = re.compile(r"[^A-Za-z0-9]+")

UNIQUE: Final = "{u}"
"""Stands in a name for eight characters that no other exchange uses."""

UNIQUE_LENGTH: Final = 8

DATE: Final = "{date}"
"""Stands in a key for the UTC date of the upload, as `2026/11/23`."""

UUID: Final = "{uuid}"
"""Stands in a key for an id that the gateway makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The upload is in S3 with exactly the body, the request's type, `metadata` and the stored `headers`.

    `name` is the decoded name. `key` is `{tenant}/{name}` where it is left out, else written out with `{u}`, `{date}`
    and `{uuid}`.
    """

    name: str
    key: str | None = None
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
    - `issuer`: whose tokens: the deployment's own, or one of `issuers.TenantIssuers` by name.
    - `backends`: those that are asked.
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
    issuer: str = ""
    backends: tuple[str, ...] = EVERYWHERE

    @property
    def label(self) -> str:
        """The id with the rows that it covers before it: `-k S01` finds every case of the row S01."""
        return "-".join((*(slug(row) for row in self.rows), self.id))


def slug(row: str) -> str:
    """A row's id as a test's may hold it: of an advisory its number, of others the words."""
    number = _NUMBER.match(row)
    return _ODD.sub("-", row).strip("-") if number is None else number[0]


def refused(*codes: str, limit: int | None = None, advice: str | None = None) -> Refused:
    """A problem of one of `codes`."""
    return Refused(codes=codes, limit=limit, advice=advice)


def typed(content_type: str, *more: tuple[str, str]) -> Pairs:
    """`Content-Type` and other header pairs."""
    return (("Content-Type", content_type), *more)


def decoded(raw_name: str) -> str:
    """A raw name percent-decoded once: for cases where decoding is not what is in question."""
    return unquote_to_bytes(raw_name).decode("utf-8")
