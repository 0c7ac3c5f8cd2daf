"""The tenant document and the `Policy` it becomes: the only way from one to the other.

Owns which members a document may have, what each may hold and which of them contradict each other. Every member is a
line of a table (`_POLICY` and the tables it names); what a line may hold is a reader. A reader that meets something
wrong notes a `Fault` with the RFC 6901 pointer of the place and goes on, so that one answer says everything.

It knows no bytes (`strict_json` does) and no network: a host is judged by its spelling here, by what it resolves to
where it is fetched.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gateway.policy.addresses import url_fault
from gateway.policy.model import (
    OBJECT_LIMIT,
    SINGLE_PUT_LIMIT,
    Backend,
    IssuerRule,
    MetadataRule,
    MultipartRule,
    NameRule,
    Policy,
    QuotaRule,
    RateRule,
    SizeRule,
    TenantId,
)
from gateway.policy.pattern import compile_pattern
from gateway.policy.problems import Fault

VERSION: Final = 1
"""The document's version that this module reads and writes."""

ADMIN_SCOPE: Final = "tenants:admin"
"""The operator's scope, which no tenant may take for uploads."""

PLACEHOLDERS: Final = frozenset({"tenant", "name", "subject", "year", "month", "day", "uuid"})
"""What may stand in braces in a key template."""

MAX_FAULTS: Final = 500
"""The most faults one answer lists; what is found after them is not told."""

_MAX_ITEMS: Final = 1_000
_COUNT_LIMIT: Final = 2**63 - 1  # what SQLite and DynamoDB both hold exactly enough
_TENANT_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+")  # RFC 6749 section 3.3, scope-token
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,255}")  # RFC 9110 section 5.6.2, lower-case
_MEDIA_NAME: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"  # RFC 6838 section 4.2, lower-cased
_MEDIA_RANGE: Final = re.compile(rf"\*/\*|{_MEDIA_NAME}/(?:\*|{_MEDIA_NAME})")
# Visible ASCII but for dot, slash and backslash, and but for : ; % at which `names.denied_extension` cuts.
_EXTENSION: Final = re.compile(r"\.[!-$&-,0-9<-\[\]-~-]{1,63}")
_Reader = Callable[["_Place"], Any]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What all places of one document share: the faults so far, and whether private issuers are allowed."""

    allow_private_issuers: bool
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """A value of the document and where it stands."""

    reading: _Reading
    value: Any
    pointer: str = ""

    def fault(self, detail: str) -> None:
        if len(self.reading.faults) < MAX_FAULTS:
            self.reading.faults.append(Fault(self.pointer, detail))

    def child(self, name: str, value: Any) -> "_Place":
        """The place below this one; `name` is escaped as RFC 6901 section 3 says, and always encodable."""
        safe = name.encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")
        return _Place(self.reading, value, f"{self.pointer}/{safe}")

    def members(self) -> "dict[str, _Place] | None":
        """The places of an object's members, or None when the value is none."""
        if type(self.value) is not dict or not all(type(name) is str for name in self.value):
            self.fault("this must be an object")
            return None
        return {name: self.child(name, value) for name, value in self.value.items()}

    def items(self, most: int) -> "list[_Place]":
        """The places of a list's items; none when the value is no list or one that is too long."""
        if type(self.value) is not list:
            self.fault("this must be a list")
            return []
        if len(self.value) > most:
            self.fault(f"this list may have {most} items at most")
            return []
        return [self.child(str(index), value) for index, value in enumerate(self.value)]

    def clean(self, *names: str) -> bool:
        """Whether this is an object whose members `names` have no fault, so that they can be held together."""
        exactly = {self.pointer, *(f"{self.pointer}/{name}" for name in names)}
        below = tuple(f"{self.pointer}/{name}/" for name in names)
        faulty = (fault.pointer for fault in self.reading.faults)
        return not any(pointer in exactly or pointer.startswith(below) for pointer in faulty)


# Readers of single values. What a reader gives back after a fault is of the right type and never used.


def _boolean(place: _Place) -> bool:
    if type(place.value) is not bool:
        place.fault("this must be true or false")
    return place.value is True


def _or_null(reader: _Reader) -> _Reader:
    return lambda place: None if place.value is None else reader(place)


def _one_of(*options: str) -> _Reader:
    said = " or ".join(f'"{option}"' for option in options)

    def read(place: _Place) -> str:
        if type(place.value) is not str or place.value not in options:
            place.fault(f"this must be {said}")
            return options[0]
        return place.value

    return read


def _whole(least: int, most: int) -> _Reader:
    def read(place: _Place) -> int:
        if type(place.value) is not int or not least <= place.value <= most:
            place.fault(
                f"this must be a whole number from {least} to {most}" if least < most else f"this must be {most}"
            )
            return least
        return place.value

    return read


def _per_second(place: _Place) -> float:
    """A rate: at least one a day, so that no wait computed from it is absurd, and at most a million."""
    value = place.value
    if type(value) not in (int, float) or not 0.00001 <= value <= 1_000_000:
        place.fault("this must be a number above 0 (at least 0.00001) and at most 1000000")
        return 1.0
    return float(value)


def _text(place: _Place, most: int = 255) -> str:
    value = place.value
    if type(value) is not str or not value or len(value) > most:
        place.fault(f"this must be a text of 1 to {most} characters")
        return ""
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
        place.fault("this must not have control characters")
        return ""
    return value


def _matching(rule: re.Pattern[str], said: str, *, lower: bool = False, most: int = 255) -> _Reader:
    """A text that `rule` matches whole; `lower` first brings it to lower case, where case has no meaning."""

    def read(place: _Place) -> str:
        if type(place.value) is not str or len(place.value) > most:
            place.fault(said)
            return ""
        value = place.value.lower() if lower and place.value.isascii() else place.value
        if not rule.fullmatch(value):
            place.fault(said)
        return value

    return read


def _several(
    item: _Reader, *, least: int = 0, most: int = _MAX_ITEMS, same: Callable[[Any], Any] = lambda value: value
) -> _Reader:
    """A list without repetition as a tuple; `same` is what two items must not have in common."""

    def read(place: _Place) -> tuple[Any, ...]:
        faults = place.reading.faults
        values: list[Any] = []
        seen: set[Any] = set()
        for each in place.items(most):
            before = len(faults)
            value = item(each)
            if len(faults) == before and same(value) in seen:
                each.fault("this is listed twice")
            seen.add(same(value))
            values.append(value)
        if place.value == [] and least:
            place.fault("this list must not be empty")
        return tuple(values)

    return read


def _members(place: _Place, table: Mapping[str, _Reader], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of an object's members by `table`; those left out keep their default by being left out."""
    found = place.members()
    if found is None:
        return dict.fromkeys(required)
    values: dict[str, Any] = dict.fromkeys(required)
    for name, member in found.items():
        if reader := table.get(name):
            values[name] = reader(member)
        else:
            member.fault("this member is not known")
    for name in required:
        if name not in found:
            place.child(name, None).fault("this member is required")
    return values


def _url(*, private: bool, query: bool) -> _Reader:
    """A URL; `private` ones are taken where the operator allows private issuers."""

    def read(place: _Place) -> str:
        allow_private = private and place.reading.allow_private_issuers
        if fault := url_fault(place.value, allow_private=allow_private, allow_query=query):
            place.fault(fault)
            return ""
        return str(place.value)

    return read


# Members with rules of their own


def tenant_id(text: object) -> TenantId | Fault:
    """The tenant's id that `text` is, or what is wrong with it. The only maker of a `TenantId`."""
    if type(text) is str and _TENANT_ID.fullmatch(text):
        return TenantId(text)
    return Fault("", "a tenant's id is 1 to 63 of a-z, 0-9 and -, and begins with a letter or a digit")


def _tenant(place: _Place) -> TenantId:
    found = tenant_id(place.value)
    if isinstance(found, Fault):
        place.fault(found.detail)
        return TenantId("")
    return found


def _scope(place: _Place) -> str:
    said = "a scope is visible ASCII without quotes and backslashes (RFC 6749, section 3.3)"
    scope: str = _matching(_SCOPE, said)(place)
    if scope == ADMIN_SCOPE:
        place.fault(f"{ADMIN_SCOPE} is the operator's and can't be given to a tenant")
    return scope


def _template_faults(template: str) -> list[str]:
    """All that is wrong with a key template of at most 512 bytes."""
    faults = []
    literal = re.sub(r"\{([a-z]+)\}", lambda found: "x" if found[1] in PLACEHOLDERS else found[0], template)
    segments = template.split("/")
    if not template.startswith("{tenant}/"):
        faults.append("a key must begin with {tenant}/")
    if "{name}" not in template and "{uuid}" not in template:
        faults.append("a key must have {name} or {uuid}, or all uploads would have the same key")
    if "${" in template:
        faults.append("a key must not have ${, which S3 replaces in forms")
    if "{" in literal or "}" in literal:
        faults.append("braces may only be around " + ", ".join(sorted(PLACEHOLDERS)))
    if any(segment in ("", ".", "..") for segment in segments):
        faults.append("a key must not have empty or dot segments")
    if "\\" in literal or any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in literal):
        faults.append("a key must not have backslashes, control or format characters")
    elif not unicodedata.is_normalized("NFC", literal):
        faults.append("a key must be in Unicode's normalization form C, as names are")
    if any(len(segment.encode("utf-8", "replace")) > 255 for segment in segments):
        faults.append("a key's segment may have 255 bytes at most")
    return faults


def _key(place: _Place) -> str:
    if type(place.value) is not str or len(place.value.encode("utf-8", "replace")) > 512:
        place.fault("this must be a key template of at most 512 bytes")
        return ""
    for fault in _template_faults(place.value):
        place.fault(fault)
    return place.value


def _extension(place: _Place) -> str:
    value = place.value
    if type(value) is str and value.count(".") > 1:
        place.fault('an extension is what follows the last dot: write ".gz", not ".tar.gz"')
        return ""
    said = 'an extension is a dot and 1 to 63 visible ASCII characters other than . / \\ : ; %, such as ".png"'
    extension: str = _matching(_EXTENSION, said, lower=True)(place)
    return extension


def _types(place: _Place) -> dict[str, tuple[str, ...]]:
    types: dict[str, tuple[str, ...]] = {}
    members = place.members() or {}
    if len(members) > _MAX_ITEMS:
        place.fault(f"this may have {_MAX_ITEMS} members at most")
        return types
    for name, member in members.items():
        essence = name.lower() if name.isascii() else name
        if not _MEDIA_RANGE.fullmatch(essence):
            member.fault('a type is "type/subtype", "type/*" or "*/*", without parameters')
        if essence in types:
            member.fault("this type is listed twice; the case of letters makes no difference")
        types[essence] = _several(_extension)(member)
    return types


def _pattern(place: _Place) -> str:
    text = _text(place, 512)
    if text and isinstance(refused := compile_pattern(text), str):
        place.fault(refused)
    return text


def _metadata_keys(place: _Place) -> tuple[str, ...]:
    said = "a metadata key is a lower-case token (RFC 9110, section 5.6.2), without x-amz-meta-"
    keys: tuple[str, ...] = _several(_matching(_TOKEN, said))(place)
    if "*" in keys and len(keys) > 1:
        place.fault('"*" allows any key and stands alone')
    return keys


def _object_of(
    kind: Callable[..., Any],
    table: Mapping[str, _Reader],
    required: tuple[str, ...] = (),
    check: "_Check | None" = None,
) -> _Reader:
    """An object read by `table`; `check` looks for contradictions between members that are right by themselves."""

    def read(place: _Place) -> Any:
        value = kind(**_members(place, table, required))
        if check:
            check(place, value)
        return value

    return read


_Check = Callable[[_Place, Any], None]


def _check_size(place: _Place, size: SizeRule) -> None:
    if size.min > size.max and place.clean("min", "max"):
        place.child("min", None).fault("min is more than max, so nothing could be uploaded")


def _check_issuer(place: _Place, rule: IssuerRule) -> None:
    if not place.clean("kind", "audience", "client_ids"):
        return
    if rule.kind == "oidc" and not rule.audience:
        place.child("audience", None).fault("an issuer of kind oidc needs an audience, or any token of it would do")
    if rule.kind == "cognito" and not rule.client_ids:
        place.child("client_ids", None).fault("an issuer of kind cognito needs the client ids it is believed for")
    if rule.kind == "oidc" and rule.client_ids:
        place.child("client_ids", None).fault("client_ids belongs to kind cognito; kind oidc checks audience")


def _check_policy(place: _Place, policy: Policy) -> None:
    """An extension that one list allows and another denies could never be uploaded."""
    if not place.clean("types", "names"):
        return
    told = "take it out of names.deny_extensions"
    if "deny_extensions" not in place.value.get("names", {}):
        told = "names.deny_extensions denies it unless it is given; give it without this extension"
    types = place.child("types", None)
    for name, extensions in place.value.get("types", {}).items():
        for index, extension in enumerate(extensions):
            if extension.lower() in policy.names.deny_extensions:
                types.child(name, None).child(str(index), None).fault(f"this extension is also denied: {told}")


_SIZE: Final = {"min": _whole(0, OBJECT_LIMIT), "max": _whole(0, OBJECT_LIMIT)}

_NAMES: Final = {
    "max_depth": _whole(1, 1_024),
    "deny_extensions": _several(_extension),
    "pattern": _or_null(_pattern),
}

_METADATA: Final = {"keys": _metadata_keys, "max_bytes": _whole(0, 2_048)}

# threshold: a PUT carries 5 GiB at most, and an empty object is always one PUT. part_size: S3 User Guide, "Multipart
# upload limits". max_age: from the longest a URL may live to the seven days a signature can (SigV4 query parameters).
_MULTIPART: Final = {
    "threshold": _whole(1, SINGLE_PUT_LIMIT),
    "part_size": _whole(5_242_880, SINGLE_PUT_LIMIT),
    "max_age": _whole(3_600, 604_800),
}

_QUOTA: Final = {"bytes": _or_null(_whole(0, _COUNT_LIMIT)), "objects": _or_null(_whole(0, _COUNT_LIMIT))}

_RATE: Final = {"per_second": _per_second, "burst": _whole(1, 1_000_000), "per": _one_of("tenant", "subject")}

_ISSUER: Final = {
    "issuer": _url(private=True, query=False),
    "kind": _one_of("oidc", "cognito"),
    "audience": _several(_text),
    "client_ids": _several(_text),
    "token_use": _several(_one_of("access", "id"), least=1),
    "jwks_uri": _or_null(_url(private=True, query=False)),
    "subject_claim": _text,
    "scope_claim": _text,
    "tenant_claim": _or_null(_text),
}

_ISSUER_ENTRY: Final = _object_of(IssuerRule, _ISSUER, ("issuer",), _check_issuer)

_OBJECT_HEADER: Final = re.compile("content-encoding|content-disposition|content-language|expires")

_POLICY: Final[Mapping[str, _Reader]] = {
    "version": _whole(VERSION, VERSION),
    "tenant": _tenant,
    "status": _one_of("active", "suspended"),
    "scopes": _several(_scope, least=1),
    "backends": _several(lambda place: Backend(_one_of(*Backend)(place)), least=1),
    "key": _key,
    "owner": _one_of("tenant", "subject"),
    "size": _object_of(SizeRule, _SIZE, check=_check_size),
    "types": _types,
    "names": _object_of(NameRule, _NAMES),
    "overwrite": _boolean,
    "checksum": _one_of("optional", "required"),
    "metadata": _object_of(MetadataRule, _METADATA),
    "object_headers": _several(
        _matching(
            _OBJECT_HEADER,
            "this must be content-encoding, content-disposition, content-language or expires",
            lower=True,
        )
    ),
    "url_lifetime": _whole(60, 3_600),
    "multipart": _object_of(MultipartRule, _MULTIPART),
    "clients": _several(_one_of("uppy", "uppy-sign", "sts")),
    "quota": _object_of(QuotaRule, _QUOTA),
    "rate": _or_null(_object_of(RateRule, _RATE, ("per_second", "burst"))),
    "inspection": _one_of("none", "required"),
    "webhooks": _several(_url(private=False, query=True), most=16),
    "issuers": _several(_ISSUER_ENTRY, most=64, same=lambda rule: rule.issuer),
}


def _policy(**values: Any) -> Policy:
    del values["version"]
    return Policy(**values)


def parse(document: object, *, allow_private_issuers: bool = False) -> Policy | tuple[Fault, ...]:
    """The policy of a decoded tenant document, or everything that is wrong with it. Never raises.

    `allow_private_issuers` takes issuers on loopback, private and http addresses; webhooks are public either way.
    """
    reading = _Reading(allow_private_issuers)
    place = _Place(reading, document)
    policy: Policy = _object_of(_policy, _POLICY, ("version", "tenant"), _check_policy)(place)
    return policy if not reading.faults else tuple(reading.faults)


def parse_issuer(document: object, *, allow_private_issuers: bool = False) -> IssuerRule | tuple[Fault, ...]:
    """One issuer by the rules of a document's `issuers`, for those that the operator believes. Never raises."""
    reading = _Reading(allow_private_issuers)
    rule: IssuerRule = _ISSUER_ENTRY(_Place(reading, document))
    return rule if not reading.faults else tuple(reading.faults)


def render(policy: Policy) -> dict[str, Any]:
    """The document of a policy with every default filled in, members in the contract's order."""
    return {"version": VERSION, **{name: _plain(getattr(policy, name)) for name in _POLICY if name != "version"}}


def _plain(value: Any) -> Any:
    """A value of the model as JSON has it."""
    match value:
        case StrEnum():
            return str(value)
        case float():
            return int(value) if value.is_integer() else value
        case tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return {name: _plain(item) for name, item in value.items()}
        case _ if dataclasses.is_dataclass(value):
            return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        case _:
            return value


__all__ = ["ADMIN_SCOPE", "MAX_FAULTS", "PLACEHOLDERS", "VERSION", "parse", "parse_issuer", "render", "tenant_id"]
