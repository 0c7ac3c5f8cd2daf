"""What a plan hands out, signed: the parts of a multipart upload and the fields of a form.

Nothing that is signed here outlives the credentials that sign it, and every bound is in the signature: the exact length
of each part, the exact key, type, metadata and size of a form.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.policy.grant import Grant
from gateway.policy.headers import METADATA_PREFIX
from gateway.storage.endpoint import Endpoint
from gateway.storage.sigv4 import Family, PostCondition, Signer
from presigner.upload import Upload

_AT_ONCE: Final = 250
"""Parts that are signed before others get their turn: about a millisecond."""


class PlanSigner:
    """Signs for one bucket with the signer's identity."""

    def __init__(self, *, endpoint: Endpoint, signer: Signer) -> None:
        self._endpoint = endpoint
        self._signer = signer

    def lifetime(self, wanted: int, now: float) -> int:
        """Seconds that a URL signed at `now` lives: `wanted`, or less where the credentials end."""
        return self._signer.credentials.lifetime(wanted, now)

    def url(
        self,
        method: str,
        key: str,
        query: tuple[tuple[str, str], ...],
        headers: tuple[tuple[str, str], ...] = (),
        *,
        lifetime: int,
        now: float,
    ) -> str:
        """A URL for one request about the object, as of `now`."""
        return self._signer.presign(
            method,
            self._endpoint.origin,
            self._endpoint.path_for(key),
            expires=lifetime,
            now=now,
            headers=headers,
            query=query,
        )

    async def parts(
        self, upload: Upload, numbers: Iterable[int], *, lifetime: int, now: float, checksums: Mapping[int, str]
    ) -> list[dict[str, Any]]:
        """The parts of these numbers, each with its own URL, signed as of `now`."""
        listed = []
        families: dict[int | None, Family] = {}
        for done, number in enumerate(numbers, 1):
            length = None if upload.free else upload.parts.length(number)
            checksum = checksums.get(number)
            headers = {} if checksum is None else {f"x-amz-checksum-{upload.algorithm}": checksum}
            family = families.get(length) if checksum is None else None
            if family is None:
                family = self._family(upload, length, headers, lifetime, now)
            if checksum is None:
                families[length] = family
            listed.append({"number": number, "size": length, "url": family.url(number), "headers": headers})
            if done % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return listed

    def _family(
        self, upload: Upload, length: int | None, headers: Mapping[str, str], lifetime: int, now: float
    ) -> Family:
        """The URLs of parts of this length (None: of any), which differ in their number alone."""
        bound = () if length is None else (("content-length", str(length)),)
        return self._signer.family(
            "PUT",
            self._endpoint.origin,
            self._endpoint.path_for(upload.key),
            expires=lifetime,
            now=now,
            varying="partNumber",
            headers=(*bound, *headers.items()),
            query=(("uploadId", upload.upload_id),),
        )

    def form(self, grant: Grant, *, lifetime: int, now: float) -> tuple[str, dict[str, str]]:
        """Where to post, and the fields that go before `file` (S3 API Reference, "POST policy").

        The key, type and every other field are exact; `content-length-range` is the one size that was declared, or
        the bounds of one that was not.
        """
        own = {"key": grant.key, "success_action_status": "201"}
        if grant.content_type is not None:
            own["content-type"] = grant.content_type
        if grant.checksum is not None:
            own[grant.checksum.header] = grant.checksum.value
        own |= {METADATA_PREFIX + key: value for key, value in grant.metadata}
        conditions: list[PostCondition] = [{name: value} for name, value in own.items()]
        conditions += [{"bucket": self._endpoint.bucket}, ["content-length-range", grant.least, grant.size]]
        signature = self._signer.sign_post_policy(conditions, expiration=now + lifetime, now=now)
        # With a slash at its end: SeaweedFS answers a browser's preflight of the bucket only there; S3 takes both.
        return f"{self._endpoint.origin}{self._endpoint.bucket_path.rstrip('/')}/", {**own, **signature}
