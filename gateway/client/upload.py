"""One file from a name to an object: gone on with where it can be, begun anew where it must be.

What is gone on with: what the journal of this machine remembers; else, for a file in parts, an unfinished upload of
this name and size that the gateway lists, which another device may have begun.
"""

import asyncio
import mimetypes
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from gateway.client.answers import Listed, Plan
from gateway.client.bucket import Advanced
from gateway.client.checksums import ALGORITHM, encoded
from gateway.client.errors import RefusedError, UnavailableError
from gateway.client.journal import Journal
from gateway.client.parts import GoneError, PartedUpload, Tools
from gateway.client.single import stored_before, stored_whole
from gateway.client.source import Source
from gateway.client.urls import PartUrls

PARTS_FROM: Final = 104_857_600
"""Bytes from which a file is sent in parts. A smaller one is read once before, for its checksum to be signed."""

_BEGINNINGS: Final = 3
_FINAL: Final = frozenset({"checksum-mismatch", "object-exists"})
"""Refusals after which there is nothing to go on with."""

_PUT: Final = "put"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user says of all files; None is the gateway's default, `content_type` None is told from the name."""

    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool | None = None
    part_size: int | None = None
    parts_from: int = PARTS_FROM
    anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What `complete` answered, and how many bytes went out for it in this run."""

    answer: Mapping[str, Any]
    sent: int


class Unfinished:
    """The uploads in parts that the gateway lists as the caller's; asked for once."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._lock = asyncio.Lock()
        self._listed: list[Listed] | None = None

    async def match(self, name: str, size: int) -> str | None:
        """The id of the newest that is this name and size."""
        async with self._lock:
            if self._listed is None:
                self._listed = await self._tools.gateway.unfinished()
        meant = unicodedata.normalize("NFC", name)
        same = [each for each in self._listed if (each.name, each.size, each.strategy) == (meant, size, "multipart")]
        return max(same, key=lambda each: each.created_at).id if same else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploader:
    """Stores files one by one."""

    tools: Tools
    wishes: Wishes
    unfinished: Unfinished

    async def stored(self, source: Source, name: str, journal: Journal, advanced: Advanced) -> Stored:
        """The object; raises every `ClientError`. What was sent is kept for the next time, unless it is refused."""
        request = await self._request(source, name)
        await self._settle(journal, request, source)
        for _ in range(_BEGINNINGS):
            try:
                done = await self._attempt(source, request, journal, advanced)
            except GoneError:
                self.tools.told(f"{source.label}: the upload that was begun is over; beginning anew.")
                journal.forget_begun()
                continue
            except RefusedError as error:
                if error.problem.code in _FINAL:
                    await self._give_up(journal)
                raise
            journal.forget()
            return done
        raise UnavailableError(f"The upload of {source.label} ended {_BEGINNINGS} times before it was complete.")

    async def _request(self, source: Source, name: str) -> dict[str, Any]:
        """The body of `POST /uploads`."""
        parted = source.size >= self.wishes.parts_from
        value = None if parted else encoded(await source.sums(0, source.size))
        request: dict[str, Any] = {
            "name": name,
            "size": source.size,
            "content_type": self.wishes.content_type or type_of(name),
            "checksum": {"algorithm": ALGORITHM, "value": value},
            "metadata": dict(self.wishes.metadata),
        }
        if self.wishes.overwrite is not None:
            request["overwrite"] = self.wishes.overwrite
        if parted:
            request["strategy"] = "multipart"
        if self.wishes.part_size is not None:
            request["part_size"] = self.wishes.part_size
        return request

    async def _settle(self, journal: Journal, request: Mapping[str, Any], source: Source) -> None:
        """Make what the journal remembers fit to what is wanted now, or forget it."""
        begun = journal.begun
        if begun is None:
            return
        if self.wishes.anew or begun.request != request:
            if not self.wishes.anew:
                self.tools.told(f"{source.label} is not what was begun with, or wanted otherwise: beginning anew.")
            await self._give_up(journal)
        elif begun.identity != source.identity and begun.id:
            journal.rebound(source.identity)
            self.tools.told(f"{source.label} was touched since its upload began: comparing it with what S3 has.")

    async def _give_up(self, journal: Journal) -> None:
        """Have the gateway abort what was begun; where that fails, time will."""
        if journal.begun is not None and journal.begun.id:
            try:
                await self.tools.gateway.abort(journal.begun.id)
            except (RefusedError, UnavailableError) as error:
                self.tools.told(f"An upload that was begun could not be given up: {error}")
        journal.forget_begun()

    async def _attempt(self, source: Source, request: dict[str, Any], journal: Journal, advanced: Advanced) -> Stored:
        begun = journal.begun
        if begun is None and not self.wishes.anew and "strategy" in request:
            found = await self.unfinished.match(request["name"], source.size)
            if found is not None:
                return await self._adopted(found, source, request, journal, advanced)
        if begun is None or not begun.id:
            return await self._begun(source, request, journal, advanced)
        if begun.strategy == _PUT:
            answer = await stored_before(self.tools, begun.id)
            if answer is None:
                raise GoneError
            advanced(source.size)
            return Stored(answer=answer, sent=0)
        parted = self._parted(source, journal, begun.id, begun.part_size, advanced)
        return Stored(answer=await parted.stored(None), sent=parted.sent)

    async def _begun(self, source: Source, request: dict[str, Any], journal: Journal, advanced: Advanced) -> Stored:
        """By a new plan, or by the one whose answer never came."""
        if journal.begun is None:
            journal.begin(request, uuid4().hex, source.identity)
        plan = await self._planned(request, journal)
        journal.answered(plan.id, plan.strategy, plan.part_size)
        if plan.strategy == _PUT:
            answer = await stored_whole(self.tools, source, plan, advanced)
            return Stored(answer=answer, sent=source.size)
        parted = self._parted(source, journal, plan.id, plan.part_size, advanced)
        urls = PartUrls(gateway=self.tools.gateway, upload_id=plan.id, left=parted.numbers)
        urls.offer(plan.urls)
        return Stored(answer=await parted.stored(urls), sent=parted.sent)

    async def _planned(self, request: dict[str, Any], journal: Journal) -> Plan:
        """The plan; a key that was used for something else is no use, nor is what was refused to be gone on with."""
        key = "" if journal.begun is None else journal.begun.key
        try:
            return await self.tools.gateway.create(request, key)
        except RefusedError as error:
            journal.forget_begun()
            if error.problem.code == "idempotency-conflict":
                raise GoneError from None
            raise

    async def _adopted(
        self, upload_id: str, source: Source, request: dict[str, Any], journal: Journal, advanced: Advanced
    ) -> Stored:
        """By an upload that was begun elsewhere: how long its parts are is what its first part says."""
        self.tools.told(f"{source.label}: going on with an upload of this name and size that was begun elsewhere.")
        try:
            part_size = await self.tools.gateway.part_size(upload_id)
        except RefusedError as error:
            if error.problem.code == "upload-not-found":
                raise GoneError from None
            raise
        journal.begin(request, uuid4().hex, source.identity)
        journal.answered(upload_id, "multipart", part_size)
        parted = self._parted(source, journal, upload_id, part_size, advanced)
        return Stored(answer=await parted.stored(None), sent=parted.sent)

    def _parted(
        self, source: Source, journal: Journal, upload_id: str, part_size: int, advanced: Advanced
    ) -> PartedUpload:
        return PartedUpload(
            tools=self.tools,
            source=source,
            journal=journal,
            upload_id=upload_id,
            part_size=part_size,
            advanced=advanced,
        )


def type_of(name: str) -> str:
    """The media type that a name's extension says; bytes where it says none."""
    guessed, encoding = mimetypes.guess_type(name.rpartition("/")[2])
    if encoding is not None:
        return f"application/{'x-' * (encoding != 'gzip')}{encoding}"
    return guessed or "application/octet-stream"
