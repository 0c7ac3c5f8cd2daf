"""The one decoder: a raw request, as it was on the wire, becomes an intent.

Each front makes a `RawRequest` from its own event and decodes nothing itself. What the contract refuses before the
credential (method, framing, query) is refused here; what comes later in the order of refusals is kept in the intent
for the rules to say.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from gateway.policy.headers import declared
from gateway.policy.model import Carriage, Intent, Minted
from gateway.policy.names import decode_name
from gateway.policy.problems import Code, Fault, Refusal

METHODS: Final = "PUT, OPTIONS"
"""The `Allow` of every upload resource."""

_LENGTH: Final = re.compile(r"[0-9]{1,30}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """A request untouched: nothing in it has been decoded, folded or normalised.

    `path` is the raw path from the request target, bytes that are not UTF-8 as surrogate escapes. `query` is empty
    where the target had none: API Gateway and CloudFront don't tell an empty one from none. `headers` are the pairs
    in their order on the wire.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    def values(self, name: str) -> tuple[str, ...]:
        """All values of the header `name` (lower-case), in order."""
        return tuple([value for key, value in self.headers if key.lower() == name])


def read_intent(raw: RawRequest, *, base: str, carriage: Carriage, minted: Minted) -> Intent | Refusal:
    """What a PUT under `base` (`/proxy`) wants, or the refusal that comes before any credential is looked at.

    A path that is not under `base` is nothing here: CloudFront runs the function for every path it serves.
    """
    if raw.path != base and not raw.path.startswith(base + "/"):
        return Refusal(code=Code.NOT_FOUND, detail="There is nothing at this path.")
    size = _framing(raw)
    if isinstance(size, Refusal):
        return size
    if raw.query:
        return Refusal(code=Code.QUERY_NOT_ALLOWED, detail="An upload's URL has no query string.")
    headers = declared(raw.headers)
    fault = headers.fault
    if fault is None and not carriage.adds_headers and raw.values("x-api-key"):
        fault = Refusal(
            code=Code.HEADER_NOT_ALLOWED,
            detail="A client repeats x-api-key to S3 when it follows the redirect; send Authorization: Bearer instead.",
        )
    return Intent(
        carriage=carriage,
        name=decode_name(raw.path.removeprefix(base).removeprefix("/")),
        size=size,
        content_type=headers.content_type,
        checksum=headers.checksum,
        create_only=headers.create_only,
        metadata=headers.metadata,
        object_headers=headers.object_headers,
        minted=minted,
        header_fault=fault,
        unread_headers=headers.unread,
    )


def is_preflight(raw: RawRequest) -> bool:
    """Whether this asks what is allowed (OPTIONS) instead of uploading."""
    return raw.method == "OPTIONS"


def _framing(raw: RawRequest) -> int | Refusal:
    """The declared length in bytes, after the method and the framing have been held to the contract."""
    if raw.method != "PUT":
        return Refusal(
            code=Code.METHOD_NOT_ALLOWED,
            detail="An upload is a PUT.",
            headers=(("allow", METHODS),),
        )
    lengths = raw.values("content-length")
    if raw.values("transfer-encoding") or not lengths:
        return Refusal(code=Code.LENGTH_REQUIRED, detail="Content-Length is required; chunked bodies are not taken.")
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0].strip(" \t")):
        detail = "Content-Length is not one whole number of bytes."
        return Refusal(code=Code.REQUEST_INVALID, detail=detail, errors=(Fault("/headers/content-length", detail),))
    return int(lengths[0])
