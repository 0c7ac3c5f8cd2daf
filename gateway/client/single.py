"""A small file in one PUT, whose length, type and checksum are signed.

S3's answer may get lost. So where nobody knows what became of an attempt, what S3 holds is compared with the plan (the
call `complete`) before anything is called stored, refused or begun anew.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from gateway.client.answers import Plan
from gateway.client.bucket import Advanced, Piece, Put, damaged, passes, unanswered
from gateway.client.errors import RefusedError, UnavailableError
from gateway.client.parts import GoneError, Tools
from gateway.client.problem import Problem
from gateway.client.source import Source

_REFUSALS: Final = 3
_NOT_THERE: Final = frozenset({"upload-incomplete", "upload-not-found"})


async def stored_whole(tools: Tools, source: Source, plan: Plan, advanced: Advanced) -> Mapping[str, Any]:
    """What is stored; raises GoneError where the URL is no good any more, and every `ClientError`."""
    try:
        lost = await _put(tools, source, plan, advanced)
    except GoneError:
        answer = await stored_before(tools, plan.id)
        if answer is None:
            raise
        return answer
    source.check()
    try:
        return await tools.gateway.complete(plan.id, {})
    except RefusedError as error:
        if lost and error.problem.code in _NOT_THERE:
            raise RefusedError(_exists(plan.name)) from None
        raise


async def stored_before(tools: Tools, upload_id: str) -> Mapping[str, Any] | None:
    """What an earlier run stored under this plan; None where it did not."""
    try:
        return await tools.gateway.complete(upload_id, {})
    except RefusedError as error:
        if error.problem.code in _NOT_THERE:
            return None
        raise


async def _put(tools: Tools, source: Source, plan: Plan, advanced: Advanced) -> bool:
    """Send it until S3 has it; True where S3 has something under the key after an attempt that nobody answered."""
    tries, refusals, lost = tools.patience.began(), 0, False
    piece = Piece(source=source, start=0, length=source.size)
    url, headers = plan.single
    while time.monotonic() < plan.urls.deadline:
        outcome = await tools.bucket.put(url, headers, piece, advanced)
        if isinstance(outcome, Put):
            return False
        if outcome.status == 412:
            if lost:
                return True
            raise RefusedError(_exists(plan.name))
        if outcome.status == 403:
            break
        refusals += not passes(outcome)
        if (refusals and not damaged(outcome)) or refusals > _REFUSALS:
            raise RefusedError(outcome)
        lost = lost or unanswered(outcome)
        tools.told(f"{source.label}: {outcome.detail} Trying again.")
        if not await tries.again(outcome.retry_after):
            raise UnavailableError(outcome.sentence)
    raise GoneError


def _exists(name: str) -> Problem:
    detail = f"An object named {name} exists, and this upload may only create one."
    return Problem(status=412, code="object-exists", detail=detail)
