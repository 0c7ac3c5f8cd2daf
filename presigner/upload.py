"""What an upload's id says: all that is needed to go on with it, carried by the client, sealed.

Any instance that has the sealing key can go on, after any restart and without any store. `packed` owns the format: one
field a line, since no field can hold a line break, so that an id of a key of 1,024 bytes stays under 2,048 characters.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Final, Self

from gateway.journal import About
from gateway.policy.grant import Grant
from gateway.policy.headers import METADATA_PREFIX
from gateway.policy.model import Algorithm, Checksum, Principal
from presigner.parts import MOST_PARTS, Parts
from presigner.sealing import Sealer

PURPOSE: Final = "upload"

REMOTE: Final = "remote-upload"
"""The purpose of an id whose upload the client itself begins at S3, so that S3's own id goes beside it."""

LONGEST_ID: Final = 2048
"""Characters (contract, section 2)."""

_VERSION: Final = "3"

_STORED_HEADERS: Final = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
"""What S3 would store with an object, also where no signature covered it."""


class Strategy(StrEnum):
    """How the client sends the bytes."""

    PUT = "put"
    POST = "post"
    MULTIPART = "multipart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One upload that was planned.

    `id` names its row and its reservation; `owner` is a digest of issuer and subject. `size` is exact unless `least` is
    lower: then the two are the bounds. `part_size` is 0 for what has no parts, and for parts that the client cuts as
    it likes; `upload_id` is S3's and empty until S3 gave one. `algorithm` and `checksum` are empty where none was
    declared. `look` is a digest of type, metadata and stored headers. `created` and `ends` are seconds since the epoch.
    """

    id: str
    strategy: Strategy
    tenant: str
    owner: str
    key: str
    name: str
    least: int
    size: int
    part_size: int
    upload_id: str
    algorithm: str
    checksum: str
    create_only: bool
    look: str
    created: int
    ends: int

    @property
    def exact(self) -> bool:
        """Whether the size was said when the upload began."""
        return self.least == self.size

    @property
    def free(self) -> bool:
        """Whether it is the client that cuts the parts, within S3's limits."""
        return self.strategy is Strategy.MULTIPART and self.part_size == 0

    @property
    def last_part(self) -> int:
        """The highest number that a part may have."""
        return MOST_PARTS if self.free else self.parts.count

    @property
    def about(self) -> About:
        """What the audit says of it; never the sealed id."""
        return About(upload=self.id, key=self.key, bytes=self.size)

    @property
    def parts(self) -> Parts:
        """How a multipart upload is cut that the client does not cut."""
        return Parts(size=self.size, part_size=self.part_size)

    @property
    def declared(self) -> Checksum | None:
        """The checksum of the whole object, where its value is known."""
        return Checksum(Algorithm(self.algorithm), self.checksum) if self.checksum else None

    def sealed(self, sealer: Sealer, purpose: str = PURPOSE) -> str:
        """The id that the client has."""
        return sealer.seal(packed(self), purpose=purpose)

    @classmethod
    def opened(cls, text: str, sealer: Sealer, purpose: str = PURPOSE) -> Self | None:
        """The upload that an id describes, None for anything that is no id for this purpose; never raises."""
        value = sealer.open(text, purpose=purpose) if len(text) <= LONGEST_ID else None
        return None if value is None else cls._unpacked(value)

    @classmethod
    def _unpacked(cls, value: bytes) -> Self | None:
        version, *texts = value.decode().split("\n")
        if version != _VERSION or len(texts) != len(_FIELDS):
            return None  # sealed by another version of this program
        said = dict(zip(_FIELDS, texts, strict=True))
        return cls(
            id=said["id"],
            strategy=Strategy(said["strategy"]),
            tenant=said["tenant"],
            owner=said["owner"],
            key=said["key"],
            name=_unpacked_name(said["name"], said["key"]),
            least=int(said["least"]),
            size=int(said["size"]),
            part_size=int(said["part_size"]),
            upload_id=said["upload_id"],
            algorithm=said["algorithm"],
            checksum=said["checksum"],
            create_only=said["create_only"] == "1",
            look=said["look"],
            created=int(said["created"]),
            ends=int(said["ends"]),
        )


_FIELDS: Final = tuple(field.name for field in fields(Upload))
_NAME: Final = _FIELDS.index("name")
_CREATE_ONLY: Final = _FIELDS.index("create_only")
_values = attrgetter(*_FIELDS)


def packed(upload: Upload) -> bytes:
    """The fields, a line each; the name as where it stands in the key, of which it is a part."""
    values = list(_values(upload))
    values[_NAME] = _packed_name(upload.name, upload.key)
    values[_CREATE_ONLY] = int(upload.create_only)
    return "\n".join((_VERSION, *map(str, values))).encode()


def _packed_name(name: str, key: str) -> str:
    """Where the name stands in the key; the name itself, after a slash that no name begins with, where it does not."""
    start = key.rfind(name)
    return f"{start}:{len(name)}" if start >= 0 else f"/{name}"


def _unpacked_name(text: str, key: str) -> str:
    if text.startswith("/"):
        return text[1:]
    start, length = map(int, text.split(":"))
    return key[start : start + length]


@functools.lru_cache(maxsize=4096)
def owner_of(issuer: str, subject: str) -> str:
    """Who an upload belongs to, as a digest (43 characters)."""
    return _digest(json.dumps([issuer, subject]).encode(), 32)


def owner(principal: Principal) -> str:
    """The digest of whoever calls."""
    return owner_of(principal.issuer, principal.subject)


def granted_look(grant: Grant) -> str:
    """The digest of what the grant lets S3 store beside the bytes."""
    if grant.metadata or grant.object_headers:
        return _look(grant.content_type, grant.metadata, grant.object_headers)
    return _plain_look(grant.content_type)


def stored_look(headers: Mapping[str, str], *, like: str) -> str:
    """The same of what S3 says (lower-case names); where no type was granted, S3's own default counts as none."""
    kind = None if like.startswith(_UNTYPED) else headers.get("content-type")
    metadata = ((name.removeprefix(METADATA_PREFIX), headers[name]) for name in headers if METADATA_PREFIX in name)
    return _look(kind, metadata, ((name, headers[name]) for name in _STORED_HEADERS if name in headers))


_UNTYPED: Final = "-"


@functools.lru_cache(maxsize=1024)
def _plain_look(kind: str | None) -> str:
    return _look(kind, (), ())


def _look(kind: str | None, metadata: Iterable[tuple[str, str]], others: Iterable[tuple[str, str]]) -> str:
    said = json.dumps([kind, sorted(metadata), sorted(others)]).encode()
    return (_UNTYPED if kind is None else "+") + _digest(said, 16)


def _digest(value: bytes, length: int) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value).digest()[:length]).rstrip(b"=").decode()
