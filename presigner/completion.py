"""The end of an upload: what S3 holds is compared with the plan before success is said.

Completing is idempotent because S3 is asked what became of it: an upload that S3 no longer knows, with an object under
the key that is exactly what was planned, was completed. Fifty who ask one process at once share one answer.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.allowance import STORE_UNAVAILABLE, Caller
from gateway.asgi.problems import STORAGE_UNAVAILABLE, invalid_body
from gateway.journal import COMPLETE, Journal
from gateway.policy.headers import is_checksum
from gateway.policy.model import Algorithm, Checksum
from gateway.policy.problems import Code, Fault, Refusal
from gateway.storage.multipart import Multipart, S3Error, StoredHead, UploadedPart, one_each
from presigner.access import NOT_FOUND
from presigner.bodies import CompletedPart, CompleteRequest
from presigner.idempotency import AT_WORK, Replays
from presigner.register import ABORTED, Register
from presigner.upload import Strategy, Upload, stored_look

_NOT_AS_PLANNED: Final = Refusal(
    code=Code.UPLOAD_INCOMPLETE, detail="What S3 holds under this key is not what was planned."
)
_NOTHING_THERE: Final = Refusal(code=Code.UPLOAD_INCOMPLETE, detail="S3 holds nothing under this key yet.")
_EXISTS: Final = Refusal(
    code=Code.OBJECT_EXISTS, detail="An object of this name exists, and this upload may only create one."
)
_WRONG_BYTES: Final = Refusal(
    code=Code.CHECKSUM_MISMATCH, detail="The whole object's checksum is not that of the parts; nothing was stored."
)
_WRONG_PART: Final = Refusal(code=Code.UPLOAD_INCOMPLETE, detail="S3 does not have the parts as they were given.")
_WHICH_PART: Final = Refusal(
    code=Code.UPLOAD_INCOMPLETE, detail="S3 has a part in two versions: complete with 'parts' or 'checksum'."
)
_REQUIRED: Final = Refusal(
    code=Code.CHECKSUM_REQUIRED, detail="The tenant requires a checksum of the whole object: give it as 'checksum'."
)

_BY_CODE: Final[Mapping[str, Refusal]] = {
    "PreconditionFailed": _EXISTS,
    "BadDigest": _WRONG_BYTES,
    "InvalidPart": _WRONG_PART,
    "InvalidPartOrder": _WRONG_PART,
    "EntityTooSmall": _WRONG_PART,
}
"""What S3 says at CompleteMultipartUpload, in our words; all else is storage that is not available."""

_TURN: Final = "complete:"
"""Before the tenant in the scope under which a complete is remembered, which is no digest as those of callers are."""

_PATIENCE: Final = 10.0
"""Seconds that another's turn is waited for; a complete of 10,000 parts takes S3 a few."""

_GONE: Final = frozenset({"InvalidPart", "NoSuchUpload", "PreconditionFailed"})
"""What S3 says also to a repeated complete: whether it is one is found out by a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completer:
    """Completes uploads; `clock` gives seconds since the epoch."""

    storage: Multipart
    register: Register | None
    clock: Callable[[], float]
    journal: Journal
    replays: Replays | None = None
    _flights: dict[tuple[str, str], asyncio.Task[dict[str, Any] | Refusal]] = field(default_factory=dict)

    async def complete(
        self, upload: Upload, sealed: str, caller: Caller, body: CompleteRequest
    ) -> dict[str, Any] | Refusal:
        """The object as it is stored, or why it is not; who asks the same meanwhile gets the same answer.

        It goes on when whoever asked goes away: S3 would go on, too.
        """
        whole = _whole(upload, caller, body)
        outcome = whole if isinstance(whole, Refusal) else await self._shared(upload, sealed, whole, body)
        said = outcome if isinstance(outcome, Refusal) else "stored"
        self.journal.acted(caller, COMPLETE, said, upload.about)
        return outcome

    async def _shared(
        self, upload: Upload, sealed: str, whole: Checksum | None, body: CompleteRequest
    ) -> dict[str, Any] | Refusal:
        flight = (upload.id, body.model_dump_json())
        task = self._flights.get(flight)
        if task is None:
            task = self._flights[flight] = asyncio.ensure_future(self._in_turn(upload, sealed, whole, body))
            task.add_done_callback(lambda _: self._flights.pop(flight, None))
        return await asyncio.shield(task)

    async def _in_turn(
        self, upload: Upload, sealed: str, whole: Checksum | None, body: CompleteRequest
    ) -> dict[str, Any] | Refusal:
        """One process at a time, and all get the answer of the first that succeeds, for as long as it is remembered.

        Without the store, or where whoever has the turn seems to have died with it, S3 alone decides.
        """

        async def work() -> dict[str, Any] | Refusal:
            return await self._guarded(upload, sealed, whole, body)

        if self.replays is None:
            return await work()
        outcome = await self.replays.once(f"{_TURN}{upload.tenant}", upload.id, {}, work, patience=_PATIENCE)
        if outcome is AT_WORK or outcome is STORE_UNAVAILABLE:
            return await work()
        agrees = whole is None or isinstance(outcome, Refusal) or outcome["checksum"] == _said(whole)
        return outcome if agrees else await work()

    async def _guarded(
        self, upload: Upload, sealed: str, whole: Checksum | None, body: CompleteRequest
    ) -> dict[str, Any] | Refusal:
        try:
            return await self._completed(upload, sealed, whole, body)
        except OSError:
            return STORAGE_UNAVAILABLE

    async def _completed(
        self, upload: Upload, sealed: str, whole: Checksum | None, body: CompleteRequest
    ) -> dict[str, Any] | Refusal:
        if self.register is not None and await self._aborted(self.register, upload):
            return NOT_FOUND
        if upload.strategy is Strategy.MULTIPART and (refusal := await self._assembled(upload, whole, body.parts)):
            return refusal
        began = self.clock()
        stored = await self.storage.look(upload.key)
        if stored is None:
            return _NOTHING_THERE
        if not fits(upload, stored, whole):
            return _NOT_AS_PLANNED
        if self.register is not None:
            await self.register.completed(upload, sealed, stored.size, began=began)
        return _answer(upload, sealed, stored, whole)

    async def _aborted(self, register: Register, upload: Upload) -> bool:
        """Whether the upload was given up; a list that can't be asked says nothing against it."""
        try:
            return await register.state(upload) == ABORTED
        except OSError:
            return False

    async def _assembled(
        self, upload: Upload, whole: Checksum | None, claimed: list[CompletedPart] | None
    ) -> Refusal | None:
        """Why S3 did not make an object of the parts; None where it did, or seems to have before."""
        parts = await self.storage.parts(upload.key, upload.upload_id)
        if parts is None:
            return None
        parts = one_each(parts, {part.number: bare(part.etag) for part in claimed or ()})
        if refusal := missing(upload, parts) or _claimed_wrongly(parts, claimed) or unclear(parts, whole):
            # Parts also go missing while another instance completes: then the upload is gone by now.
            return None if await self.storage.parts(upload.key, upload.upload_id) is None else refusal
        parts = _with_checksums(upload, parts, claimed)
        try:
            await self.storage.complete(upload.key, upload.upload_id, parts, conditions(upload, parts, whole))
        except S3Error as error:
            if error.code in _GONE and await self.storage.parts(upload.key, upload.upload_id) is None:
                return None
            return _BY_CODE.get(error.code, STORAGE_UNAVAILABLE)
        return None


def _whole(upload: Upload, caller: Caller, body: CompleteRequest) -> Checksum | Refusal | None:
    """The checksum that the object must have: the declared one, or the one that is given now."""
    if body.parts is not None and upload.strategy is not Strategy.MULTIPART:
        return invalid_body(Fault("/parts", f"An upload of the strategy {upload.strategy} has no parts."))
    if found := _part_faults(upload, body):
        return invalid_body(*found)
    given = body.checksum
    if given is None:
        required = caller.policy.checksum == "required" and upload.declared is None
        return _REQUIRED if required else upload.declared
    algorithm = Algorithm(given.algorithm)
    if upload.algorithm != algorithm:
        known = upload.algorithm or "no checksum"
        return invalid_body(Fault("/checksum/algorithm", f"The upload was begun with {known}."))
    if not is_checksum(algorithm, given.value):
        return invalid_body(Fault("/checksum/value", f"This is not the base64 of a {algorithm} digest."))
    if upload.declared is not None and upload.checksum != given.value:
        return invalid_body(Fault("/checksum/value", "The upload was begun with another checksum."))
    return Checksum(algorithm, given.value)


def _part_faults(upload: Upload, body: CompleteRequest) -> list[Fault]:
    return [
        Fault(f"/parts/{at}/checksum", f"This is not the base64 of a {upload.algorithm} digest.")
        for at, part in enumerate(body.parts or ())
        if part.checksum is not None and not is_checksum(Algorithm(upload.algorithm), part.checksum)
    ]


def missing(upload: Upload, parts: tuple[UploadedPart, ...]) -> Refusal | None:
    """What S3 has not of the plan, or has besides: every part once, with its exact length."""
    if upload.free:
        return _out_of_bounds(upload, parts)
    there = {part.number: part.size for part in parts}
    for number, length in upload.parts.lengths():
        if there.get(number) != length:
            what = (
                f"is not there yet: {upload.parts.count - len(there)} are missing" if number not in there else "differs"
            )
            return Refusal(code=Code.UPLOAD_INCOMPLETE, detail=f"Part {number} of {upload.parts.count} {what}.")
    if len(there) != upload.parts.count:
        return Refusal(code=Code.UPLOAD_INCOMPLETE, detail="S3 has parts that were not planned; begin anew.")
    return None


def _out_of_bounds(upload: Upload, parts: tuple[UploadedPart, ...]) -> Refusal | None:
    """Why the parts, which the client cut as it liked, are together no object that was granted."""
    if not parts:
        return Refusal(code=Code.UPLOAD_INCOMPLETE, detail="S3 has no part of this upload yet.")
    held = sum(part.size for part in parts)
    if held > upload.size:
        return too_large(upload, held)
    if held < upload.least:
        detail = f"The parts have {held} bytes together; the tenant wants at least {upload.least}."
        return Refusal(code=Code.SIZE_BELOW_MINIMUM, detail=detail, limit=upload.least)
    return None


def too_large(upload: Upload, held: int) -> Refusal:
    """S3 holds more of the upload than there was room for."""
    detail = f"The parts have {held} bytes together; this upload may have at most {upload.size}."
    return Refusal(code=Code.SIZE_EXCEEDS_LIMIT, detail=detail, limit=upload.size)


def _claimed_wrongly(parts: tuple[UploadedPart, ...], claimed: list[CompletedPart] | None) -> Refusal | None:
    """Whether the client's list is not S3's; quotes and order mean nothing, every part is named once."""
    if claimed is None:
        return None
    there = [(part.number, bare(part.etag)) for part in parts]
    return None if sorted((part.number, bare(part.etag)) for part in claimed) == there else _WRONG_PART


def unclear(parts: tuple[UploadedPart, ...], whole: Checksum | None) -> Refusal | None:
    """Whether S3 has a part in two versions, and neither an ETag nor a checksum over all says which is meant."""
    return _WHICH_PART if whole is None and len({part.number for part in parts}) < len(parts) else None


def _with_checksums(
    upload: Upload, parts: tuple[UploadedPart, ...], claimed: list[CompletedPart] | None
) -> tuple[UploadedPart, ...]:
    """The parts with the checksums that the client gives, for S3 to compare with its own."""
    given = {part.number: part.checksum for part in claimed or () if part.checksum is not None}
    algorithm = Algorithm(upload.algorithm)
    return tuple(
        replace(part, checksum=Checksum(algorithm, given[part.number])) if part.number in given else part
        for part in parts
    )


def bare(etag: str) -> str:
    """An ETag without its quotes, which clients leave out or not."""
    return etag[1:-1] if len(etag) > 1 and etag[0] == etag[-1] == '"' else etag


def conditions(upload: Upload, parts: tuple[UploadedPart, ...], whole: Checksum | None) -> tuple[tuple[str, str], ...]:
    """What S3 itself is to verify at complete: nothing is there yet, the size, and the checksum over all parts."""
    create_only = (("if-none-match", "*"),) if upload.create_only else ()
    checksum = () if whole is None else ((whole.header, whole.value), ("x-amz-checksum-type", "FULL_OBJECT"))
    return (*create_only, ("x-amz-mp-object-size", str(sum(part.size for part in parts))), *checksum)


def fits(upload: Upload, stored: StoredHead, whole: Checksum | None) -> bool:
    """Whether an object is the planned one, as far as S3 can say: size, type, metadata, headers, checksum, parts."""
    if not upload.least <= stored.size <= upload.size or stored_look(stored.headers, like=upload.look) != upload.look:
        return False
    if upload.strategy is Strategy.MULTIPART and not _cut_like(upload, stored.etag):
        return False
    return whole is None or _has(stored, whole)


def _cut_like(upload: Upload, etag: str) -> bool:
    """Whether the object was made of as many parts as the upload may have, which its ETag says behind a dash."""
    count = bare(etag).rpartition("-")[2] if "-" in etag else ""
    least = 1 if upload.free else upload.parts.count
    return count.isascii() and count.isdigit() and least <= int(count) <= upload.last_part


def _has(stored: StoredHead, whole: Checksum) -> bool:
    """Whether S3 says this checksum; of MD5 it says nothing again, having verified it with the PUT."""
    return whole.algorithm is Algorithm.MD5 or stored.headers.get(whole.header) == whole.value


def _answer(upload: Upload, sealed: str, stored: StoredHead, whole: Checksum | None) -> dict[str, Any]:
    value = stored.headers.get(f"x-amz-checksum-{upload.algorithm}") if upload.algorithm else None
    said = whole or (Checksum(Algorithm(upload.algorithm), value) if value else None)
    return {
        "id": sealed,
        "name": upload.name,
        "key": upload.key,
        "size": stored.size,
        "etag": stored.etag,
        "checksum": None if said is None else _said(said),
    }


def _said(checksum: Checksum) -> dict[str, str]:
    return {"algorithm": checksum.algorithm.value, "value": checksum.value}
