"""What each backend can carry on a deployment: the wire contract's table of forced differences, as data."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from gateway.policy.headers import METADATA_PREFIX
from gateway.policy.model import Algorithm, Backend, Carriage, Checksum
from gateway.proxy.api_gateway import carriage
from gateway.proxy.definition import definition
from presigner.redirect import ON_LAMBDA


class Limits(StrEnum):
    """Whose limits hold: only the machine's own, or those that AWS sets around each backend."""

    NONE = "none"
    AWS = "aws"


LISTED_METADATA_KEYS: Final = frozenset({"description", "title"})
"""The metadata that a deployment on AWS carries: ten headers reach S3 through an origin request policy (CloudFront
Developer Guide, "Quotas"); the type, six checksums and create-only leave two."""

EDGE_CHECKSUMS: Final = frozenset(Algorithm)

_USE_PRESIGNED: Final = "Use PUT /presigned or POST /uploads instead."

_UNLIMITED: Final = {
    Backend.PROXY: Carriage(backend=Backend.PROXY),
    Backend.PRESIGNED: Carriage(backend=Backend.PRESIGNED, adds_headers=False),
    Backend.EDGE: Carriage(backend=Backend.EDGE),
}

_AWS: Final = {
    Backend.PROXY: carriage(LISTED_METADATA_KEYS),
    Backend.PRESIGNED: ON_LAMBDA,
    Backend.EDGE: Carriage(
        backend=Backend.EDGE,
        advice=_USE_PRESIGNED,
        metadata_keys=LISTED_METADATA_KEYS,
        checksums=EDGE_CHECKSUMS,
        object_headers=frozenset(),
    ),
}


def edge_headers(limits: Limits) -> frozenset[str] | None:
    """The headers that an origin request policy lists under these limits; None where all of a grant's go on."""
    if limits is not Limits.AWS:
        return None
    checksums = {Checksum(algorithm, "").header for algorithm in EDGE_CHECKSUMS}
    return frozenset(
        {"content-type", "if-none-match", *checksums, *(METADATA_PREFIX + key for key in LISTED_METADATA_KEYS)}
    )


def carriages(limits: Limits) -> Mapping[Backend, Carriage]:
    """The way of each backend under these limits."""
    return _AWS if limits is Limits.AWS else _UNLIMITED


def proxy_definition() -> Mapping[str, Any]:
    """API Gateway's definition of a proxy that carries what its carriage says."""
    return definition(metadata_keys=LISTED_METADATA_KEYS, checksums=Algorithm)
