"""Whose upload it is: an id that was sealed for someone else, changed, or whose time is over is no upload at all.

Decided from the sealed id, the caller and the clock alone; S3 is not asked, and all of these look the same.
"""

import functools
from dataclasses import replace
from typing import Final

from gateway.allowance import Caller
from gateway.policy.decide import RULES
from gateway.policy.model import Intent, Minted
from gateway.policy.problems import Code, Refusal
from presigner.plans import PLAN_CARRIAGE
from presigner.sealing import Sealer
from presigner.upload import PURPOSE, Upload, owner

NOT_FOUND: Final = Refusal(code=Code.UPLOAD_NOT_FOUND, detail="There is no such upload, or it is over.")

_ABOUT_THE_CALLER: Final = tuple(rule for rule in RULES if rule.name in {"tenant", "scope", "backend"})

_ANYTHING: Final = Intent(
    carriage=PLAN_CARRIAGE,
    name="",
    size=0,
    content_type=None,
    checksum=None,
    create_only=False,
    metadata=(),
    object_headers=(),
    minted=Minted(at=0.0, uuid=""),
)


def permitted(caller: Caller, client: str | None = None) -> Refusal | None:
    """The first rule about the caller alone, or this kind of client, that objects; the rules of a new upload."""
    intent = _anything_of(client)
    for rule in _ABOUT_THE_CALLER:
        if refusal := rule.check(caller.principal, caller.policy, intent):
            return refusal
    return None


@functools.cache
def _anything_of(client: str | None) -> Intent:
    """Any intent of this kind of client; there are a few."""
    return _ANYTHING if client is None else replace(_ANYTHING, client=client)


def opened(text: str, caller: Caller, sealer: Sealer, now: float, purpose: str = PURPOSE) -> Upload | Refusal:
    """The caller's own upload of this id."""
    upload = Upload.opened(text, sealer, purpose)
    if upload is None or upload.tenant != caller.policy.tenant or upload.ends <= now:
        return NOT_FOUND
    if caller.policy.owner == "subject" and upload.owner != owner(caller.principal):
        return NOT_FOUND
    if not may_see(caller, upload.name):
        return NOT_FOUND
    return upload


def may_see(caller: Caller, name: str) -> bool:
    """Whether the name is within what the credential is narrowed to."""
    prefix = caller.principal.name_prefix
    return prefix is None or name.startswith(prefix)
