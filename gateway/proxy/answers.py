"""S3's answer to a PUT, said in the gateway's words: which headers go on, and which problem an error is."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.policy.model import SINGLE_PUT_LIMIT
from gateway.policy.problems import Code, Refusal
from gateway.storage.upstream import Answer

RETRY_AFTER: Final = 5
"""Seconds to wait before a client tries a storage that was not available."""

RELAYED: Final = ("etag", "x-amz-version-id", "x-amz-checksum-type")
"""Headers of S3's success that mean something to a client, beside the checksum's own."""

_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")

STORAGE_UNAVAILABLE: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE,
    detail="Storage did not take the upload; nothing was stored. Try again.",
    retry_after=RETRY_AFTER,
)

_CHECKSUM_MISMATCH: Final = Refusal(
    code=Code.CHECKSUM_MISMATCH, detail="The bytes that arrived do not have the checksum that was declared."
)

_BY_CODE: Final[Mapping[str, Refusal]] = {
    "BadDigest": _CHECKSUM_MISMATCH,
    "InvalidDigest": _CHECKSUM_MISMATCH,
    "XAmzContentChecksumMismatch": _CHECKSUM_MISMATCH,
    "PreconditionFailed": Refusal(
        code=Code.OBJECT_EXISTS, detail="An object of this name exists and is not overwritten; use another name."
    ),
    "EntityTooLarge": Refusal(
        code=Code.SIZE_EXCEEDS_LIMIT,
        detail="Storage takes no object of this size in one PUT.",
        limit=SINGLE_PUT_LIMIT,
    ),
    "KeyTooLongError": Refusal(code=Code.NAME_INVALID, detail="The name makes a key that storage can't hold."),
}
"""S3's error codes (S3 API Reference, "List of error codes") that a client caused; any other is the storage's."""


def problem(answer: Answer) -> Refusal:
    """The problem behind an answer of S3 that is no success; S3's own text never goes on."""
    if answer.status == 412:
        return _BY_CODE["PreconditionFailed"]
    match = _CODE.search(answer.body)
    return _BY_CODE.get(match[1].decode("ascii"), STORAGE_UNAVAILABLE) if match else STORAGE_UNAVAILABLE


def relayed(answer: Answer) -> tuple[tuple[str, str], ...]:
    """The headers of S3's success that go on to the client."""
    return tuple((name, answer.headers[name]) for name in RELAYED if name in answer.headers)
