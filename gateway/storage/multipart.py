"""The calls to S3 that plans need beside the client's own: create, list parts, complete, abort, look.

Sent with the completer's identity, whose least authority is exactly these: `s3:PutObject` (create and complete),
`s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload`, `s3:ListBucketMultipartUploads`, `s3:GetObject` (HeadObject).
Every failure is an `OSError`; what S3 itself says is `S3Error`.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape

from gateway.policy.model import Checksum
from gateway.storage.calls import S3Calls, S3Error, document, succeeded, text
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Upstream

__all__ = ["Multipart", "S3Error", "StoredHead", "UploadedPart"]

_PAGES: Final = 20
"""The most pages that are followed; 10,000 parts are ten."""

_PAGE: Final = "1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedPart:
    """A part as S3 has it: its number, bytes, quoted ETag and when it came, in S3's words.

    `checksum` is one that S3 is to compare at complete.
    """

    number: int
    size: int
    etag: str
    modified: str = field(default="", compare=False)
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHead:
    """What HeadObject says of an object; `headers` have lower-case names."""

    size: int
    etag: str
    headers: Mapping[str, str]


class Multipart:
    """Multipart uploads of one bucket; `clock` gives seconds since the epoch."""

    def __init__(self, *, upstream: Upstream, endpoint: Endpoint, signer: Signer, clock: Callable[[], float]) -> None:
        self._calls = S3Calls(upstream=upstream, endpoint=endpoint, signer=signer, clock=clock)

    async def create(self, key: str, headers: Sequence[tuple[str, str]]) -> str:
        """S3's id of a new upload (CreateMultipartUpload); `headers` say type, metadata and checksum algorithm."""
        answer = await self._calls.ask("POST", key, (("uploads", ""),), headers)
        return text(document(succeeded(answer)), "UploadId")

    async def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...] | None:
        """The parts that S3 has, by number (ListParts, all pages); None where there is no such upload."""
        found: list[UploadedPart] = []
        marker = "0"
        for _ in range(_PAGES):
            query = (("max-parts", _PAGE), ("part-number-marker", marker), ("uploadId", upload_id))
            answer = await self._calls.ask("GET", key, query)
            if answer.status == 404:
                return None
            page = document(succeeded(answer))
            found += map(_part, page.findall("{*}Part"))
            if page.findtext("{*}IsTruncated") != "true":
                return tuple(sorted(found, key=lambda part: part.number))
            marker = text(page, "NextPartNumberMarker")
        raise OSError("S3 lists parts without an end")

    async def complete(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], headers: Sequence[tuple[str, str]]
    ) -> str:
        """The object's ETag (CompleteMultipartUpload); raises S3Error also for the error that comes with a 200."""
        listed = "".join(map(_listed, parts))
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<CompleteMultipartUpload xmlns="{namespace}">{listed}</CompleteMultipartUpload>'.encode()
        answer = await self._calls.ask("POST", key, (("uploadId", upload_id),), headers, body)
        return text(document(succeeded(answer)), "ETag")

    async def abort(self, key: str, upload_id: str) -> None:
        """Take back what was sent (AbortMultipartUpload); an upload that is not there is aborted."""
        answer = await self._calls.ask("DELETE", key, (("uploadId", upload_id),))
        if answer.status != 404:
            succeeded(answer)

    async def unfinished(self, key: str) -> tuple[tuple[str, float], ...]:
        """The ids of the uploads under exactly this key and when they began (ListMultipartUploads, one page)."""
        query = (("max-uploads", _PAGE), ("prefix", key), ("uploads", ""))
        page = document(succeeded(await self._calls.ask("GET", None, query)))
        same = (upload for upload in page.findall("{*}Upload") if upload.findtext("{*}Key") == key)
        return tuple((text(upload, "UploadId"), _when(text(upload, "Initiated"))) for upload in same)

    async def look(self, key: str) -> StoredHead | None:
        """What is stored under the key (HeadObject, with its checksums); None where nothing is."""
        answer = await self._calls.head(key, (("x-amz-checksum-mode", "ENABLED"),))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise S3Error(answer.status, "")
        size = int(answer.headers["content-length"])
        return StoredHead(size=size, etag=answer.headers.get("etag", ""), headers=answer.headers)


def _listed(part: UploadedPart) -> str:
    said = "" if part.checksum is None else _listed_checksum(part.checksum)
    return f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag>{said}</Part>"


def _listed_checksum(checksum: Checksum) -> str:
    name = f"Checksum{checksum.algorithm.upper()}"
    return f"<{name}>{escape(checksum.value)}</{name}>"


def one_each(parts: Sequence[UploadedPart], named: Mapping[int, str]) -> tuple[UploadedPart, ...]:
    """One part a number: the one whose unquoted ETag is named, else the last that S3 took.

    AWS lists a part that was sent again once, as it is now ("any existing part is overwritten", S3 API Reference,
    UploadPart); SeaweedFS lists every one that differs. Where two came in one second and none is named, both are left.
    """
    by_number: dict[int, list[UploadedPart]] = {}
    for part in parts:
        by_number.setdefault(part.number, []).append(part)
    return tuple(part for number, several in by_number.items() for part in _last(several, named.get(number)))


def _last(several: list[UploadedPart], named: str | None) -> list[UploadedPart]:
    meant = [part for part in several if part.etag.strip('"') == named]
    newest = max(part.modified for part in several)
    return meant[:1] or [part for part in several if part.modified == newest]


def _part(element: ET.Element) -> UploadedPart:
    try:
        return UploadedPart(
            number=int(text(element, "PartNumber")),
            size=int(text(element, "Size")),
            etag=text(element, "ETag"),
            modified=element.findtext("{*}LastModified") or "",
        )
    except ValueError as error:
        raise OSError("S3's answer has a part without numbers") from error


def _when(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise OSError("S3's answer has no time") from error
