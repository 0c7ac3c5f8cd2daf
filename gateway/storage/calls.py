"""Small signed requests to S3 and their answers, as every room that asks S3 something shares them.

S3's XML is read bounded and without a document type. Every failure is an `OSError`; what S3 itself says is `S3Error`.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from gateway.storage._canonical import encode_query
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Answer, Upstream, UpstreamError

Pairs = tuple[tuple[str, str], ...]

_ANSWER_LIMIT: Final = 4_194_304
"""Bytes; a page of ListParts has at most 1,000 parts of some hundred bytes each."""


class S3Error(OSError):
    """S3's refusal: its status and its code (S3 API Reference, "List of error codes")."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"S3 answered {status} {code}")
        self.status = status
        self.code = code


class S3Calls:
    """Requests about one bucket in the name of `signer` (None: of nobody); `clock` gives seconds since the epoch."""

    def __init__(
        self, *, upstream: Upstream, endpoint: Endpoint, signer: Signer | None, clock: Callable[[], float]
    ) -> None:
        self._upstream = upstream
        self._endpoint = endpoint
        self._signer = signer
        self._clock = clock

    async def ask(
        self,
        method: str,
        key: str | None,
        query: Pairs = (),
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        """The answer to a request about an object, or about the bucket where `key` is None, whatever its status.

        Raises OSError where there is none in time.
        """
        base = self._endpoint.origin + self._endpoint.bucket_path if key is None else self._endpoint.url_for(key)
        target = f"{base}?{encode_query(query)}" if query else base
        length = (("content-length", str(len(body))),)
        sent = (*headers, *self._signed(method, key, query, headers, body).items(), *length)
        try:
            return await self._upstream.ask(method, target, sent, body=body, most=_ANSWER_LIMIT)
        except UpstreamError as error:
            raise OSError(str(error)) from error

    async def head(self, key: str, headers: Sequence[tuple[str, str]] = ()) -> Answer:
        """The same for HeadObject."""
        signed = self._signed("HEAD", key, (), headers, b"")
        try:
            return await self._upstream.head(self._endpoint.url_for(key), (*headers, *signed.items()))
        except UpstreamError as error:
            raise OSError(str(error)) from error

    def _signed(
        self, method: str, key: str | None, query: Pairs, headers: Sequence[tuple[str, str]], body: bytes
    ) -> dict[str, str]:
        if self._signer is None:
            return {}
        return self._signer.sign_headers(
            method,
            self._endpoint.host,
            self._endpoint.bucket_path if key is None else self._endpoint.path_for(key),
            now=self._clock(),
            headers=tuple(headers),
            query=query,
            payload_hash=sha256(body).hexdigest(),
        )


def succeeded(answer: Answer) -> Answer:
    """The answer, unless it is an error, whatever its status; raises S3Error."""
    is_error = answer.body.lstrip().startswith(b"<") and document(answer).tag.rpartition("}")[2] == "Error"
    if answer.status < 300 and not is_error:
        return answer
    raise S3Error(answer.status, (document(answer).findtext("{*}Code") or "") if is_error else "")


def document(answer: Answer) -> ET.Element:
    """The answer's XML; raises OSError for what is none or has a document type."""
    if b"<!" in answer.body:
        raise OSError("S3's answer has a document type")
    try:
        return ET.fromstring(answer.body)  # noqa: S314 - bounded, and without a document type there are no entities
    except ET.ParseError as error:
        raise OSError("S3's answer is no XML") from error


def text(element: ET.Element, name: str) -> str:
    """The text of an element's child; raises OSError where there is none."""
    found = element.findtext(f"{{*}}{name}")
    if not found:
        raise OSError(f"S3's answer says no {name}")
    return found
