"""The sealed `key` that a client carries beside its `uploadId`: both must be of one upload, and the caller's own."""

from typing import Final

from gateway.asgi.problems import invalid_body
from gateway.policy.problems import Fault, Refusal
from presigner.access import NOT_FOUND
from presigner.sealing import Sealer
from presigner.upload import Upload

_PURPOSE: Final = "s3-key"

_LONGEST: Final = 512

_MISSING: Final = 'The object key must be passed as a query parameter. For example: "?key=abc.jpg".'


def sealed_key(upload_id: str, sealer: Sealer) -> str:
    """The key of the upload whose row has this id."""
    return sealer.seal(upload_id.encode(), purpose=_PURPOSE)


def key_refusal(values: list[str], upload: Upload, sealer: Sealer) -> Refusal | None:
    """Why the `key` parameters of a call are not this upload's one key; None if they are."""
    if len(values) != 1 or not values[0]:
        return invalid_body(Fault("/query/key", _MISSING))
    value = sealer.open(values[0], purpose=_PURPOSE) if len(values[0]) <= _LONGEST else None
    return None if value is not None and value.decode() == upload.id else NOT_FOUND
