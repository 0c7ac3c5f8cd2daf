"""An upload between its beginning and its end: listed, looked at, its URLs signed again, given up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.allowance import STORE_UNAVAILABLE, Caller
from gateway.asgi.problems import STORAGE_UNAVAILABLE, invalid_body
from gateway.journal import ABORT, PARTS, Journal
from gateway.policy.headers import is_checksum
from gateway.policy.model import Algorithm
from gateway.policy.problems import Fault, Refusal
from gateway.storage.multipart import Multipart, UploadedPart, one_each
from gateway.tenants.errors import CursorError
from presigner.access import NOT_FOUND, may_see
from presigner.bodies import PartsRequest
from presigner.completion import fits, too_large
from presigner.plans import rfc3339
from presigner.redirect import NO_CREDENTIALS
from presigner.register import ABORTED, COMPLETED, OPEN, Register
from presigner.sealing import Sealer
from presigner.signing import PlanSigner
from presigner.upload import Strategy, Upload, owner

_ABORTS: Final = 5
"""How often an abort is repeated: parts that were under way may arrive after one (S3 API, AbortMultipartUpload)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedParts:
    """Parts with their URLs, which live for `lifetime` seconds, until `expires` (seconds since the epoch)."""

    parts: list[dict[str, Any]]
    lifetime: int
    expires: int

    def body(self) -> dict[str, Any]:
        """The answer of the upload API."""
        return {"parts": self.parts, "expires_at": rfc3339(self.expires)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The calls on an upload but the one that completes it."""

    storage: Multipart
    register: Register | None
    signer: PlanSigner
    sealer: Sealer
    clock: Callable[[], float]
    journal: Journal

    async def page(self, caller: Caller, *, limit: int, cursor: str | None) -> dict[str, Any] | Refusal:
        """The caller's unfinished uploads."""
        if self.register is None:
            return invalid_body(Fault("", "This gateway keeps no list of uploads; ask for one by its id."))
        mine = owner(caller.principal) if caller.policy.owner == "subject" else None
        try:
            page = await self.register.page(caller.policy.tenant, owner=mine, limit=limit, cursor=cursor)
        except CursorError:
            return invalid_body(Fault("/query/cursor", "This cursor is not one of this listing."))
        except OSError:
            return STORE_UNAVAILABLE
        rows = [row for row in page.items if row.state == OPEN and may_see(caller, row.name)]
        uploads = [
            {
                "id": row.sealed,
                "name": row.name,
                "strategy": row.strategy,
                "size": row.size,
                "state": row.state,
                "created_at": rfc3339(row.created_at),
                "expires_at": rfc3339(row.expires_at),
            }
            for row in rows
        ]
        return {"uploads": uploads, "cursor": page.cursor}

    async def detail(self, upload: Upload, sealed: str) -> dict[str, Any] | Refusal:
        """The upload's state, and its parts as S3 has them."""
        try:
            state, parts = await self._now(upload)
        except OSError:
            return STORAGE_UNAVAILABLE
        return {
            "id": sealed,
            "name": upload.name,
            "strategy": upload.strategy.value,
            "size": upload.size if upload.exact else None,
            "state": state,
            "created_at": rfc3339(upload.created),
            "expires_at": rfc3339(upload.ends),
            "parts": parts,
        }

    async def _now(self, upload: Upload) -> tuple[str, list[dict[str, Any]]]:
        """What the list knows for certain, else what S3 says."""
        known = await self._recorded(upload)
        if known in {COMPLETED, ABORTED}:
            return str(known), []
        if upload.strategy is not Strategy.MULTIPART:
            return OPEN, []
        parts = await self.storage.parts(upload.key, upload.upload_id)
        if parts is not None:
            listed = one_each(parts, {})
            return OPEN, [{"number": part.number, "size": part.size, "etag": part.etag} for part in listed]
        stored = await self.storage.look(upload.key)
        return (COMPLETED if stored is not None and fits(upload, stored, upload.declared) else ABORTED), []

    async def parts(self, upload: Upload) -> tuple[UploadedPart, ...] | Refusal:
        """What S3 has of an open upload in parts, as it is now."""
        try:
            over = await self._recorded(upload) in {COMPLETED, ABORTED}
            parts = None if over else await self.storage.parts(upload.key, upload.upload_id)
        except OSError:
            return STORAGE_UNAVAILABLE
        return NOT_FOUND if parts is None else one_each(parts, {})

    async def _recorded(self, upload: Upload) -> str | None:
        """The state in the list; none where there is no list, or it can't be asked."""
        try:
            return None if self.register is None else await self.register.state(upload)
        except OSError:
            return None

    async def urls(self, upload: Upload, caller: Caller, body: PartsRequest) -> SignedParts | Refusal:
        """Fresh URLs of the parts asked for; S3 is asked only where it alone knows how much there is already."""
        signed = await self._urls(upload, caller, body)
        outcome = signed if isinstance(signed, Refusal) else "granted"
        self.journal.acted(caller, PARTS, outcome, replace(upload.about, count=len(body.numbers)))
        return signed

    async def _urls(self, upload: Upload, caller: Caller, body: PartsRequest) -> SignedParts | Refusal:
        if upload.strategy is not Strategy.MULTIPART:
            return invalid_body(Fault("/numbers", f"An upload of the strategy {upload.strategy} has no parts."))
        if await self._recorded(upload) in {COMPLETED, ABORTED}:
            return NOT_FOUND
        checksums = {number: body.checksums[str(number)] for number in body.numbers if str(number) in body.checksums}
        if found := _part_faults(upload, body, checksums):
            return invalid_body(*found)
        if upload.free and (refusal := await self._full(upload, frozenset(body.numbers))):
            return refusal
        now = self.clock()
        lifetime = self.signer.lifetime(min(caller.policy.url_lifetime, upload.ends - int(now)), now)
        if lifetime < 1:
            return NO_CREDENTIALS
        parts = await self.signer.parts(upload, body.numbers, lifetime=lifetime, now=now, checksums=checksums)
        return SignedParts(parts=parts, lifetime=lifetime, expires=int(now) + lifetime)

    async def _full(self, upload: Upload, numbers: frozenset[int]) -> Refusal | None:
        """Whether S3 holds all that the upload may have without the parts of these numbers, so that any is too much."""
        parts = await self.parts(upload)
        if isinstance(parts, Refusal):
            return parts
        sizes = {part.number: part.size for part in sorted(parts, key=lambda part: part.size)}
        beside = sum(size for number, size in sizes.items() if number not in numbers)
        return too_large(upload, sum(sizes.values())) if beside >= upload.size else None

    async def abort(self, upload: Upload, sealed: str, caller: Caller) -> Refusal | None:
        """Give the upload up: S3 has nothing of it then. What is completed stays as it is.

        URLs of a put or a form can't be called back, so their room is kept until a look at S3 says what became of it.
        """
        refused = await self._aborted(upload, sealed)
        self.journal.acted(caller, ABORT, refused or "aborted", upload.about)
        return refused

    async def _aborted(self, upload: Upload, sealed: str) -> Refusal | None:
        if await self._recorded(upload) == COMPLETED:
            return None
        try:
            if self.register is not None:
                await self.register.record(upload, sealed, ABORTED)
        except OSError:
            return STORE_UNAVAILABLE
        if upload.strategy is not Strategy.MULTIPART:
            return None
        try:
            if not await taken_back(self.storage, upload):
                return STORAGE_UNAVAILABLE
            began = self.clock()
            stored = await self.storage.look(upload.key)
        except OSError:
            return STORAGE_UNAVAILABLE
        if self.register is not None:
            await self.register.ended(upload, None if stored is None else stored.size, began=began)
        return None


async def taken_back(storage: Multipart, upload: Upload) -> bool:
    """Abort a multipart upload until S3 has nothing of it; raises OSError where S3 does not say."""
    for _ in range(_ABORTS):
        await storage.abort(upload.key, upload.upload_id)
        if await storage.parts(upload.key, upload.upload_id) is None:
            return True
    return False


def _part_faults(upload: Upload, body: PartsRequest, checksums: dict[int, str]) -> list[Fault]:
    count, algorithm = upload.last_part, Algorithm(upload.algorithm)
    found = [
        Fault(f"/numbers/{at}", f"The parts of this upload are 1 to {count}.")
        for at, number in enumerate(body.numbers)
        if not 1 <= number <= count
    ]
    if len(set(body.numbers)) != len(body.numbers):
        found.append(Fault("/numbers", "A part is asked for twice."))
    found += [
        Fault(f"/checksums/{number}", f"This is not the base64 of a {algorithm} digest, with which the upload began.")
        for number, value in checksums.items()
        if not is_checksum(algorithm, value)
    ]
    asked = set(map(str, body.numbers))
    if not asked.issuperset(body.checksums):
        found.append(Fault("/checksums", "A checksum is given for a part that is not asked for."))
    return found
