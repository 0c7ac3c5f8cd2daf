"""A bucket's own settings, read and written with the operator's identity: its CORS rules and its lifecycle.

S3 API Reference: GetBucketCors, PutBucketCors, GetBucketLifecycleConfiguration, GetPublicAccessBlock,
GetBucketVersioning.
"""

import base64
import hashlib
import xml.etree.ElementTree as ET
from typing import Final

from gateway.storage.calls import S3Calls, S3Error, document, succeeded

_NOT_SET: Final = "NoSuch"
"""How the codes of settings that nobody made begin: `NoSuchCORSConfiguration` and its like, all with a 404."""

_NOT_KNOWN: Final = frozenset({"NotImplemented", "MethodNotAllowed"})


class SettingUnknownError(Exception):
    """There is no such setting at this S3."""


class BucketSettings:
    """The settings of one bucket by the names of their subresources: `cors`, `lifecycle`, `publicAccessBlock`."""

    def __init__(self, calls: S3Calls) -> None:
        self._calls = calls

    async def get(self, name: str) -> ET.Element | None:
        """The setting, None where nobody made one; raises SettingUnknownError, S3Error or another OSError."""
        try:
            return document(succeeded(await self._calls.ask("GET", None, ((name, ""),))))
        except S3Error as error:
            if error.status == 404 and error.code.startswith(_NOT_SET) and error.code != "NoSuchBucket":
                return None
            if error.code in _NOT_KNOWN:
                raise SettingUnknownError(name) from error
            raise

    async def put(self, name: str, body: bytes) -> None:
        """Replace the setting; raises S3Error or another OSError."""
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode("ascii")
        succeeded(await self._calls.ask("PUT", None, ((name, ""),), (("content-md5", digest),), body))
