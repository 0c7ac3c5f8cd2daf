"""Plans: an upload that is agreed on first and sent to S3 afterwards, whatever the client.

A request's JSON becomes an intent for the same policy as a PUT, and a grant becomes the plan the client carries out.
"""

import functools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.header import Header
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.policy.grant import Grant
from gateway.policy.headers import is_checksum
from gateway.policy.model import (
    OBJECT_LIMIT,
    SINGLE_PUT_LIMIT,
    Algorithm,
    Backend,
    Carriage,
    Checksum,
    Intent,
    Minted,
    Policy,
)
from gateway.policy.names import check_name
from gateway.policy.problems import Fault
from presigner.upload import Strategy

_CLIENT_SETS: Final = frozenset({"content-length", "host"})


class ChecksumBody(BaseModel):
    """A checksum of the whole object; `value` null to give it at complete."""

    model_config = ConfigDict(extra="forbid", strict=True)

    algorithm: Literal["crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5"]
    value: str | None = None


class CreateUpload(BaseModel):
    """The body of `POST /uploads`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"name": "photo.png", "size": 20480, "content_type": "image/png"}},
    )

    name: str
    size: int = Field(ge=0, le=OBJECT_LIMIT, description="Bytes, exactly.")
    content_type: str | None = None
    checksum: ChecksumBody | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    overwrite: bool | None = None
    strategy: Literal["put", "post", "multipart"] | None = None
    part_size: int | None = Field(default=None, ge=5_242_880, le=5_368_709_120, description="Bytes.")


class PlanBody(BaseModel):
    """An upload's plan; send `method` `url` with exactly `headers`."""

    id: str
    strategy: str
    name: str
    key: str
    size: int
    expires_at: str
    method: str
    url: str | None
    headers: dict[str, str]
    fields: dict[str, str] | None = None
    part_size: int | None = None
    part_count: int | None = None
    parts: list[dict[str, Any]] | None = None


PLAN_CARRIAGE: Final = Carriage(backend=Backend.PRESIGNED)
PARTS_CARRIAGE: Final = Carriage(backend=Backend.PRESIGNED, max_size=OBJECT_LIMIT, checksum_later=True)

WHOLE: Final = frozenset({Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME})
"""The checksums that S3 verifies over all parts (S3 User Guide, "Checking object integrity": full object)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a client asks for, in whatever words: the intent, and how the bytes are to be sent.

    `part_size` (bytes) is a wish, None where the client cuts the parts itself; `algorithm` is that of a checksum whose
    value may come later. What is not `listed` can't be found again, because its client never asks for it. A `remote`
    upload in parts is begun at S3 by the client itself.
    """

    intent: Intent
    strategy: Strategy
    part_size: int | None = None
    algorithm: Algorithm | None = None
    listed: bool = True
    remote: bool = False


def carriage_of(strategy: Strategy) -> Carriage:
    """The way that an upload of this strategy takes."""
    return PARTS_CARRIAGE if strategy is Strategy.MULTIPART else PLAN_CARRIAGE


def may_be_form(policy: Policy) -> bool:
    """Whether a form can do what the tenant demands: it can't create only, so no key may be there before."""
    return policy.overwrite or "{uuid}" in policy.key


def chosen(body: CreateUpload, policy: Policy) -> Strategy:
    """The strategy that was asked for, else `put` below the tenant's threshold and as long as S3 takes one PUT."""
    if body.strategy is not None:
        return Strategy(body.strategy)
    small = body.size < policy.multipart.threshold and body.size <= SINGLE_PUT_LIMIT
    return Strategy.PUT if small else Strategy.MULTIPART


def faults(body: CreateUpload, policy: Policy) -> tuple[Fault, ...]:
    """What is wrong with a body that is well formed: checksums, metadata, contradictions with the policy."""
    found = []
    if body.overwrite and not policy.overwrite:
        found.append(Fault("/overwrite", "The tenant never overwrites; leave it out or say false."))
    given = body.checksum
    if given is not None and given.value is not None and not is_checksum(Algorithm(given.algorithm), given.value):
        found.append(Fault("/checksum/value", f"This is not the base64 of a {given.algorithm} digest."))
    found += _strategy_faults(body, policy)
    found += [
        Fault(f"/metadata/{key.replace('~', '~0').replace('/', '~1')}", "A metadata key is a lower-case token.")
        for key in body.metadata
        if not is_metadata_key(key)
    ]
    if body.content_type is not None and not is_header_value(body.content_type):
        found.append(Fault("/content_type", "A media type is printable ASCII."))
    found += [
        Fault(f"/metadata/{key}", "A metadata value has no control characters and no space at its ends.")
        for key, value in body.metadata.items()
        if not value.isprintable() or value != value.strip()
    ]
    return tuple(found)


def _strategy_faults(body: CreateUpload, policy: Policy) -> list[Fault]:
    """What the strategy can't do of what is asked."""
    strategy, found = chosen(body, policy), []
    algorithm = None if body.checksum is None else Algorithm(body.checksum.algorithm)
    if strategy is Strategy.POST and not may_be_form(replace(policy, overwrite=_may_overwrite(body, policy))):
        found.append(Fault("/strategy", "A form can't create only, which is asked for here: say put or multipart."))
    if strategy is Strategy.POST and algorithm is Algorithm.MD5:
        found.append(Fault("/checksum/algorithm", "A form carries no MD5; give another checksum, or say put."))
    if strategy is Strategy.MULTIPART and algorithm is not None and algorithm not in WHOLE:
        detail = "Over all parts S3 verifies crc32, crc32c and crc64nvme only."
        found.append(Fault("/checksum/algorithm", detail))
    if body.part_size is not None and body.strategy in {"put", "post"}:
        found.append(Fault("/part_size", f"The strategy {body.strategy} has no parts."))
    return found


def _may_overwrite(body: CreateUpload, policy: Policy) -> bool:
    return policy.overwrite and body.overwrite is not False


def is_header_value(text: str) -> bool:
    """Whether a text can stand in a header as it is."""
    return text.isascii() and text.isprintable() and text == text.strip()


_KEY_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def is_metadata_key(text: str) -> bool:
    """Whether a text can be a metadata key: a lower-case token."""
    return text != "" and set(text) <= _KEY_CHARACTERS


def wanted(body: CreateUpload, policy: Policy, minted: Minted) -> Wanted:
    """What the body asks for."""
    strategy = chosen(body, policy)
    return Wanted(
        intent=_intent(body, minted, carriage_of(strategy)),
        strategy=strategy,
        part_size=body.part_size or policy.multipart.part_size,
        algorithm=None if body.checksum is None else Algorithm(body.checksum.algorithm),
    )


def _intent(body: CreateUpload, minted: Minted, carriage: Carriage) -> Intent:
    """The same as the policy sees it."""
    given = body.checksum
    checksum = None if given is None or given.value is None else Checksum(Algorithm(given.algorithm), given.value)
    return Intent(
        carriage=carriage,
        name=check_name(body.name),
        size=body.size,
        content_type=body.content_type,
        checksum=checksum,
        create_only=body.overwrite is False,
        metadata=tuple((key, metadata_value(value)) for key, value in body.metadata.items()),
        object_headers=(),
        minted=minted,
    )


def metadata_value(value: str) -> str:
    """A metadata value as a header carries it: RFC 2047 where it is not ASCII (S3 User Guide, "Object metadata")."""
    return value if value.isascii() else Header(value, "utf-8", maxlinelen=10_000).encode()


def plan_body(strategy: Strategy, grant: Grant, sealed: str, *, expires: float, **more: Any) -> dict[str, Any]:
    """The plan of an upload: the members that all strategies share, and `more` of its own."""
    return {
        "id": sealed,
        "strategy": strategy.value,
        "name": grant.name,
        "key": grant.key,
        "size": grant.size,
        "expires_at": rfc3339(expires),
        "method": "PUT",
        "url": None,
        "headers": {},
        "fields": None,
        "part_size": None,
        "part_count": None,
        "parts": None,
        **more,
    }


def signed_headers(grant: Grant) -> dict[str, str]:
    """What a client sends with a PUT beside what it sets itself."""
    return {name: value for name, value in grant.s3_headers() if name not in _CLIENT_SETS}


def rfc3339(moment: float) -> str:
    """Seconds since the epoch as the contract writes times."""
    return _rfc3339(int(moment))


@functools.lru_cache(maxsize=64)
def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
