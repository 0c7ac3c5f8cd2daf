"""What Uppy asks for: a file's name and type and some metadata, never a size."""

import mimetypes
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.asgi.problems import RefusedError, invalid_body
from gateway.policy.model import Carriage, Intent, Minted, Policy
from gateway.policy.names import check_name
from gateway.policy.problems import Fault
from presigner.plans import Wanted, carriage_of, is_header_value, is_metadata_key, may_be_form, metadata_value
from presigner.upload import Strategy

UPPY: Final = "uppy"
"""What a tenant's `clients` must list for the paths of Companion."""

OWN_METADATA: Final = frozenset({"name", "type", "relativepath"})
"""What Uppy says of every file by itself; left out where the tenant does not allow it as metadata, for it is no one's
wish, and a name and a type have been said already."""

_METADATA: Final = "metadata["

_UNTYPED: Final = "application/octet-stream"

_TYPES: Final = mimetypes.MimeTypes()
"""Python's own table, without what the machine's files add to it."""


class CreateMultipart(BaseModel):
    """The body of `POST /s3/multipart`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filename: str = Field(min_length=1)
    type: str | None = None
    metadata: dict[str, str | int | float | bool | None] | None = None


def query_faults(pairs: Iterable[tuple[str, str]]) -> list[Fault]:
    """What is wrong with the query of `GET /s3/params`: a name that is missing, or said twice, or unknown to us."""
    names = [name for name, _ in pairs]
    found = [
        Fault(f"/query/{name}", "This call has no such query parameter, or it is given twice.")
        for name in dict.fromkeys(names)
        if names.count(name) > 1 or not (name in {"filename", "type"} or _is_metadata(name))
    ]
    if "filename" not in names:
        detail = 'The "filename" query parameter is required and must be a non-empty string.'
        found.append(Fault("/query/filename", detail))
    return found


def _is_metadata(name: str) -> bool:
    return name.startswith(_METADATA) and name.endswith("]")


def queried(pairs: Iterable[tuple[str, str]]) -> CreateMultipart:
    """The same question as a body asks, from a query without faults."""
    given = dict(pairs)
    metadata = {name[len(_METADATA) : -1]: value for name, value in given.items() if _is_metadata(name)}
    return CreateMultipart.model_construct(
        filename=given["filename"], type=given.get("type"), metadata=dict[str, Any](metadata)
    )


def metadata_of(asked: CreateMultipart, policy: Policy) -> dict[str, str]:
    """The metadata that is meant: keys in lower case, values as text, nothing for null."""
    given = {key.lower(): _text(value) for key, value in (asked.metadata or {}).items() if value is not None}
    allowed = policy.metadata.keys
    return {key: value for key, value in given.items() if "*" in allowed or key in allowed or key not in OWN_METADATA}


def _text(value: str | float) -> str:
    """A value as JavaScript writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def faults(asked: CreateMultipart, policy: Policy) -> list[Fault]:
    """What no policy could allow in a question that is well formed."""
    found = []
    if asked.type and not is_header_value(asked.type):
        found.append(Fault("/type", "A media type is printable ASCII."))
    for key, value in metadata_of(asked, policy).items():
        where = f"/metadata/{key.replace('~', '~0').replace('/', '~1')}"
        if not is_metadata_key(key):
            found.append(Fault(where, "A metadata key is a token."))
        elif not value.isprintable() or value != value.strip():
            found.append(Fault(where, "A metadata value has no control characters and no space at its ends."))
    return found


def demand(found: list[Fault]) -> None:
    """Raise RefusedError where there is any fault."""
    if found:
        raise RefusedError(invalid_body(*found))


def single_strategy(policy: Policy) -> Strategy:
    """A form, which S3 holds to the tenant's bounds; a PUT where a form can't do what the tenant demands."""
    return Strategy.POST if may_be_form(policy) else Strategy.PUT


def wanted(asked: CreateMultipart, policy: Policy, minted: Minted, strategy: Strategy, *, client: str = UPPY) -> Wanted:
    """What Uppy asks for, as everybody asks; a single upload is never asked after, so it is not listed."""
    return Wanted(
        intent=_intent(asked, metadata_of(asked, policy), minted, carriage_of(strategy), client),
        strategy=strategy,
        listed=strategy is Strategy.MULTIPART,
    )


def _intent(
    asked: CreateMultipart, metadata: Mapping[str, str], minted: Minted, carriage: Carriage, client: str
) -> Intent:
    return Intent(
        carriage=carriage,
        name=check_name(asked.filename),
        size=None,
        content_type=asked.type or None,
        checksum=None,
        create_only=False,
        metadata=tuple((key, metadata_value(value)) for key, value in metadata.items()),
        object_headers=(),
        minted=minted,
        client=client,
    )


def guessed_type(name: str) -> str:
    """The type that a name's extension stands for; a signer is not always told one."""
    return _TYPES.guess_type(name, strict=True)[0] or _UNTYPED
