"""Types and extensions: what a `Content-Type` names, and which extensions a tenant's types allow."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_NAME: Final = frozenset("!#$&^_.+-0123456789abcdefghijklmnopqrstuvwxyz")  # RFC 6838 section 4.2; '*' is the policy's


_REMEMBERED_LENGTH: Final = 256
"""Characters; what strangers could fill the memory with stays within a few KiB."""


def essence(content_type: str) -> str | None:
    """The lower-case `type/subtype` of a media type (RFC 9110 section 8.3.1), parameters ignored; None if malformed.

    A comma outside quotes is malformed here: browsers that are served such a value take the type after the comma
    (Fetch standard, "extract a MIME type"), which nobody would have judged.
    """
    return _essence(content_type) if len(content_type) <= _REMEMBERED_LENGTH else _essence.__wrapped__(content_type)


@lru_cache(maxsize=256)
def _essence(content_type: str) -> str | None:
    value, _, parameters = content_type.partition(";")
    main, _, sub = value.strip(" \t").lower().partition("/")
    if not (value.isascii() and main and sub and _NAME.issuperset(main) and _NAME.issuperset(sub)):
        return None
    return None if _has_loose_comma(parameters) else f"{main}/{sub}"


def _has_loose_comma(parameters: str) -> bool:
    """Whether a comma stands outside a quoted string, or a quoted string is left open."""
    quoted = escaped = False
    for character in parameters:
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            return True
    return quoted


def allowed_extensions(types: Mapping[str, tuple[str, ...]], essence: str | None) -> tuple[str, ...] | None:
    """The extensions of the entry that covers `essence`, an exact one before a wildcard; None if none covers it.

    An empty tuple allows any extension and none. An absent type (None) is covered by `*/*` only.
    """
    if essence is not None:
        for entry in (essence, essence.partition("/")[0] + "/*"):
            if entry in types:
                return types[entry]
    return types.get("*/*")
