"""Bodies that were read, as the values that the tenants' room takes; what no schema can say is checked here."""

import re
from datetime import UTC, datetime
from typing import Final

from gateway.asgi.problems import RefusedError
from gateway.policy.model import Backend
from gateway.policy.problems import Fault
from gateway.server.admin import incoming, models
from gateway.tenants.evaluation import OWN_MEMBERS, Question
from gateway.tenants.service import invalid
from gateway.tenants.tenant_keys import KeyRequest

_TOKEN_CHARACTERS: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}")
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]{0,8192}")
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def question(body: models.EvaluateBody) -> Question:
    """The question that a body asks; raises `RefusedError` for headers that no request could have."""
    faults = [
        Fault(f"/headers/{name.replace('~', '~0').replace('/', '~1')}", told)
        for name, value in body.headers.items()
        if (told := _header_fault(name, value)) is not None
    ]
    if body.content_type is not None and not _HEADER_VALUE.fullmatch(body.content_type):
        faults.append(Fault("/content_type", "a header's value has no control characters"))
    if faults:
        raise RefusedError(invalid("The request's body is not valid.", *faults))
    return Question(
        backend=Backend(body.backend),
        name=body.name,
        size=body.size,
        content_type=body.content_type,
        headers=tuple(body.headers.items()),
        claims=body.claims,
    )


def _header_fault(name: str, value: str) -> str | None:
    if not _TOKEN_CHARACTERS.fullmatch(name):
        return "this is no header's name"
    if name.lower() in OWN_MEMBERS:
        return "say this with size, content_type or claims"
    return None if _HEADER_VALUE.fullmatch(value) else "a header's value has no control characters"


def key_request(body: models.CreateKeyBody) -> KeyRequest:
    """The key that a body asks for; raises `RefusedError` for a time that is none."""
    expires_at = None
    if body.expires_at is not None:
        expires_at = _seconds(body.expires_at)
        if expires_at is None:
            raise incoming.refused(
                "The request's body is not valid.", "/expires_at", "this must be RFC 3339 with a zone"
            )
    return KeyRequest(name=body.name, scopes=tuple(body.scopes), expires_at=expires_at, name_prefix=body.name_prefix)


def _seconds(text: str) -> float | None:
    """The epoch seconds of an RFC 3339 time; None where it is none."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
