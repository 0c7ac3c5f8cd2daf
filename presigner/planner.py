"""From what a client asks for to a plan: the decision, the room, the row in the list, S3's upload, the signatures.

What is acquired has its release recorded before it: the room before the row, the row before S3's upload, so that
whatever a crash leaves is found by the sweeper (`gateway.server.sweeper`).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.admission import Admission
from gateway.allowance import STORE_UNAVAILABLE, Caller, over_by
from gateway.asgi.problems import STORAGE_UNAVAILABLE, invalid_body
from gateway.journal import PLAN
from gateway.policy.grant import Grant
from gateway.policy.headers import METADATA_PREFIX
from gateway.policy.model import Algorithm
from gateway.policy.problems import Code, Fault, Refusal
from gateway.storage.multipart import Multipart
from presigner.parts import cut
from presigner.plans import Wanted, plan_body, signed_headers
from presigner.redirect import NO_CREDENTIALS, Presigner
from presigner.register import CREATING, OPEN, Register
from presigner.register import REMOTE as REMOTE_STATE
from presigner.sealing import Sealer
from presigner.signing import PlanSigner
from presigner.upload import REMOTE, Strategy, Upload, granted_look, owner_of

SIGNED_AT: Final = "signed_at"
"""A member of a remembered answer that no client sees: the second as of which its parts are signed."""

LIFETIME: Final = "lifetime"
"""Another one: the seconds that these signatures live."""

DEFAULT_WHOLE: Final = Algorithm.CRC64NVME
"""What S3 computes itself where none is declared (S3 User Guide, "Checking object integrity")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes plans. Without `storage` none is multipart, without `register` nothing is listed.

    `new_id` gives ids that list in the order of their making: at most 40 of `[a-z0-9]`.
    """

    admission: Admission
    presigner: Presigner
    signer: PlanSigner
    sealer: Sealer
    storage: Multipart | None
    register: Register | None
    clock: Callable[[], float]
    new_id: Callable[[], str]

    async def plan(self, caller: Caller, wanted: Wanted) -> dict[str, Any] | Refusal:
        """The plan for what is well formed, its parts not listed; or why there is none, with its room back."""
        if wanted.strategy is Strategy.MULTIPART and self.storage is None:
            return invalid_body(Fault("/strategy", "This gateway plans no multipart uploads; say put."))
        if wanted.strategy is not Strategy.MULTIPART:
            return await self._single(caller, wanted)
        identifier, now = self.new_id(), self.clock()
        until = now + caller.policy.multipart.max_age
        admitted = await self.admission.decided(caller, wanted.intent, action=PLAN, reservation=identifier, until=until)
        if isinstance(admitted, Refusal):
            return admitted
        upload = _begun(identifier, admitted.grant, wanted, caller, now=now)
        begin = self._remote_plan if wanted.remote else self._parts_plan
        plan = await self._crowded(upload) or await begin(upload, admitted.grant, now)
        if isinstance(plan, Refusal):
            await admitted.room.released(plan.code)
        return plan

    async def whole(self, plan: dict[str, Any]) -> dict[str, Any]:
        """The answer that a client gets: with every part, signed as of when the plan was made, so always the same."""
        now, lifetime = plan.pop(SIGNED_AT), plan.pop(LIFETIME, 0)
        upload = Upload.opened(plan["id"], self.sealer) if plan["strategy"] == Strategy.MULTIPART else None
        if upload is None:
            return plan
        numbers = range(1, upload.parts.count + 1)
        parts = await self.signer.parts(upload, numbers, lifetime=lifetime, now=now, checksums={})
        return {**plan, "parts": parts}

    async def _crowded(self, upload: Upload) -> Refusal | None:
        """Whether the tenant has to end some uploads before it begins another in parts."""
        if self.register is None:
            return None
        try:
            crowded = await self.register.crowded(upload.tenant)
        except OSError:
            return STORE_UNAVAILABLE
        return _too_many(self.register.most_open) if crowded else None

    async def _single(self, caller: Caller, wanted: Wanted) -> dict[str, Any] | Refusal:
        """A plan of one request; where it is listed, its row is written in one step with the room for it."""
        identifier, now = self.new_id(), self.clock()
        begun: list[tuple[Upload, str]] = []

        def begin(grant: Grant) -> None:
            upload = _begun(identifier, grant, wanted, caller, now=now)
            begun.append((upload, upload.sealed(self.sealer)))
            if self.register is not None:
                self.register.keep(*begun[-1], OPEN)

        admitted = await self.admission.decided(
            caller, wanted.intent, action=PLAN, reservation=identifier, along=begin if wanted.listed else None
        )
        if isinstance(admitted, Refusal):
            return admitted
        plan: dict[str, Any] | Refusal
        try:
            if wanted.listed and not begun:  # nothing holds room here, so nothing went along
                await self._apart(lambda: begin(admitted.grant))
            plan = self._single_plan(admitted.grant, wanted.strategy, begun[-1][1] if begun else "", now)
        except OSError:
            plan = STORE_UNAVAILABLE
        if isinstance(plan, Refusal):
            await admitted.room.released(plan.code)
            if begun and self.register is not None:
                with suppress(OSError):  # it is taken off the list in time
                    await self.register.forget(begun[-1][0])
        return plan

    async def _apart(self, begin: Callable[[], None]) -> None:
        """Where there are no stores nobody has to wait for any."""
        if self.register is None:
            begin()
        else:
            await self.register.aside(begin)

    def _single_plan(self, grant: Grant, strategy: Strategy, sealed: str, now: float) -> dict[str, Any] | Refusal:
        if strategy is Strategy.PUT:
            signed = self.presigner.url(grant)
            if isinstance(signed, Refusal):
                return signed
            url, expires = signed
            plan = plan_body(strategy, grant, sealed, expires=expires, url=url, headers=signed_headers(grant))
            return {**plan, SIGNED_AT: now, LIFETIME: int(expires) - int(now)}
        lifetime = self.signer.lifetime(grant.url_lifetime, now)
        if lifetime < 1:
            return NO_CREDENTIALS
        url, fields = self.signer.form(grant, lifetime=lifetime, now=now)
        plan = plan_body(strategy, grant, sealed, expires=int(now) + lifetime, method="POST", url=url, fields=fields)
        return {**plan, SIGNED_AT: now, LIFETIME: lifetime}

    async def _parts_plan(self, upload: Upload, grant: Grant, now: float) -> dict[str, Any] | Refusal:
        lifetime = self.signer.lifetime(min(grant.url_lifetime, upload.ends - int(now)), now)
        if lifetime < 1:
            return NO_CREDENTIALS
        created = await self._created(upload, grant)
        if isinstance(created, Refusal):
            return created
        cutting = {} if upload.free else {"part_size": upload.part_size, "part_count": upload.parts.count}
        plan = plan_body(upload.strategy, grant, created[1], expires=int(now) + lifetime, **cutting)
        return {**plan, SIGNED_AT: now, LIFETIME: lifetime}

    async def _remote_plan(self, upload: Upload, grant: Grant, now: float) -> dict[str, Any] | Refusal:
        """For a client that begins at S3 itself: the request that does so, and an id that goes beside S3's own."""
        lifetime = self.signer.lifetime(grant.url_lifetime, now)
        if lifetime < 1:
            return NO_CREDENTIALS
        try:
            await self._record(upload, REMOTE_STATE)
        except OSError:
            return STORE_UNAVAILABLE
        headers = dict(_creation(upload, grant))
        query = (("uploads", ""),)
        url = self.signer.url("POST", upload.key, query, tuple(headers.items()), lifetime=lifetime, now=now)
        sealed, expires = upload.sealed(self.sealer, REMOTE), int(now) + lifetime
        plan = plan_body(upload.strategy, grant, sealed, expires=expires, method="POST", url=url, headers=headers)
        return {**plan, SIGNED_AT: now, LIFETIME: lifetime}

    async def _created(self, upload: Upload, grant: Grant) -> tuple[Upload, str] | Refusal:
        """The upload with S3's id, and the sealed id of it.

        The row comes first, so that the sweeper finds what a crash leaves in S3.
        """
        if self.storage is None:
            raise RuntimeError("A multipart upload is begun without storage.")
        try:
            await self._record(upload, CREATING)
        except OSError:
            return STORE_UNAVAILABLE
        try:
            created = replace(upload, upload_id=await self.storage.create(grant.key, _creation(upload, grant)))
        except OSError:
            return STORAGE_UNAVAILABLE
        try:
            return created, await self._record(created, OPEN)
        except OSError:
            return await self._given_up(created)

    async def _given_up(self, upload: Upload) -> Refusal:
        try:
            if self.storage is not None:
                await self.storage.abort(upload.key, upload.upload_id)
        except OSError:
            return STORAGE_UNAVAILABLE  # the row that was written first leads the sweeper here
        return STORE_UNAVAILABLE

    async def _record(self, upload: Upload, state: str) -> str:
        sealed = upload.sealed(self.sealer)
        if self.register is not None:
            await self.register.record(upload, sealed, state)
        return sealed


def _too_many(most: int) -> Refusal:
    detail = f"The tenant has {most} uploads in parts unfinished, the most there may be; complete or give up some."
    return Refusal(code=Code.QUOTA_EXCEEDED, detail=detail, limit=most)


def _begun(identifier: str, grant: Grant, wanted: Wanted, caller: Caller, *, now: float) -> Upload:
    parted = wanted.strategy is Strategy.MULTIPART
    cutting = parted and wanted.part_size is not None
    return Upload(
        id=identifier,
        strategy=wanted.strategy,
        tenant=grant.tenant,
        owner=owner_of(grant.issuer, grant.subject),
        key=grant.key,
        name=grant.name,
        least=grant.least,
        size=grant.size,
        part_size=cut(grant.size, wanted.part_size or 0).part_size if cutting else 0,
        upload_id="",
        algorithm=wanted.algorithm or (DEFAULT_WHOLE if parted else ""),
        checksum="" if grant.checksum is None else grant.checksum.value,
        create_only=grant.create_only,
        look=granted_look(grant),
        created=int(now),
        ends=int(now + caller.policy.multipart.max_age if parted else over_by(grant, now)),
    )


def _creation(upload: Upload, grant: Grant) -> tuple[tuple[str, str], ...]:
    """The headers of CreateMultipartUpload: type, metadata and the checksum that S3 is to verify over all parts."""
    kind = () if grant.content_type is None else (("content-type", grant.content_type),)
    metadata = ((METADATA_PREFIX + key, value) for key, value in grant.metadata)
    checksum = (("x-amz-checksum-algorithm", upload.algorithm.upper()), ("x-amz-checksum-type", "FULL_OBJECT"))
    return (*kind, *metadata, *checksum)
