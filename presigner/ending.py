"""The end of uploads whose time is over: S3 forgets their parts, then the list forgets them.

Every multipart upload ends here if nobody ends it before, also what a crash left between S3's answer and our list. Any
number may run at once, since ending an upload twice ends it once. The room is given back by `gateway.tenants.expiry`,
which looks at S3 a little later.
"""

from collections.abc import Sequence
from typing import Final

from gateway.journal import EXPIRE, About, Journal
from gateway.storage.listing import Unfinished
from gateway.storage.multipart import Multipart
from gateway.tenants.uploads import UnfinishedUpload
from presigner.life import taken_back
from presigner.register import CREATING, OPEN, REMOTE, Register
from presigner.sealing import Sealer
from presigner.upload import Strategy, Upload

BESIDE: Final = 300.0
"""Seconds between our row and S3's own time of an upload that count as the same moment: clocks differ, calls wait."""

LONGEST_LIFE: Final = 3600.0
"""Seconds that a URL lives at most (contract, the tenant document): so much later a client may begin at S3 itself."""


async def end_expired(register: Register, storage: Multipart, sealer: Sealer, journal: Journal) -> int:
    """End some uploads whose time is over; how many.

    One that S3 does not answer about stays for the next run; the error is raised when all others are done.
    """
    silent: OSError | None = None
    ended = 0
    for row in await register.expired():
        try:
            over = row.strategy != Strategy.MULTIPART or await _taken_back(row, storage, sealer)
        except OSError as error:
            silent = error
            continue
        if over:
            await register.forget(row)
            if row.strategy == Strategy.MULTIPART and row.state in {CREATING, REMOTE, OPEN}:
                journal.found(row.tenant, EXPIRE, "aborted", About(upload=row.id, key=row.key, bytes=row.size))
            ended += 1
    if silent is not None:
        raise silent
    return ended


async def orphans(
    tenant: str, unfinished: Sequence[Unfinished], register: Register, sealer: Sealer
) -> tuple[Unfinished, ...]:
    """Those of S3's unfinished uploads under the tenant's prefix that no row of the list is about.

    A row without S3's id (a crash between the two) stands for what began beside it under its key.
    """
    rows = await register.listed(tenant)
    opened = [(row, Upload.opened(row.sealed, sealer)) for row in rows if row.strategy == Strategy.MULTIPART]
    known = {upload.upload_id for _, upload in opened if upload is not None and upload.upload_id}
    loose = [row for row, upload in opened if upload is None or not upload.upload_id]

    def about(upload: Unfinished) -> bool:
        return upload.upload_id in known or any(
            row.key == upload.key and row.created_at - BESIDE <= upload.began <= row.created_at + LONGEST_LIFE
            for row in loose
        )

    return tuple(upload for upload in unfinished if not about(upload))


async def _taken_back(row: UnfinishedUpload, storage: Multipart, sealer: Sealer) -> bool:
    """Whether S3 has nothing of the upload any more."""
    upload = Upload.opened(row.sealed, sealer)
    if upload is not None and upload.upload_id:
        return await taken_back(storage, upload)
    latest = row.created_at + BESIDE + (LONGEST_LIFE if row.state == REMOTE else 0)
    for upload_id, began in await storage.unfinished(row.key):
        if row.created_at - BESIDE <= began <= latest:
            await storage.abort(row.key, upload_id)
    return True
