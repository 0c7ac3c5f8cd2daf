"""A file in parts: what S3 has is proved, what is missing is sent, and S3 verifies the whole.

A part that S3 has counts when the journal remembers the ETag that S3 gave it, or when its bytes here have that ETag as
their MD5 (S3 User Guide, "ETag": not so under SSE-KMS; there a part that the journal lost is sent again). Nothing is
read twice that this run or an earlier one has sent.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.client.answers import Detail
from gateway.client.api import Gateway, Told
from gateway.client.bucket import Advanced, Bucket, Piece, Put, damaged, passes, unanswered
from gateway.client.checksums import ALGORITHM, combined, encoded
from gateway.client.errors import RefusedError, UnavailableError
from gateway.client.journal import Journal
from gateway.client.patience import Patience
from gateway.client.problem import Problem
from gateway.client.source import Source
from gateway.client.together import all_of
from gateway.client.urls import PartUrls

_REFUSALS: Final = 3
"""How often a part is sent again that S3 refuses or that arrived damaged."""

_ROUNDS: Final = 3
"""How often an upload is gone over that S3 calls incomplete."""


class GoneError(Exception):
    """The upload was ended by somebody or by time; it has to be begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every upload is sent with."""

    gateway: Gateway
    bucket: Bucket
    patience: Patience
    told: Told
    parallel: int
    part_checksums: bool


@dataclass(slots=True, kw_only=True)
class PartedUpload:
    """One upload in parts, from what S3 has of it to its end; the journal has begun it.

    `sent` counts the bytes that went out and arrived.
    """

    tools: Tools
    source: Source
    journal: Journal
    upload_id: str
    part_size: int
    advanced: Advanced
    sent: int = 0
    _there: dict[int, tuple[str, int]] = field(default_factory=dict)

    async def stored(self, urls: PartUrls | None) -> Mapping[str, Any]:
        """What is stored in the end; `urls` are those of a fresh plan, None: S3 is asked first what it has.

        Raises GoneError, and every `ClientError`.
        """
        fresh = urls is not None
        for last in range(_ROUNDS - 1, -1, -1):
            open_still = fresh or await self._look()
            fresh = False
            if open_still:
                await self._send_missing(urls)
            self.source.check()
            try:
                return await self._completed()
            except RefusedError as error:
                if error.problem.code == "upload-not-found":
                    raise GoneError from None
                if error.problem.code != "upload-incomplete" or not last or not open_still:
                    raise
        raise GoneError

    @property
    def numbers(self) -> frozenset[int]:
        """All parts."""
        return frozenset(range(1, self._count + 1))

    @property
    def _count(self) -> int:
        return max(1, -(-self.source.size // self.part_size))

    def _piece(self, number: int) -> Piece:
        start = (number - 1) * self.part_size
        return Piece(source=self.source, start=start, length=min(self.part_size, self.source.size - start))

    async def _look(self) -> bool:
        """Whether the upload is still open; what S3 has of it is proved. Raises GoneError."""
        detail = await self._detail()
        before = sum(self._piece(number).length for number in self._there)
        self.advanced(-before)
        self._there.clear()
        is_open = detail.state == "open"
        has = {number: etag for number, (size, etag) in detail.parts.items() if self._fits(number, size)}
        await self._prove(has if is_open else dict.fromkeys(range(1, self._count + 1)))
        return is_open

    async def _detail(self) -> Detail:
        try:
            detail = await self.tools.gateway.detail(self.upload_id)
        except RefusedError as error:
            if error.problem.code == "upload-not-found":
                raise GoneError from None
            raise
        if detail.state in {"aborted", "expired"}:
            raise GoneError
        return detail

    def _fits(self, number: int, size: int) -> bool:
        return 1 <= number <= self._count and size == self._piece(number).length

    async def _prove(self, has: Mapping[int, str | None]) -> None:
        """Find out which parts are those of our file; an ETag None: S3 no longer says, all is verified at the end."""
        remembered = {} if self.journal.begun is None else self.journal.begun.parts
        for number, etag in sorted(has.items()):
            known = remembered.get(number)
            if known is None or etag not in {None, known[0]}:
                known = await self._compared(number, etag)
            if known is not None:
                self._there[number] = known
                self.advanced(self._piece(number).length)

    async def _compared(self, number: int, etag: str | None) -> tuple[str, int] | None:
        """The part's ETag and CRC, by its bytes here; None where S3 has others."""
        piece = self._piece(number)
        digest = hashlib.md5(usedforsecurity=False)
        crc = await self.source.sums(piece.start, piece.length, also=digest.update)
        if etag is not None and digest.hexdigest() != etag:
            return None
        if etag is not None:
            self.journal.part(number, etag, crc)
        return digest.hexdigest(), crc

    async def _send_missing(self, urls: PartUrls | None) -> None:
        left = self.numbers - self._there.keys()
        if urls is None:
            urls = PartUrls(gateway=self.tools.gateway, upload_id=self.upload_id, left=left)
        waiting = iter(sorted(left))

        async def worker() -> None:
            for number in waiting:
                sent = await self._sent(number, urls)
                self.journal.part(number, sent.etag, sent.crc)
                self._there[number] = (sent.etag, sent.crc)

        await all_of(worker() for _ in range(min(self.tools.parallel, len(left))))

    async def _sent(self, number: int, urls: PartUrls) -> Put:
        tries, refusals = self.tools.patience.began(), 0
        piece = self._piece(number)
        while True:
            url, headers = await urls.get(number, await self._declared(piece))
            outcome = await self.tools.bucket.put(url, headers, piece, self.advanced)
            if not isinstance(outcome, Put) and unanswered(outcome):
                outcome = await self._arrived(number) or outcome
            if isinstance(outcome, Put):
                self.sent += piece.length
                return outcome
            if outcome.code == "NoSuchUpload":
                raise GoneError
            refusals += not passes(outcome)
            if (refusals and not (outcome.status == 403 or damaged(outcome))) or refusals > _REFUSALS:
                raise RefusedError(outcome)
            urls.drop()
            self.tools.told(f"Part {number} of {self.source.label}: {outcome.detail} Trying again.")
            if not await tries.again(outcome.retry_after):
                raise UnavailableError(outcome.sentence)

    async def _arrived(self, number: int) -> Put | None:
        """What S3 has of a part whose sending nobody answered; None where that is not ours."""
        detail = await self._detail()
        size, etag = detail.parts.get(number, (-1, ""))
        known = await self._compared(number, etag) if self._fits(number, size) else None
        if known is None:
            return None
        self.advanced(size)
        return Put(etag=known[0], crc=known[1])

    async def _declared(self, piece: Piece) -> str | None:
        """The checksum that is to be signed with the part's URL, where that is wanted."""
        if not self.tools.part_checksums:
            return None
        return encoded(await self.source.sums(piece.start, piece.length))

    async def _completed(self) -> Mapping[str, Any]:
        parts = sorted(self._there.items())
        whole = encoded(combined((crc, self._piece(number).length) for number, (_, crc) in parts))
        body: dict[str, Any] = {"parts": [{"number": number, "etag": etag} for number, (etag, _) in parts]}
        complete = self.tools.gateway.complete
        try:
            return await complete(self.upload_id, {**body, "checksum": {"algorithm": ALGORITHM, "value": whole}})
        except RefusedError as error:
            if not _about_checksum(error.problem):
                raise
        return await complete(self.upload_id, body)


def _about_checksum(problem: Problem) -> bool:
    """Whether the upload was begun elsewhere with another algorithm than ours."""
    return problem.code == "request-invalid" and any(pointer.startswith("/checksum") for pointer, _ in problem.errors)
