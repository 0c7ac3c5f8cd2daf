"""The name a client sends becomes the key S3 gets: decoded once, then only compared and encoded.

The rules are the wire contract's ("The name"). They run on the decoded, normalised text, so no later hop can see
another name than the one that was judged.
"""

import re
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.policy.model import Minted, ObjectKey, Policy, Principal
from gateway.policy.problems import Code, Refusal

KEY_LIMIT: Final = 1024
"""The most bytes a key may have as UTF-8 (S3 User Guide, "Naming Amazon S3 objects")."""

SEGMENT_LIMIT: Final = 255
"""The most bytes between two slashes: what common file systems hold, so that an object can be downloaded."""

_DECOMPOSED_LIMIT: Final = 4 * KEY_LIMIT
"""The most bytes a name may have before it is normalised. NFC (UAX #15) makes text at most 3.5 times shorter as UTF-8
(U+1FBE U+0308 U+0341 to U+0390), so a longer name can't fit a key; and normalising takes time that grows with the
square of a run of combining marks."""

_JOINERS: Final = frozenset("\u200c\u200d")  # emoji sequences and Persian need them
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLACEHOLDER: Final = re.compile(r"\{([a-z]+)\}")
_DATED: Final = frozenset({"year", "month", "day"})
_NO_SEGMENTS: Final = frozenset({"", ".", ".."})
_DENY_CUT: Final = re.compile(r"[\s:;%]")
_PRINTABLE_ASCII: Final = re.compile(r"[ -~]*")


def _invalid(detail: str) -> Refusal:
    return Refusal(code=Code.NAME_INVALID, detail=detail)


def decode_name(raw: str) -> str | Refusal:
    """The name in a raw request path, percent-decoded exactly once as UTF-8, normalised to NFC and checked.

    `raw` is the path after the backend's base, as it was on the wire; bytes that were not UTF-8 arrive as surrogate
    escapes. Escapes that are cut short are refused rather than taken literally, as hops differ on them.
    """
    if _BAD_ESCAPE.search(raw):
        return _invalid("The name has a '%' that begins no escape; send a literal percent sign as %25.")
    try:
        text = unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        return _invalid("The name is not UTF-8 once its percent escapes are decoded.")
    return check_name(text)


def check_name(text: str) -> str | Refusal:
    """The same rules for a name that came as text (a JSON member): its NFC form, or why it can't be a name."""
    if len(text.encode("utf-8", "surrogatepass")) > _DECOMPOSED_LIMIT:
        return _invalid(f"The name makes a key of more than {KEY_LIMIT} bytes.")
    name = text if text.isascii() else unicodedata.normalize("NFC", text)
    if not name:
        return _invalid("The name is empty.")
    if name[0] == "/" or name[-1] == "/" or "//" in name:
        return _invalid("The name begins or ends with a slash, or has two in a row.")
    fault = _character_fault(name) or _segment_fault(name)
    return _invalid(fault) if fault else name


def _character_fault(name: str) -> str | None:
    if "\\" in name:
        return "The name has a backslash; segments are separated by '/'."
    if "${" in name:
        return "The name has '${', which S3 forms would expand."
    if _PRINTABLE_ASCII.fullmatch(name):
        return None
    for character in name:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs"} and character not in _JOINERS:
            return f"The name has the control or format character U+{ord(character):04X}."
    return None


def _segment_fault(name: str) -> str | None:
    for segment in name.split("/"):
        if segment in {".", ".."}:
            return "The name has a segment '.' or '..'."
        if len(segment.encode("utf-8")) > SEGMENT_LIMIT:
            return f"The name has a segment of more than {SEGMENT_LIMIT} bytes."
    return None


def extensions(name: str) -> tuple[str, ...]:
    """Every extension of the name's last segment, each with its dot, lower-case: `a.tar.gz` has `.tar` and `.gz`.

    Case folding would be too much: it makes `.tiff` of an extension with a ligature in it.
    """
    return tuple(["." + part.lower() for part in name.rsplit("/", 1)[-1].split(".")[1:]])


def denied_extension(name: str, denied: tuple[str, ...]) -> str | None:
    """The first denied extension among all of the name's, seen as lenient systems would see it, or None.

    Compatibility forms and case are folded (NFKC) and what follows a space, colon, semicolon or percent sign is cut,
    because `x.exe::$DATA`, `x.exe ` and a full-width dot reach a Windows user as `x.exe`. The name is looked at as it
    is, too: folding makes a slash of a full-width one, and so another last segment.
    """
    forms = {name} if name.isascii() else {name, unicodedata.normalize("NFKC", name)}
    for form in sorted(forms):
        for extension in extensions(form):
            if _DENY_CUT.split(extension.casefold(), maxsplit=1)[0] in denied:
                return extension
    return None


def object_key(policy: Policy, principal: Principal, name: str, minted: Minted) -> ObjectKey | Refusal:
    """The full key: the policy's template filled in one pass, held to S3's length and the tenant's own prefix."""
    if "{subject}" in policy.key and not _is_segment(principal.subject):
        return _invalid("The credential's subject can't be a segment of a key.")
    values = {"tenant": policy.tenant, "name": name, "subject": principal.subject, "uuid": minted.uuid}
    literals, placeholders = _template(policy.key)
    if not _DATED.isdisjoint(placeholders):
        at = datetime.fromtimestamp(minted.at, UTC)
        values |= {"year": f"{at.year:04}", "month": f"{at.month:02}", "day": f"{at.day:02}"}
    filled = [literal + values[placeholder] for literal, placeholder in zip(literals, placeholders, strict=False)]
    key = "".join(filled) + literals[-1]
    if len(key.encode("utf-8")) > KEY_LIMIT:
        return _invalid(f"The name makes a key of more than {KEY_LIMIT} bytes.")
    if not key.startswith(f"{policy.tenant}/") or "${" in key or not _NO_SEGMENTS.isdisjoint(key.split("/")):
        return _invalid("The name makes no key under the tenant's prefix.")
    return ObjectKey(key)


@lru_cache(maxsize=1_024)
def _template(key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The texts of a template and the placeholders between them: one text more than placeholders."""
    parts = _PLACEHOLDER.split(key)
    return tuple(parts[::2]), tuple(parts[1::2])


def key_prefix(policy: Policy, principal: Principal) -> str | Refusal:
    """What every key that `object_key` makes for this principal begins with, as far as it is the same each time.

    A credential that is narrowed to a prefix of names has one only where nothing that changes stands before the name.
    """
    changing = next(match for match in _PLACEHOLDER.finditer(policy.key) if match[1] not in {"tenant", "subject"})
    fixed = policy.key[: changing.start()]
    if "{subject}" in fixed and not _is_segment(principal.subject):
        return _invalid("The credential's subject can't be a segment of a key.")
    prefix = fixed.replace("{tenant}", policy.tenant).replace("{subject}", principal.subject)
    if principal.name_prefix is None:
        return prefix
    if changing[1] != "name":
        detail = "The credential allows only names with a prefix of its own, and the tenant's keys don't keep them so."
        return Refusal(code=Code.NAME_NOT_ALLOWED, detail=detail)
    return prefix + principal.name_prefix


def _is_segment(text: str) -> bool:
    return "/" not in text and check_name(text) == text


def uuid4_of(randomness: bytes) -> str:
    """16 random bytes as the text of a UUID of version 4 (RFC 9562 section 5.4).

    `uuid.uuid4` makes a number and an object of them first, which was 7 % of an upload's time.
    """
    text = randomness.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"
