"""A light look into the bucket: signed requests over kept connections, with nothing of botocore but its signature.

Apart from every line of the gateway, so that a slip in its signing can't hide itself; and several times faster than a
whole client, because the suite looks at every object that it stores.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote_plus, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.conformance.checksums import DIGESTS
from tests.conformance.deployment import StoredObject
from tests.conformance.wire import Origin, Request, Response, Wire

_SMUGGLED: Final = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "expires",
        "x-amz-website-redirect-location",
        "x-amz-storage-class",
        "x-amz-tagging-count",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-legal-hold",
        "x-amz-server-side-encryption-customer-algorithm",
    }
)
_METADATA: Final = "x-amz-meta-"
_AT_ONCE: Final = 1000
"""Keys that one listing gives and one deletion takes (S3 API Reference, ListObjectsV2 and DeleteObjects)."""


class BucketError(Exception):
    """S3 answered a look otherwise than with what was asked."""


class SignedBucket:
    """A bucket behind an S3 endpoint, addressed by path."""

    def __init__(self, *, endpoint: str, bucket: str, region: str, access_key: str, secret_key: str) -> None:
        self._place = {"endpoint": endpoint, "region": region, "access_key": access_key, "secret_key": secret_key}
        self.name = bucket
        url = urlsplit(endpoint)
        self._origin = Origin(url.hostname or "", url.port or 80)
        self._bucket = bucket
        self._auth = S3SigV4Auth(Credentials(access_key, secret_key), "s3", region)
        self._wire = Wire()

    def other(self, bucket: str) -> "SignedBucket":
        """Another bucket of the same S3, by the same identity."""
        return SignedBucket(bucket=bucket, **self._place)

    def get(self, key: str) -> StoredObject | None:
        """The object, None when there is none."""
        answer = self._ask("GET", key, headers={"x-amz-checksum-mode": "ENABLED"}, also=404)
        if answer.status == 404:
            return None
        headers = dict(answer.headers)
        return StoredObject(
            body=answer.body,
            content_type=headers.get("content-type", ""),
            metadata=_below(_METADATA, headers),
            checksums={name: text for name, text in _below("x-amz-checksum-", headers).items() if name in DIGESTS},
            headers={name: text for name, text in headers.items() if name in _SMUGGLED},
        )

    def list(self, prefix: str = "") -> Mapping[str, str]:
        """Every key that begins with `prefix` to its ETag."""
        return dict(self._pages(prefix))

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        self._ask("PUT", key, body=body, headers={"Content-Type": content_type})

    def discard(self, *keys: str) -> None:
        """Delete objects."""
        for start in range(0, len(keys), _AT_ONCE):
            named = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys[start : start + _AT_ONCE])
            body = f"<Delete><Quiet>true</Quiet>{named}</Delete>".encode()
            digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
            self._ask("POST", query="delete=", body=body, headers={"Content-MD5": digest})

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def _pages(self, prefix: str) -> Iterator[tuple[str, str]]:
        after = ""
        while True:
            query = f"encoding-type=url&list-type=2&prefix={quote(prefix, safe='')}{after}"
            page = ET.fromstring(self._ask("GET", query=query).body)
            space = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
            for entry in page.iter(f"{space}Contents"):
                yield unquote_plus(entry.findtext(f"{space}Key") or ""), entry.findtext(f"{space}ETag") or ""
            token = page.findtext(f"{space}NextContinuationToken")
            if page.findtext(f"{space}IsTruncated") != "true" or token is None:
                return
            after = f"&continuation-token={quote(token, safe='')}"

    def _ask(
        self,
        method: str,
        key: str = "",
        *,
        query: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        also: int = 200,
    ) -> Response:
        path = f"/{self._bucket}" + (f"/{quote(key, safe='/~')}" if key else "")
        target = f"{path}?{query}" if query else path
        signing = AWSRequest(
            method, f"http://{self._origin.netloc}{target}", headers=dict(headers or {}), data=body or None
        )
        self._auth.add_auth(signing)
        request = Request(
            method=method,
            target=target,
            headers=(
                *((name, str(text)) for name, text in signing.headers.items()),
                ("Content-Length", str(len(body))),
            ),
            body=body,
        )
        answer = self._wire.exchange(self._origin, request)
        if answer.status not in {200, also}:
            raise BucketError(f"S3 answered {method} {target} with {answer.status} {answer.body[:300]!r}")
        return answer


def _below(prefix: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): text for name, text in headers.items() if name.startswith(prefix)}
