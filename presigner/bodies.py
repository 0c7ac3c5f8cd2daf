"""The bodies of the calls on an upload that was begun."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from presigner.parts import MOST_PARTS
from presigner.plans import ChecksumBody

_STRICT = ConfigDict(extra="forbid", strict=True)


class PartsRequest(BaseModel):
    """The body of `POST /uploads/{id}/parts`: whose URLs to sign again; a checksum that is given is signed."""

    model_config = _STRICT

    numbers: list[int] = Field(min_length=1, max_length=MOST_PARTS)
    checksums: dict[str, str] = Field(default_factory=dict)


class CompletedPart(BaseModel):
    """A part as the client was told of it; the ETag with its quotes or without."""

    model_config = _STRICT

    number: int
    etag: str
    checksum: str | None = None


class WholeChecksum(ChecksumBody):
    """The checksum of the whole object."""

    value: str


class CompleteRequest(BaseModel):
    """The body of `POST /uploads/{id}/complete`; without `parts` the gateway asks S3."""

    model_config = _STRICT

    parts: list[CompletedPart] | None = Field(default=None, max_length=MOST_PARTS)
    checksum: WholeChecksum | None = None


class TicketBody(BaseModel):
    """A credential for a path, and when it ends."""

    ticket: str
    expires_at: str


class PartsBody(BaseModel):
    """Fresh URLs."""

    parts: list[dict[str, Any]]
    expires_at: str


class CompletedBody(BaseModel):
    """What is stored."""

    id: str
    name: str
    key: str
    size: int
    etag: str
    checksum: dict[str, str] | None


class UploadBody(BaseModel):
    """An upload that was begun; `parts` as S3 has them, where one upload is asked for."""

    id: str
    name: str
    strategy: str
    size: int | None
    state: str
    created_at: str
    expires_at: str


class UploadDetailBody(UploadBody):
    """The same with what S3 has of it."""

    parts: list[dict[str, Any]]


class UploadsBody(BaseModel):
    """A page of unfinished uploads."""

    uploads: list[UploadBody]
    cursor: str | None
