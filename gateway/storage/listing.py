"""What a bucket holds, page by page, with the operator's identity (`s3:ListBucket`, `s3:ListBucketMultipartUploads`).

S3 API Reference: ListObjectsV2, ListMultipartUploads. Keys are asked for encoded (`encoding-type=url`), because XML 1.0
can't say every character that a key may have; a plus is a space there, as in a form. Those of uploads are not, because
the embedded S3 says that it encoded them and did not; no key that the gateway makes needs it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from gateway.storage.calls import Pairs, S3Calls, document, succeeded, text


@dataclass(frozen=True, slots=True)
class Listed:
    """An object's key and its bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A multipart upload: its key, S3's id, and when it began (seconds since the epoch)."""

    key: str
    upload_id: str
    began: float


class Listing:
    """Lists one bucket, `page` (1,000 at most) at once. Every verb raises OSError where S3 answers as it should not."""

    def __init__(self, calls: S3Calls, *, page: int = 1_000) -> None:
        self._calls = calls
        self._most = str(page)

    async def objects(self, prefix: str) -> AsyncIterator[tuple[Listed, ...]]:
        """The objects under the prefix, in pages; on AWS in the order of UTF-8 bytes."""
        token: Pairs = ()
        while True:
            page = await self._page((*token, ("prefix", prefix)))
            yield tuple(
                Listed(unquote_plus(text(each, "Key")), int(text(each, "Size"))) for each in page.findall("{*}Contents")
            )
            if page.findtext("{*}IsTruncated") != "true":
                return
            token = (("continuation-token", text(page, "NextContinuationToken")),)

    async def prefixes(self) -> tuple[str, ...]:
        """What stands before the first slash of the bucket's keys, each once."""
        found: list[str] = []
        token: Pairs = ()
        while True:
            page = await self._page((*token, ("delimiter", "/")))
            found += [
                unquote_plus(text(each, "Prefix")).removesuffix("/") for each in page.findall("{*}CommonPrefixes")
            ]
            if page.findtext("{*}IsTruncated") != "true":
                return tuple(found)
            token = (("continuation-token", text(page, "NextContinuationToken")),)

    async def unfinished(self, prefix: str) -> tuple[Unfinished, ...]:
        """The multipart uploads under the prefix."""
        found: list[Unfinished] = []
        after: Pairs = ()
        while True:
            asked = (("max-uploads", self._most), ("prefix", prefix), ("uploads", ""))
            page = document(succeeded(await self._calls.ask("GET", None, (*after, *asked))))
            uploads = [_upload(each) for each in page.findall("{*}Upload")]
            found += uploads
            if page.findtext("{*}IsTruncated") != "true":
                return tuple(found)
            if not uploads:
                raise OSError("S3 lists uploads without an end")
            after = (("key-marker", uploads[-1].key), ("upload-id-marker", uploads[-1].upload_id))

    async def _page(self, query: Pairs) -> Element:
        asked = sorted((*query, ("encoding-type", "url"), ("list-type", "2"), ("max-keys", self._most)))
        return document(succeeded(await self._calls.ask("GET", None, tuple(asked))))


def _upload(element: Element) -> Unfinished:
    try:
        began = datetime.fromisoformat(text(element, "Initiated")).timestamp()
    except ValueError as error:
        raise OSError("S3's answer has no time") from error
    return Unfinished(text(element, "Key"), text(element, "UploadId"), began)
