"""S3's answer to a PUT, said in the gateway's words: which headers go on, and which problem an error is."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.policy.model import SINGLE_PUT_LIMIT
from gateway.policy.problems import Code, Refusal
from gateway.storage.upstream import Answer, UpstreamError

RETRY_AFTER: Final = 5
"""Seconds to wait before a client tries a storage that was not available."""

RELAYED: Final = ("etag", "x-amz-version-id", "x-amz-checksum-type")
"""Headers of S3's success that mean something to a client, beside the checksum's own."""

_UNSURE: Final = frozenset({500, 502, 504})
"""Statuses after which the object may be there: something failed, and nobody says that nothing was done."""

_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")

STORAGE_UNAVAILABLE: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE,
    detail="Storage did not take the upload; nothing was stored. Try again.",
    retry_after=RETRY_AFTER,
)

UNCONFIRMED: Final = Refusal(
    code=Code.STORAGE_UNAVAILABLE,
    detail=(
        "The whole upload was sent, but storage did not confirm it, so it may have been stored. Send it again; "
        "if the answer then is object-exists, something is stored under this name."
    ),
    retry_after=RETRY_AFTER,
    outcome_unknown=True,
)
"""Nobody can know: a look into the bucket would not tell, because S3 may be storing it still."""

CHECKSUM_MISMATCH: Final = Refusal(
    code=Code.CHECKSUM_MISMATCH, detail="The bytes that arrived do not have the checksum that was declared."
)

OBJECT_EXISTS: Final = Refusal(
    code=Code.OBJECT_EXISTS, detail="An object of this name exists and is not overwritten; use another name."
)

_BY_CODE: Final[Mapping[str, Refusal]] = {
    "BadDigest": CHECKSUM_MISMATCH,
    "InvalidDigest": CHECKSUM_MISMATCH,
    "XAmzContentChecksumMismatch": CHECKSUM_MISMATCH,
    "PreconditionFailed": OBJECT_EXISTS,
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
        return OBJECT_EXISTS
    code = error_code(answer)
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    refused = code is not None and answer.status not in _UNSURE
    return STORAGE_UNAVAILABLE if refused or not answer.sent_all else UNCONFIRMED


def unanswered(error: UpstreamError) -> Refusal:
    """The problem where S3 gave no answer."""
    return UNCONFIRMED if error.sent_all else STORAGE_UNAVAILABLE


def error_code(answer: Answer) -> str | None:
    """S3's own word for an error, None where the answer has none and so may not be S3's at all."""
    match = _CODE.search(answer.body)
    return match[1].decode("ascii") if match else None


def is_success(answer: Answer) -> bool:
    """Whether S3 says that it has stored the object: a 200 with the ETag that "PutObject" always answers."""
    return answer.status == 200 and "etag" in answer.headers


def relayed(answer: Answer) -> tuple[tuple[str, str], ...]:
    """The headers of S3's success that go on to the client."""
    return tuple((name, answer.headers[name]) for name in RELAYED if name in answer.headers)
