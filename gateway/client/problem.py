"""An answer that is no success, read as the one problem it is: the gateway's (RFC 9457), or S3's XML.

Knows no connection. What somebody else wrote is bounded and shown without its control characters.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.policy.problems import TYPE_PREFIX

_LONGEST: Final = 2_000
_XML_TEXT: Final = r"<{0}>([^<]{{0,2000}})</{0}>"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why something was refused.

    `code` is the gateway's, or S3's own (`NoSuchUpload`), or empty where nobody gave one. `status` is the gateway's
    own also where API Gateway could only say 403. `retry_after` is in seconds. `errors` are (pointer, sentence).
    """

    status: int
    code: str
    detail: str
    instance: str = ""
    retry_after: int | None = None
    errors: tuple[tuple[str, str], ...] = ()

    @property
    def sentence(self) -> str:
        """All that is wrong, for a person."""
        told = "; ".join(f"{pointer}: {detail}" if pointer else detail for pointer, detail in self.errors)
        return f"{self.detail} ({told})" if told else self.detail


def shown(text: str) -> str:
    """Text of somebody else, fit for a terminal: what could move the cursor or turn the writing is shown as U+FFFD."""
    return _CONTROL.sub("\ufffd", text[:_LONGEST])


def problem_of(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """The problem that an answer is; never raises."""
    waits = headers.get("retry-after", "")
    retry_after = int(waits) if _SECONDS.fullmatch(waits) else None
    if headers.get("content-type", "").startswith("application/problem+json"):
        return _ours(status, body, retry_after)
    code, told = (_element(body, name) for name in ("Code", "Message"))
    if code:
        return Problem(status=status, code=code, detail=f"S3 says {code}: {told}", retry_after=retry_after)
    if 300 <= status < 400:
        where = shown(headers.get("location", "another place"))
        detail = f"The answer is a redirect to {where}, which is not followed with a token: use the URL it names."
        return Problem(status=status, code="", detail=detail)
    return Problem(status=status, code="", detail=f"The answer is {status}, and no reason.", retry_after=retry_after)


def _ours(status: int, body: bytes, retry_after: int | None) -> Problem:
    try:
        said: Any = json.loads(body)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    intended = said.get("intended_status")
    errors = said.get("errors")
    return Problem(
        status=intended if isinstance(intended, int) else status,
        code=_text(said, "type").removeprefix(TYPE_PREFIX),
        detail=_text(said, "detail") or _text(said, "title") or f"The answer is {status}, and no reason.",
        instance=_text(said, "instance"),
        retry_after=retry_after,
        errors=tuple((_text(error, "pointer"), _text(error, "detail")) for error in errors if isinstance(error, dict))
        if isinstance(errors, list)
        else (),
    )


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return shown(value) if isinstance(value, str) else ""


def _element(body: bytes, name: str) -> str:
    found = re.search(_XML_TEXT.format(name), body[:65_536].decode("utf-8", "replace"))
    return shown(found[1]) if found else ""
