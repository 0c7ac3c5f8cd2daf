"""The calls to S3 that plans need beside the client's own: create, list parts, complete, abort, look.

Sent with the completer's identity, whose least authority is exactly these: `s3:PutObject` (create and complete),
`s3:ListMultipartUploadParts`, `s3:AbortMultipartUpload`, `s3:ListBucketMultipartUploads`, `s3:GetObject` (HeadObject).
S3's XML is read bounded and without a document type. Every failure is an `OSError`; what S3 itself says is `S3Error`.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from xml.sax.saxutils import escape

from gateway.policy.model import Checksum
from gateway.storage._canonical import encode_query
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Answer, Upstream, UpstreamError

_ANSWER_LIMIT: Final = 4_194_304
"""Bytes; a page of ListParts has at most 1,000 parts of some hundred bytes each."""

_PAGES: Final = 20
"""The most pages that are followed; 10,000 parts are ten."""

_PAGE: Final = "1000"


class S3Error(OSError):
    """S3's refusal: its status and its code (S3 API Reference, "List of error codes")."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"S3 answered {status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedPart:
    """A part as S3 has it: its number, bytes and quoted ETag; `checksum` is one that S3 is to compare at complete."""

    number: int
    size: int
    etag: str
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
        self._upstream = upstream
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock

    async def create(self, key: str, headers: Sequence[tuple[str, str]]) -> str:
        """S3's id of a new upload (CreateMultipartUpload); `headers` say type, metadata and checksum algorithm."""
        answer = await self._call("POST", key, (("uploads", ""),), headers)
        return _text(_document(_succeeded(answer)), "UploadId")

    async def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...] | None:
        """The parts that S3 has, by number (ListParts, all pages); None where there is no such upload."""
        found: list[UploadedPart] = []
        marker = "0"
        for _ in range(_PAGES):
            query = (("max-parts", _PAGE), ("part-number-marker", marker), ("uploadId", upload_id))
            answer = await self._call("GET", key, query)
            if answer.status == 404:
                return None
            page = _document(_succeeded(answer))
            found += map(_part, page.findall("{*}Part"))
            if page.findtext("{*}IsTruncated") != "true":
                return tuple(sorted(found, key=lambda part: part.number))
            marker = _text(page, "NextPartNumberMarker")
        raise OSError("S3 lists parts without an end")

    async def complete(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], headers: Sequence[tuple[str, str]]
    ) -> str:
        """The object's ETag (CompleteMultipartUpload); raises S3Error also for the error that comes with a 200."""
        listed = "".join(map(_listed, parts))
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        body = f'<CompleteMultipartUpload xmlns="{namespace}">{listed}</CompleteMultipartUpload>'.encode()
        answer = await self._call("POST", key, (("uploadId", upload_id),), headers, body)
        return _text(_document(_succeeded(answer)), "ETag")

    async def abort(self, key: str, upload_id: str) -> None:
        """Take back what was sent (AbortMultipartUpload); an upload that is not there is aborted."""
        answer = await self._call("DELETE", key, (("uploadId", upload_id),))
        if answer.status != 404:
            _succeeded(answer)

    async def unfinished(self, key: str) -> tuple[tuple[str, float], ...]:
        """The ids of the uploads under exactly this key and when they began (ListMultipartUploads, one page)."""
        query = (("max-uploads", _PAGE), ("prefix", key), ("uploads", ""))
        page = _document(_succeeded(await self._call("GET", None, query)))
        same = (upload for upload in page.findall("{*}Upload") if upload.findtext("{*}Key") == key)
        return tuple((_text(upload, "UploadId"), _when(_text(upload, "Initiated"))) for upload in same)

    async def look(self, key: str) -> StoredHead | None:
        """What is stored under the key (HeadObject, with its checksums); None where nothing is."""
        headers = (("x-amz-checksum-mode", "ENABLED"),)
        try:
            answer = await self._upstream.head(
                self._endpoint.url_for(key), (*headers, *self._signed("HEAD", key, (), headers).items())
            )
        except UpstreamError as error:
            raise OSError(str(error)) from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise S3Error(answer.status, "")
        size = int(answer.headers["content-length"])
        return StoredHead(size=size, etag=answer.headers.get("etag", ""), headers=answer.headers)

    async def _call(
        self,
        method: str,
        key: str | None,
        query: tuple[tuple[str, str], ...],
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        base = self._endpoint.origin + self._endpoint.bucket_path if key is None else self._endpoint.url_for(key)
        sent = (*headers, *self._signed(method, key, query, headers, body).items(), ("content-length", str(len(body))))
        try:
            return await self._upstream.ask(
                method, f"{base}?{encode_query(query)}", sent, body=body, most=_ANSWER_LIMIT
            )
        except UpstreamError as error:
            raise OSError(str(error)) from error

    def _signed(
        self,
        method: str,
        key: str | None,
        query: tuple[tuple[str, str], ...],
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
    ) -> dict[str, str]:
        path = self._endpoint.bucket_path if key is None else self._endpoint.path_for(key)
        return self._signer.sign_headers(
            method,
            self._endpoint.host,
            path,
            now=self._clock(),
            headers=tuple(headers),
            query=query,
            payload_hash=sha256(body).hexdigest(),
        )


def _listed(part: UploadedPart) -> str:
    said = "" if part.checksum is None else _listed_checksum(part.checksum)
    return f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag>{said}</Part>"


def _listed_checksum(checksum: Checksum) -> str:
    name = f"Checksum{checksum.algorithm.upper()}"
    return f"<{name}>{escape(checksum.value)}</{name}>"


def _succeeded(answer: Answer) -> Answer:
    """The answer, unless it is an error, whatever its status; raises S3Error."""
    is_error = answer.body.lstrip().startswith(b"<") and _document(answer).tag.rpartition("}")[2] == "Error"
    if answer.status < 300 and not is_error:
        return answer
    raise S3Error(answer.status, (_document(answer).findtext("{*}Code") or "") if is_error else "")


def _document(answer: Answer) -> ET.Element:
    """The answer's XML; raises OSError for what is none or has a document type."""
    if b"<!" in answer.body:
        raise OSError("S3's answer has a document type")
    try:
        return ET.fromstring(answer.body)  # noqa: S314 - bounded, and without a document type there are no entities
    except ET.ParseError as error:
        raise OSError("S3's answer is no XML") from error


def _text(element: ET.Element, name: str) -> str:
    text = element.findtext(f"{{*}}{name}")
    if not text:
        raise OSError(f"S3's answer says no {name}")
    return text


def _part(element: ET.Element) -> UploadedPart:
    try:
        return UploadedPart(
            number=int(_text(element, "PartNumber")), size=int(_text(element, "Size")), etag=_text(element, "ETag")
        )
    except ValueError as error:
        raise OSError("S3's answer has a part without numbers") from error


def _when(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise OSError("S3's answer has no time") from error
