"""API Gateway's own limits, which every upload through it meets before our code does."""

from collections.abc import Iterable
from typing import Final

from gateway.policy.model import Backend, Carriage

PAYLOAD_LIMIT: Final = 10_485_760
"""The most bytes of a request (API Gateway Developer Guide, "Quotas for REST APIs")."""

PATH_LIMIT: Final = 350
"""The most characters of an encoded path whose method ARN stays under the 512 of a policy's resource (same guide)."""


def carriage(metadata_keys: Iterable[str]) -> Carriage:
    """What an API carries whose definition maps these metadata keys."""
    return Carriage(
        backend=Backend.PROXY,
        max_size=PAYLOAD_LIMIT,
        advice="Use PUT /presigned or POST /uploads instead.",
        portable_names=True,
        max_encoded_name=PATH_LIMIT - len("/proxy/"),
        metadata_keys=frozenset(metadata_keys),
        object_headers=frozenset(),
    )
